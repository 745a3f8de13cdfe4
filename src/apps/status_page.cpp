#include "apps/status_page.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <vector>

#include "apps/grid.hpp"
#include "apps/json_lines.hpp"
#include "apps/terminal.hpp"
#include "base/text.hpp"

namespace oxbow {
namespace {

namespace json = boost::json;

constexpr std::size_t kRowsAtStakeShown = 5;

std::string text(const json::value& value) {
  return value.is_null() ? "" : std::string(value.as_string());
}
std::uint64_t number(const json::value& value) {
  return value.to_number<std::uint64_t>();
}
double real(const json::value& value) {
  return value.to_number<double>();
}

template <class Show>
std::string known(const json::value& value, Show show) {
  return value.is_null() ? "unknown" : show(value);
}

// "1 rogue write", "2 rogue writes"
std::string seconds_only(const json::value& time) {
  return text(time).substr(0, 19) + "Z";
}

std::string heading(const json::value& status) {
  auto findings = number(status.at("findings_open"));
  auto line = fmt::format(
      "{}  {}  {}", tinted(Tint::strong, text(status.at("migration"))), seconds_only(status.at("now")),
      tinted(findings ? Tint::warning : Tint::good,
             fmt::format("{} open finding{}", human_count(findings), findings == 1 ? "" : "s")));
  const auto& halted = status.at("halted");
  if (!halted.is_null()) {
    auto why = text(halted.at("why"));
    line += tinted(Tint::bad, fmt::format("  HALTED since {}{}{}", seconds_only(halted.at("at")),
                                          why.empty() ? "" : ": ", why));
  }
  line += "\n";
  for (const auto& away : status.at("shadows_kept_away").as_array())
    line += tinted(Tint::warning,
                   fmt::format("requests of {0} have no shadow since {1}: `oxbow shadow {0} --on` ends that",
                               text(away.at("entity")), seconds_only(away.at("since")))) +
            "\n";
  return line;
}

Cell proof_cell(const json::value& proof) {
  if (proof.is_null()) return {"not proven", Tint::faint};
  auto result = text(proof.at("result"));
  auto age = human_seconds(real(proof.at("age_seconds")));
  if (result == "equal") {
    return {fmt::format("equal at {}, {} ago, coverage {:.4g} %", text(proof.at("position")), age,
                        real(proof.at("coverage_percent"))),
            Tint::good};
  }
  if (result == "differs")
    return {
        fmt::format("{}, {} ago", counted(number(proof.at("divergences")), "divergence", "divergences"), age),
        Tint::bad};
  return {fmt::format("{}, {} ago", result, age), Tint::warning};
}

Cell envelope_cell(const json::value& cohort) {
  auto extent = text(cohort.at("envelope"));
  const auto& way_back = cohort.at("way_back");
  if (extent == "partial")
    return {fmt::format("partial, {}", counted(number(way_back.at("rows_count")), "row", "rows")),
            Tint::warning};
  return {extent, extent == "full" ? Tint::none : extent == "unknown" ? Tint::bad : Tint::faint};
}

// Why an envelope is not full, by its first rows, and when it ends.
std::string way_back_lines(std::string_view scope, const json::value& cohort) {
  std::string lines;
  const auto& way_back = cohort.at("way_back");
  auto extent = text(way_back.at("extent"));
  bool ended_before = extent == "forward-only" && text(cohort.at("state")) != "fully-cutover";
  if (extent == "partial" || extent == "unknown" || ended_before)
    lines += tinted(Tint::warning, fmt::format("{}: {}", scope, text(way_back.at("reason")))) + "\n";
  const auto& rows = way_back.at("rows").as_array();
  for (std::size_t i = 0; i < std::min(rows.size(), kRowsAtStakeShown); ++i)
    lines += tinted(Tint::warning,
                    fmt::format("  {} {}: {}", text(rows[i].at("table")), visible(text(rows[i].at("key"))),
                                visible(text(rows[i].at("reason"))))) +
             "\n";
  if (!way_back.at("expires_at").is_null())
    lines += fmt::format("{}: the way back ends {}, by {}\n", scope, seconds_only(way_back.at("expires_at")),
                         text(way_back.at("expires_by")));
  return lines;
}

std::string not_ready(const json::value& status) {
  std::string lines;
  for (const auto& reason : status.at("ready").at("reasons").as_array())
    lines += tinted(Tint::bad, "NOT READY to go back: " + text(reason)) + "\n";
  return lines;
}

std::string stream_back(const json::value& stream) {
  if (stream.is_null()) return "";
  auto phase = text(stream.at("phase"));
  if (phase == "none") return "";
  auto line = fmt::format(
      "stream  new -> legacy  {}  lag {}  {} in quarantine  log kept {}",
      tinted(phase == "running" ? Tint::good : Tint::warning, phase),
      known(stream.at("lag_seconds"), [](auto& lag) { return human_seconds(real(lag)); }),
      known(stream.at("quarantined_rows"), [](auto& rows) { return counted(number(rows), "row", "rows"); }),
      human_bytes(number(stream.at("retained_wal_bytes"))));
  auto reason = text(stream.at("reason"));
  return line + "\n" + (reason.empty() ? "" : "        " + tinted(Tint::warning, reason) + "\n");
}

std::string cohorts(const json::value& status) {
  Grid grid({"entity/cohort", "state", "authority", "epoch", "envelope", "proof"});
  std::string troubles;
  for (const auto& cohort : status.at("cohorts").as_array()) {
    auto scope = text(cohort.at("entity")) + "/" + text(cohort.at("cohort"));
    auto state = text(cohort.at("state"));
    if (auto to = text(cohort.at("moving_to")); !to.empty()) state += " -> " + to;
    if (cohort.at("paused").as_bool()) state += ", paused";
    grid.add({{scope},
              {state},
              {text(cohort.at("authority"))},
              {std::to_string(number(cohort.at("epoch")))},
              envelope_cell(cohort),
              proof_cell(cohort.at("proof"))});
    troubles += way_back_lines(scope, cohort);
    for (const auto& override : cohort.at("gate_overrides").as_array())
      troubles += tinted(Tint::warning,
                         fmt::format("{}: the gate to {} is OVERRIDDEN {}", scope, text(override.at("to")),
                                     visible(text(override.at("sentence"))))) +
                  "\n";
    if (auto wait = text(cohort.at("waits_for")); !wait.empty())
      troubles += tinted(Tint::warning, fmt::format("{}: {}", scope, wait)) + "\n";
    auto add_trouble = [&](const json::value& error, std::string_view when) {
      if (error.is_null()) return;
      auto line =
          fmt::format("{}: {}{}: {}", scope, when, text(error.at("sentence")), text(error.at("detail")));
      troubles += tinted(Tint::bad, line) + "\n";
    };
    add_trouble(cohort.at("problem"), "");
    const auto& failure = cohort.at("last_failure");
    if (!failure.is_null())
      add_trouble(failure, fmt::format("given up {} ago: ", human_seconds(real(failure.at("age_seconds")))));
  }
  return grid.to_string(Paint::for_stdout()) + troubles;
}

Tint budget_tint(std::string_view budget) {
  if (budget == "green") return Tint::good;
  return budget == "amber" ? Tint::warning : Tint::bad;
}

bool is_copying(const json::value& table) {
  auto phase = text(table.at("phase"));
  return phase == "planning" || phase == "copying";
}

std::string stream(const json::value& stream, const json::array& tables) {
  auto phase = text(stream.at("phase"));
  if (phase == "none") return "stream  none\n";
  auto line =
      fmt::format("stream  legacy -> new  {}  lag {} / {}  applied {}  {} tx/s  {} changes/s  log kept {}",
                  tinted(phase == "running" ? Tint::good : Tint::warning, phase),
                  known(stream.at("lag_bytes"), [](auto& lag) { return human_bytes(number(lag)); }),
                  known(stream.at("lag_seconds"), [](auto& lag) { return human_seconds(real(lag)); }),
                  known(stream.at("applied_position"), text),
                  human_count(static_cast<std::uint64_t>(real(stream.at("transactions_per_second")))),
                  human_count(static_cast<std::uint64_t>(real(stream.at("changes_per_second")))),
                  human_bytes(number(stream.at("retained_wal_bytes"))));
  if (auto most = number(stream.at("retained_wal_bytes_max"))) {
    auto budget = text(stream.at("budget"));
    line += fmt::format(" of {} {}", human_bytes(most), tinted(budget_tint(budget), budget));
  }
  line += '\n';
  if (auto reason = text(stream.at("reason")); !reason.empty())
    line += "        " + tinted(Tint::warning, reason) + "\n";
  for (const auto& wait : stream.at("waits").as_array())
    line += "        " + tinted(Tint::warning, text(wait)) + "\n";
  if (auto throttle = text(stream.at("throttle_reason"));
      !throttle.empty() && std::ranges::any_of(tables, is_copying)) {
    auto pace = text(stream.at("pace")) == "slow" ? "is slowed to one worker at half its pace" : "waits";
    line += fmt::format("        the backfill {}: {}\n", pace, throttle);
  }
  if (auto rows = number(stream.at("quarantined_rows")))
    line += tinted(Tint::warning, fmt::format("        {} in quarantine\n", counted(rows, "row", "rows")));
  if (auto writes = number(stream.at("rogue_writes")))
    line += tinted(Tint::bad, fmt::format("        {}\n", counted(writes, "rogue write", "rogue writes")));
  return line;
}

Cell phase_cell(const std::string& phase) {
  if (phase == "following") return {phase, Tint::good};
  if (phase == "failed") return {phase, Tint::bad};
  if (phase == "paused") return {phase, Tint::warning};
  return {phase};
}

// "1,200 of about 5,000" while that is not known better.
std::string rows_of(const json::value& table) {
  auto copied = number(table.at("rows_copied"));
  auto estimated = number(table.at("rows_estimated"));
  bool under_way = number(table.at("ranges_copied")) < number(table.at("ranges_total"));
  if (!under_way || estimated <= copied) return human_count(copied);
  return fmt::format("{} of about {}", human_count(copied), human_count(estimated));
}

std::string progress_of(const json::value& table) {
  auto total = number(table.at("ranges_total"));
  auto copied = number(table.at("ranges_copied"));
  if (text(table.at("phase")) != "copying" || total == 0) return "";
  double rows = real(table.at("rows_estimated"));
  double by_rows = rows > 0 ? std::min(1.0, real(table.at("rows_copied")) / rows) : 0;
  double fraction = std::max(by_rows, static_cast<double>(copied) / static_cast<double>(total));
  // An estimate that is used up does not mean that the copy is complete.
  if (copied < total) fraction = std::min(fraction, 0.999);
  return fmt::format("{} {:5.1f} %", progress_bar(fraction, 20), fraction * 100);
}

std::string speed_of(const json::value& table) {
  auto rate = real(table.at("rows_per_second"));
  if (rate < 1) return "";
  auto line = fmt::format("{} rows/s  {}/s", human_count(static_cast<std::uint64_t>(rate)),
                          human_bytes(static_cast<std::uint64_t>(real(table.at("bytes_per_second")))));
  const auto& eta = table.at("eta_seconds");
  if (!eta.is_null()) line += "  ETA " + human_seconds(real(eta));
  return line;
}

std::string tables(const json::array& list) {
  if (list.empty()) return "";
  Grid grid({"legacy table", "new table", "phase", "rows copied"});
  std::string reasons;
  for (const auto& table : list) {
    grid.add({{text(table.at("legacy"))},
              {text(table.at("new"))},
              phase_cell(text(table.at("phase"))),
              {rows_of(table)},
              {progress_of(table)},
              {speed_of(table)}});
    if (auto reason = text(table.at("reason")); !reason.empty())
      reasons += fmt::format("{}: {}\n", text(table.at("legacy")), reason);
  }
  return "\n" + grid.to_string(Paint::for_stdout()) + tinted(Tint::warning, reasons);
}

std::string verifications(const json::array& list) {
  std::string out;
  for (const auto& each : list) {
    if (text(each.at("state")) != "running") continue;
    auto entity = text(each.at("entity"));
    out += fmt::format("verify {}: {}\n", entity.empty() ? "everything" : entity, verify_progress(each));
  }
  return out.empty() ? out : "\n" + out;
}

// What the gateway has seen: of every route how much was compared and how it went, of every cohort its load.
std::string traffic(const json::value& seen) {
  if (seen.is_null()) return "";
  std::string out;
  Grid grid({"route", "compared", "of eligible", "differ", "only new fails", "new p99", "legacy p99"});
  for (const auto& route : seen.at("routes").as_array()) {
    const auto& latency = route.at("latency");
    auto p99 = [&](const char* side) -> std::string {
      return latency.is_null() ? "" : human_seconds(real(latency.at(side).at("p99_ms")) / 1000);
    };
    auto differ = number(route.at("divergence").at("differed"));
    auto failed = number(route.at("errors").at("only_new_failed"));
    grid.add({{text(route.at("route"))},
              {human_count(number(route.at("compared")))},
              {fmt::format("{:.2f} %", 100 * real(route.at("coverage")))},
              {human_count(differ), differ > 0 ? Tint::warning : Tint::none},
              {human_count(failed), failed > 0 ? Tint::warning : Tint::none},
              {p99("new")},
              {p99("legacy")}});
  }
  if (!seen.at("routes").as_array().empty()) out += "\n" + grid.to_string(Paint::for_stdout());
  for (const auto& service : seen.at("services").as_array())
    if (service.at("left_alone").as_bool())
      out += tinted(Tint::bad,
                    fmt::format("the {} service {} has failed; it is left alone, and tried again from "
                                "time to time",
                                text(service.at("side")), text(service.at("address")))) +
             "\n";
  for (const auto& entity : seen.at("skew").as_array())
    for (const auto& cohort : entity.at("cohorts").as_array())
      if (number(cohort.at("requests")) > 0)
        out += fmt::format("{}/{}: {}\n", text(entity.at("entity")), text(cohort.at("cohort")),
                           visible(text(cohort.at("sentence"))));  // it names a key
  return out;
}

std::string last_events(const json::array& events) {
  std::string out = "\n";
  for (const auto& event : events) {
    auto why = text(event.at("why"));
    out += fmt::format("{}  {}: {}{}{}\n", tinted(Tint::faint, seconds_only(event.at("at"))),
                       text(event.at("who")), text(event.at("text")), why.empty() ? "" : " — ", why);
  }
  return out;
}

}  // namespace

std::string verify_progress(const json::value& report) {
  auto compared = number(report.at("rows_compared"));
  auto estimated = number(report.at("rows_estimated"));
  auto line =
      fmt::format("{} of about {} rows", human_count(compared), human_count(std::max(compared, estimated)));
  if (estimated > 0) {
    // An estimate that is used up does not mean that the comparison is complete.
    auto fraction = std::min(static_cast<double>(compared) / static_cast<double>(estimated), 0.999);
    line = fmt::format("{} {:5.1f} %  {}", progress_bar(fraction, 20), fraction * 100, line);
  }
  if (auto rate = real(report.at("rows_per_second")); rate >= 1)
    line += fmt::format("  {} rows/s", human_count(static_cast<std::uint64_t>(rate)));
  const auto& eta = report.at("eta_seconds");
  if (!eta.is_null()) line += "  ETA " + human_seconds(real(eta));
  if (auto reason = text(report.at("reason")); !reason.empty()) line += "; " + reason;
  return line;
}

std::string status_page(const json::value& status) {
  return heading(status) + not_ready(status) + "\n" + cohorts(status) + "\n" +
         stream(status.at("stream"), status.at("tables").as_array()) + stream_back(status.at("stream_back")) +
         tables(status.at("tables").as_array()) + verifications(status.at("verifications").as_array()) +
         traffic(status.at("traffic")) + last_events(status.at("last_events").as_array());
}

}  // namespace oxbow
