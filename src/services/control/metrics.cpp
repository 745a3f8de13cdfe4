#include "services/control/metrics.hpp"

#include <fmt/core.h>

#include <array>
#include <string_view>
#include <utility>

namespace oxbow {
namespace {

// A label's value with what the format reserves escaped.
std::string escaped(std::string_view value) {
  std::string out;
  for (char c : value) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out;
}

class Page {
 public:
  // Begins a metric; its samples follow.
  void metric(std::string_view name, std::string_view type, std::string_view help) {
    name_ = name;
    text_ += fmt::format("# HELP {0} {2}\n# TYPE {0} {1}\n", name, type, help);
  }

  template <class Value>
  void sample(Value value, std::initializer_list<std::pair<std::string_view, std::string_view>> labels = {}) {
    text_ += name_;
    char before = '{';
    for (const auto& [label, content] : labels) {
      text_ += fmt::format("{}{}=\"{}\"", before, label, escaped(content));
      before = ',';
    }
    text_ += fmt::format("{} {}\n", labels.size() ? "}" : "", value);
  }

  template <class Value>
  void single(std::string_view name, std::string_view type, std::string_view help, Value value) {
    metric(name, type, help);
    sample(value);
  }

  // What is not known has no sample: a number would look like knowledge.
  template <class Value>
  void single(std::string_view name, std::string_view type, std::string_view help,
              const std::optional<Value>& value) {
    metric(name, type, help);
    if (value) sample(*value);
  }

  // Its buckets, each with what is in those below it, its sum and its count.
  template <std::size_t kBounds>
  void histogram(const std::array<double, kBounds>& bounds,
                 const std::array<std::uint64_t, kBounds + 1>& counts, double sum,
                 std::pair<std::string_view, std::string_view> label) {
    auto metric = std::exchange(name_, {});
    std::uint64_t below = 0;
    auto line = [&](std::string_view suffix, std::string_view more, auto value) {
      text_ += fmt::format("{}{}{{{}=\"{}\"{}}} {}\n", metric, suffix, label.first, escaped(label.second),
                           more, value);
    };
    for (std::size_t i = 0; i <= kBounds; ++i) {
      below += counts[i];
      line("_bucket", fmt::format(",le=\"{}\"", i < kBounds ? fmt::format("{}", bounds[i]) : "+Inf"), below);
    }
    line("_sum", "", sum);
    line("_count", "", below);
    name_ = metric;
  }

  std::string take() { return std::move(text_); }

 private:
  std::string_view name_;
  std::string text_;
};

void add_cohorts(Page& page, const Lifecycle& lifecycle, WallTime now) {
  page.metric("oxbow_cohort_state", "gauge", "1 for the state that a cohort is in.");
  for (const auto& [scope, life] : lifecycle.cohorts)
    page.sample(1, {{"entity", scope.entity}, {"cohort", scope.cohort}, {"state", name(life.state)}});
  page.metric("oxbow_proof_age_seconds", "gauge", "Age of the last finished verification of a cohort.");
  for (const auto& [scope, life] : lifecycle.cohorts) {
    if (!life.proof) continue;
    auto age = std::chrono::duration<double>(now - life.proof->taken_at).count();
    page.sample(age,
                {{"entity", scope.entity}, {"cohort", scope.cohort}, {"result", name(life.proof->result)}});
  }
  page.single("oxbow_halted", "gauge", "1 while an operator's halt is in force.", lifecycle.halted ? 1 : 0);
}

void add_tables(Page& page, const PlaneStatus& plane) {
  page.metric("oxbow_rows_copied", "gauge", "Rows that the backfill has brought over.");
  // One legacy table may be copied into several new ones.
  for (const auto& table : plane.tables)
    page.sample(table.rows_copied, {{"entity", table.entity},
                                    {"table", to_string(table.legacy)},
                                    {"new_table", to_string(table.new_side)}});
  page.metric("oxbow_ranges", "gauge", "Ranges of the backfill, by phase.");
  for (const auto& table : plane.tables) {
    auto legacy = to_string(table.legacy);
    auto new_side = to_string(table.new_side);
    auto add = [&](std::string_view phase, std::uint64_t ranges) {
      page.sample(ranges,
                  {{"entity", table.entity}, {"table", legacy}, {"new_table", new_side}, {"phase", phase}});
    };
    add("total", table.ranges_total);
    add("copied", table.ranges_copied);
    add("settled", table.ranges_settled);
  }
}

void add_stream(Page& page, const StreamStatus& stream) {
  page.single("oxbow_stream_running", "gauge", "1 while changes are applied.",
              stream.phase == StreamPhase::running ? 1 : 0);
  page.single("oxbow_stream_lag_bytes", "gauge", "Log between the source's end and what is applied.",
              stream.lag_bytes);
  auto in_seconds = [](Duration lag) { return std::chrono::duration<double>(lag).count(); };
  page.single("oxbow_stream_lag_seconds", "gauge",
              "Age of the oldest transaction that is not applied; grows while nothing is applied.",
              stream.lag.transform(in_seconds));
  page.single("oxbow_retained_wal_bytes", "gauge", "Log that the source keeps for us.",
              stream.retained_wal_bytes);
  page.single("oxbow_transactions_applied_total", "counter", "Source transactions applied.",
              stream.transactions_applied);
  page.single("oxbow_changes_applied_total", "counter", "Row changes applied.", stream.changes_applied);
  page.single("oxbow_quarantined_rows", "gauge", "Rows that the new side rejects.", stream.quarantined_rows);
  page.single("oxbow_rogue_writes", "gauge", "Writes of others on the projection.", stream.rogue_writes);
}

void add_way_back(Page& page, const MetricsInput& input) {
  auto in_seconds = [](auto duration) { return std::chrono::duration<double>(duration).count(); };
  auto of_cohorts = [&](std::string_view metric, std::string_view help, auto value) {
    page.metric(metric, "gauge", help);
    for (const auto& [scope, envelope] : input.envelopes)
      if (std::optional<double> known = value(envelope))
        page.sample(*known, {{"entity", scope.entity}, {"cohort", scope.cohort}});
  };
  page.metric("oxbow_envelope", "gauge", "1 for what a rollback of a cohort is worth now.");
  for (const auto& [scope, envelope] : input.envelopes)
    page.sample(1, {{"entity", scope.entity}, {"cohort", scope.cohort}, {"extent", name(envelope.extent)}});
  of_cohorts("oxbow_envelope_rows", "Rows of the new side that a rollback would lose.",
             [](const Envelope& envelope) -> std::optional<double> {
               if (envelope.extent == Extent::unknown) return std::nullopt;
               return static_cast<double>(envelope.rows.size());
             });
  of_cohorts("oxbow_envelope_expires_seconds", "Time until the way back is predicted to end.",
             [&](const Envelope& envelope) {
               return envelope.expires_at.transform(
                   [&](WallTime at) -> double { return in_seconds(at - input.now); });
             });
  page.single("oxbow_ready", "gauge", "1 while every way back that somebody needs works.",
              input.is_ready ? 1 : 0);
  if (!input.plane.stream_back) return;
  const auto& stream = *input.plane.stream_back;
  page.single("oxbow_stream_back_running", "gauge", "1 while changes of the new side are applied to legacy.",
              stream.phase == StreamPhase::running ? 1 : 0);
  page.single("oxbow_stream_back_silent_seconds", "gauge",
              "How long the stream back has not moved; it is made to move every second.",
              in_seconds(input.stream_back_silent_for));
  page.single("oxbow_stream_back_lag_seconds", "gauge",
              "Age of the oldest transaction of the new side that legacy does not have.",
              stream.lag.transform(in_seconds));
  page.single("oxbow_stream_back_retained_wal_bytes", "gauge", "Log that the new side keeps for us.",
              stream.retained_wal_bytes);
  page.single("oxbow_stream_back_quarantined_rows", "gauge", "Rows that legacy rejects.",
              stream.quarantined_rows);
}

void add_requests(Page& page, const RequestFigures& figures) {
  page.metric(
      "oxbow_requests_total", "counter",
      "Requests by the side that was to answer, and class of status; `none`: the client got no answer.");
  auto of_status = [&](std::string_view side, const RequestFigures::OfSide& of) {
    for (std::size_t i = 0; i < of.by_status_class.size(); ++i)
      if (of.by_status_class[i] > 0)
        page.sample(of.by_status_class[i],
                    {{"side", side}, {"status", i == 0 ? "none" : fmt::format("{}xx", i)}});
  };
  of_status(name(Side::legacy), figures.legacy);
  of_status(name(Side::new_side), figures.new_side);
  page.metric("oxbow_request_seconds", "histogram", "From the head of a request to the end of its answer.");
  page.histogram(kAnswerSeconds, figures.legacy.by_time, figures.legacy.seconds,
                 {"side", name(Side::legacy)});
  page.histogram(kAnswerSeconds, figures.new_side.by_time, figures.new_side.seconds,
                 {"side", name(Side::new_side)});
  page.metric("oxbow_requests_not_passed_on_total", "counter",
              "Requests answered 504 at once, because the side that was to answer answers nothing in time.");
  page.sample(figures.legacy.not_passed_on, {{"side", name(Side::legacy)}});
  page.sample(figures.new_side.not_passed_on, {{"side", name(Side::new_side)}});
  page.single("oxbow_requests_under_way", "gauge", "Requests that are being answered.", figures.under_way);
  page.single("oxbow_requests_refused_total", "counter", "What was no request that could be answered.",
              figures.refused);
  page.single("oxbow_requests_shed_total", "counter", "Requests above `limits.requests`.", figures.shed);
  page.single("oxbow_connections_turned_away_total", "counter", "Connections above `limits.connections`.",
              figures.turned_away);
  page.single("oxbow_connections", "gauge", "Open connections of users.", figures.connections);
  page.single("oxbow_shadow_memory_bytes", "gauge", "What all shadows hold together, of `shadow.memory`.",
              figures.shadow_bytes);
  page.single("oxbow_access_log_lines_lost_total", "counter",
              "Lines of the access log that nobody took in time.", figures.log_lines_lost);
  page.metric("oxbow_service_left_alone", "gauge",
              "1 while an address of a service gets no requests because it failed.");
  for (const auto& each : figures.addresses)
    page.sample(each.is_left_alone ? 1 : 0, {{"side", name(each.side)}, {"address", each.address}});
}

}  // namespace

std::string metrics_text(const MetricsInput& input) {
  Page page;
  add_cohorts(page, input.lifecycle, input.now);
  add_tables(page, input.plane);
  add_stream(page, input.plane.stream);
  add_way_back(page, input);
  page.single("oxbow_findings_open", "gauge", "Findings that nothing has settled.", input.findings_open);
  return page.take();
}

std::string traffic_metrics_text(const TrafficPlane& traffic) {
  Page page;
  add_requests(page, traffic.requests());
  traffic.look([&](const AnswersKnown& known) {
    auto of_routes = [&](std::string_view metric, std::string_view help, auto value) {
      page.metric(metric, "counter", help);
      for (const auto& [route, figures] : known.routes) page.sample(value(figures), {{"route", route}});
    };
    of_routes("oxbow_answers_eligible_total", "Requests whose two answers could have been compared.",
              [](const RouteFigures& figures) { return figures.coverage.eligible(); });
    of_routes("oxbow_answers_compared_total", "Requests whose two answers were compared.",
              [](const RouteFigures& figures) { return figures.coverage.compared_count(); });
    page.metric("oxbow_answers_skipped_total", "counter",
                "Eligible requests that were not compared, by reason.");
    for (const auto& [route, figures] : known.routes)
      for (const auto& [reason, count] : figures.coverage.reasons())
        page.sample(count, {{"route", route}, {"reason", reason}});
    of_routes("oxbow_answers_differed_first_total", "Pairs that differed at the first look.",
              [](const RouteFigures& figures) { return figures.divergence.differed_first; });
    of_routes("oxbow_answers_differed_total", "Pairs that differed at their last look.",
              [](const RouteFigures& figures) { return figures.divergence.differed; });
    page.metric("oxbow_answers_failed_total", "counter", "Pairs by who failed: legacy, new or both.");
    for (const auto& [route, figures] : known.routes) {
      page.sample(figures.errors.only_legacy_failed, {{"route", route}, {"who", "legacy"}});
      page.sample(figures.errors.only_new_failed, {{"route", route}, {"who", "new"}});
      page.sample(figures.errors.both_failed, {{"route", route}, {"who", "both"}});
    }
    page.metric("oxbow_answer_seconds", "gauge", "Time of both sides for the same requests, by quantile.");
    for (const auto& [route, figures] : known.routes) {
      if (figures.latency.count() == 0) continue;
      for (auto [quantile, text] : {std::pair(0.5, "0.5"), std::pair(0.99, "0.99")}) {
        auto seconds = [&](const LogHistogram& times) {
          return std::chrono::duration<double>(times.quantile(quantile)).count();
        };
        page.sample(seconds(figures.latency.legacy()),
                    {{"route", route}, {"side", "legacy"}, {"quantile", text}});
        page.sample(seconds(figures.latency.new_side()),
                    {{"route", route}, {"side", "new"}, {"quantile", text}});
      }
    }
  });
  return page.take();
}

}  // namespace oxbow
