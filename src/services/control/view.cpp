#include "services/control/view.hpp"
#include "services/control/traffic_view.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <boost/json.hpp>

namespace oxbow {
namespace {

namespace json = boost::json;

template <class Item, class Convert>
json::array each(const std::vector<Item>& items, Convert convert) {
  json::array values;
  for (const auto& item : items) values.push_back(convert(item));
  return values;
}

json::value text_or_null(const std::string& text) {
  return text.empty() ? json::value() : json::value(text);
}

double seconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

json::value seconds_or_null(const std::optional<Duration>& duration) {
  return duration ? json::value(seconds(*duration)) : json::value();
}

json::value number_or_null(const std::optional<std::uint64_t>& number) {
  return number ? json::value(*number) : json::value();
}

json::value error_value(const Error& error) {
  return {{"code", name(error.code)}, {"sentence", sentence(error.code)}, {"detail", error.detail}};
}

json::value error_or_null(const std::optional<Error>& error) {
  return error ? error_value(*error) : json::value();
}

// When it was said makes a part of what it means: what was wrong then may have been mended.
json::value last_failure_value(const CohortLife& life, WallTime now) {
  if (!life.last_failure) return nullptr;
  auto value = error_value(*life.last_failure);
  value.as_object()["at"] = to_string(life.failed_at);
  value.as_object()["age_seconds"] = seconds(now - life.failed_at);
  return value;
}

json::value proof_value(const std::optional<ProofSummary>& proof, WallTime now) {
  if (!proof) return nullptr;
  return {{"result", name(proof->result)},
          {"rows_compared", proof->rows_compared},
          {"divergences", proof->divergences},
          {"coverage_percent", proof->coverage_ppm / 10'000.0},
          {"position", to_string(proof->position)},
          {"taken_at", to_string(proof->taken_at)},
          {"age_seconds", seconds(now - proof->taken_at)}};
}

// What a cohort that is on its way waits for, as far as the data plane knows.
std::string waits_for(const ControlService& service, const Scope& scope, const PlaneStatus& plane) {
  if (service.lifecycle().halted) return "the halt to end: run `oxbow resume`";
  if (!plane.stream.waits.empty()) return plane.stream.waits.front();
  if (plane.stream.phase == StreamPhase::none) return "";  // the first attempt, or problem() says why not
  if (plane.stream.phase != StreamPhase::running) {
    const auto& reason = plane.stream.reason;
    return fmt::format("the stream is {}{}{}", name(plane.stream.phase), reason.empty() ? "" : ": ", reason);
  }
  for (const auto& table : plane.tables)
    if (table.entity == scope.entity && table.phase == TablePhase::planning)
      return fmt::format("the ranges of {} are being planned", to_string(table.legacy));
  return "the databases are being prepared";
}

constexpr std::size_t kRowsAtStakeShown = 20;

json::value row_at_stake_value(const RowAtStake& row) {
  return {{"table", row.table}, {"key", row.key}, {"reason", row.reason}};
}

json::value envelope_value(const Envelope& envelope, const CohortLife& life, WallTime now) {
  json::array rows;
  for (const auto& row : envelope.rows)
    if (rows.size() < kRowsAtStakeShown) rows.push_back(row_at_stake_value(row));
  auto time = [](const std::optional<WallTime>& at) {
    return at ? json::value(to_string(*at)) : json::value();
  };
  auto age = [&](const std::optional<WallTime>& at) {
    return at ? json::value(seconds(now - *at)) : json::value();
  };
  return {
      {"extent", name(envelope.extent)},
      {"reason", text_or_null(envelope.reason)},
      {"rows_count", envelope.extent == Extent::unknown ? json::value() : json::value(envelope.rows.size())},
      {"rows", std::move(rows)},
      {"narrowed_since", life.narrowed ? json::value(to_string(life.narrowed->since)) : json::value()},
      {"expires_at", time(envelope.expires_at)},
      {"expires_by", text_or_null(envelope.expires_by)},
      {"checked_at", time(envelope.checked_at)},
      {"check_age_seconds", age(envelope.checked_at)}};
}

json::value text_or_sql_null(const std::optional<std::string>& text) {
  return text ? json::value(*text) : json::value();
}

json::value lost_row_value(const EntitySpec& entity, const LostRow& lost) {
  auto field_value = [](const LostRow::Field& field) -> json::value {
    return {{"column", field.column},
            {"new", text_or_sql_null(field.new_side)},
            {"legacy", text_or_sql_null(field.legacy)}};
  };
  const auto& cohort = lost.row.cohort;
  return {{"entity", lost.row.entity},
          {"cohort", cohort ? json::value(entity.cohorts[cohort->value()].name) : json::value()},
          {"table", lost.row.table},
          {"legacy_table", lost.legacy_table},
          {"key", lost.row.key},
          {"reason", lost.row.reason},
          {"on_new", lost.on_new},
          {"on_legacy", lost.on_legacy},
          {"fields", each(lost.fields, field_value)}};
}

json::array overrides_value(const CohortLife& life) {
  json::array overrides;
  for (const auto& [to, override] : life.gate_overrides)
    overrides.push_back({{"to", name(to)}, {"sentence", to_string(override)}});
  return overrides;
}

json::value cohort_value(const ControlService& service, const Scope& scope, const PlaneStatus& plane,
                         bool is_copied, WallTime now) {
  const auto& life = service.lifecycle().cohorts.at(scope);
  auto doing = service.doing(scope);
  auto envelope = service.envelope(scope);
  return {{"entity", scope.entity},
          {"cohort", scope.cohort},
          {"state", name(life.state)},
          {"moving_to", life.moving_to ? json::value(name(*life.moving_to)) : json::value()},
          {"waits_for", doing            ? json::value(*doing)
                        : life.moving_to ? text_or_null(waits_for(service, scope, plane))
                                         : json::value()},
          {"authority", name(authority(life.state))},
          {"epoch", life.epoch},
          {"since", to_string(life.since)},
          {"paused", life.paused},
          {"copied", is_copied},
          {"envelope", name(envelope.extent)},
          {"way_back", envelope_value(envelope, life, now)},
          {"proof", proof_value(life.proof, now)},
          {"gate_overrides", overrides_value(life)},
          {"problem", error_or_null(service.problem(scope))},
          {"last_failure", last_failure_value(life, now)}};
}

// In the order of the spec, which is the order in which its readers think.
json::array cohort_values(const ControlService& service, const PlaneStatus& plane, WallTime now) {
  json::array values;
  for (const auto& entity : service.parts().spec.entities) {
    for (std::uint32_t i = 0; i < entity.cohorts.size(); ++i) {
      bool is_copied = service.facts().has_copied(entity.name, CohortId(i));
      values.push_back(cohort_value(service, {entity.name, entity.cohorts[i].name}, plane, is_copied, now));
    }
  }
  return values;
}

json::array entity_values(const ControlService& service) {
  return each(service.parts().spec.entities, [&](const EntitySpec& entity) -> json::value {
    auto kind = kind_in(service.facts().key_kinds, entity.name);
    return {{"entity", entity.name}, {"key_kind", name(kind)}};
  });
}

json::value rate_value(const Rate& rate) {
  return {{"rows_per_second_max", rate.rows_per_second_max},
          {"bytes_per_second_max", rate.bytes_per_second_max},
          {"workers", rate.workers}};
}

json::value table_value(const TableStatus& table) {
  return {{"entity", table.entity},
          {"legacy", to_string(table.legacy)},
          {"new", to_string(table.new_side)},
          {"phase", name(table.phase)},
          {"reason", text_or_null(table.reason)},
          {"rows_copied", table.rows_copied},
          {"rows_estimated", table.rows_estimated},
          {"bytes_copied", table.bytes_copied},
          {"rows_per_second", table.rows_per_second},
          {"bytes_per_second", table.bytes_per_second},
          {"ranges_total", table.ranges_total},
          {"ranges_copied", table.ranges_copied},
          {"ranges_settled", table.ranges_settled},
          {"eta_seconds", seconds_or_null(table.eta)}};
}

json::value stream_value(const StreamStatus& stream) {
  return {
      {"phase", name(stream.phase)},
      {"reason", text_or_null(stream.reason)},
      {"waits", each(stream.waits, [](const std::string& wait) { return json::value(wait); })},
      {"applied_position", stream.applied == Lsn{} ? json::value() : json::value(to_string(stream.applied))},
      {"source_position", to_string(stream.source)},
      {"lag_bytes", number_or_null(stream.lag_bytes)},
      {"lag_seconds", seconds_or_null(stream.lag)},
      {"retained_wal_bytes", stream.retained_wal_bytes},
      {"retained_wal_bytes_max", stream.retained_wal_bytes_max},
      {"budget", name(stream.budget)},
      {"transactions_per_second", stream.transactions_per_second},
      {"changes_per_second", stream.changes_per_second},
      {"transactions_applied", stream.transactions_applied},
      {"changes_applied", stream.changes_applied},
      {"quarantined_rows", number_or_null(stream.quarantined_rows)},
      {"rogue_writes", stream.rogue_writes},
      {"pace", name(stream.pace)},
      {"throttle_reason", text_or_null(stream.throttle_reason)}};
}

json::value ready_value(const std::vector<std::string>& why_not) {
  return {{"ready", why_not.empty()},
          {"reasons", each(why_not, [](const std::string& reason) { return json::value(reason); })}};
}

json::object finding_value(const Finding& finding) {
  return {{"kind", name(finding.kind)},
          {"entity", text_or_null(finding.entity)},
          {"table", finding.table},
          {"key", text_or_null(finding.key)},
          {"sentence", finding.sentence},
          {"detail", text_or_null(finding.detail)},
          {"owner", text_or_null(finding.owner)}};
}

json::value verify_value(const VerifyReport& report) {
  json::array divergences;
  for (const auto& finding : report.divergences) divergences.push_back(finding_value(finding));
  return {
      {"id", report.id.value()},
      {"entity", text_or_null(report.entity)},
      {"state", name(report.state)},
      {"reason", text_or_null(report.reason)},
      {"rows_compared", report.rows_compared},
      {"rows_estimated", report.rows_estimated},
      {"rows_per_second", report.rows_per_second},
      {"ranges_done", report.ranges_done},
      {"ranges_total", report.ranges_total},
      {"coverage_percent", report.coverage_percent},
      {"left_out", each(report.left_out, [](const std::string& name) { return json::value(name); })},
      {"position", to_string(report.position)},
      {"position_newest", to_string(report.position_newest)},
      {"taken_at", report.taken_at == WallTime{} ? json::value() : json::value(to_string(report.taken_at))},
      {"eta_seconds", seconds_or_null(report.eta)},
      {"divergence_count", report.divergence_count},
      {"divergences", std::move(divergences)},
      {"requeued_keys", report.requeued_keys},
      {"allowed_differences", report.allowed_differences}};
}

json::array finding_values(const std::vector<StoredFinding>& findings) {
  json::array values;
  for (const auto& stored : findings) {
    auto value = finding_value(stored.finding);
    value["first_seen"] = to_string(stored.first_seen);
    value["last_seen"] = to_string(stored.last_seen);
    value["count"] = stored.count;
    value["open"] = stored.open;
    value["id"] = stored.id;
    value["ending"] = text_or_null(stored.ending);
    values.push_back(std::move(value));
  }
  return values;
}

json::array event_values(const std::vector<Journal::Entry>& entries) {
  json::array values;
  for (const auto& [number, event] : entries) {
    values.push_back({{"number", number},
                      {"at", to_string(event.at)},
                      {"who", event.who},
                      {"why", text_or_null(event.why)},
                      {"kind", kind(event)},
                      {"text", describe(event)}});
  }
  return values;
}

}  // namespace

std::string status_json(const StatusInput& input) {
  const auto& service = input.service;
  const auto& spec = service.parts().spec;
  auto now = service.parts().now();
  const auto& lifecycle = service.lifecycle();
  const auto* traffic = service.parts().traffic;
  json::value stream_back;
  if (input.plane.stream_back) stream_back = stream_value(*input.plane.stream_back);
  json::value halted;
  if (lifecycle.halted) halted = {{"why", lifecycle.halted_why}, {"at", to_string(lifecycle.halted_at)}};
  json::array shadows_kept_away;
  for (const auto& [entity, since] : lifecycle.shadows_kept_away)
    shadows_kept_away.push_back({{"entity", entity}, {"since", to_string(since)}});
  json::value status = {{"migration", spec.migration},
                        {"spec_hash", spec.hash},
                        {"now", to_string(now)},
                        {"started_at", to_string(service.started_at())},
                        {"halted", halted},
                        {"rate", rate_value(service.rate())},
                        {"entities", entity_values(service)},
                        {"cohorts", cohort_values(service, input.plane, now)},
                        {"tables", each(input.plane.tables, table_value)},
                        {"stream", stream_value(input.plane.stream)},
                        {"stream_back", stream_back},
                        {"ready", ready_value(service.why_not_ready())},
                        {"verifications", each(input.plane.verifications, verify_value)},
                        {"shadows_kept_away", std::move(shadows_kept_away)},
                        {"traffic", traffic ? traffic_value(*traffic) : json::value()},
                        {"findings_open", input.findings_open},
                        {"last_events", event_values(input.last_events)}};
  return json::serialize(status);
}

std::string preview_json(const ControlService& service, const std::vector<Scope>& scopes,
                         const LossPreview& loss) {
  auto now = service.parts().now();
  json::array cohorts;
  std::vector<ScopedEnvelope> envelopes;
  for (const auto& scope : scopes) {
    envelopes.push_back({scope, service.envelope(scope)});
    const auto& life = service.lifecycle().cohorts.at(scope);
    cohorts.push_back({{"entity", scope.entity},
                       {"cohort", scope.cohort},
                       {"state", name(life.state)},
                       {"envelope", envelope_value(envelopes.back().envelope, life, now)}});
  }
  auto judged = judge_rollback(envelopes, {});
  auto stream_back = service.parts().plane.stream_back();
  auto unknown = why_loss_is_unknown(envelopes, stream_back, loss.unread);
  bool leads_back = std::ranges::none_of(
      envelopes, [](const auto& each) { return each.envelope.extent == Extent::forward_only; });
  bool is_known = unknown.empty() && leads_back;
  RowsAtStake shown;
  for (const auto& lost : loss.rows) shown.push_back(lost.row);
  const auto* entity = service.parts().spec.find_entity(scopes.front().entity);
  return json::serialize(json::value{
      {"cohorts", std::move(cohorts)},
      {"lag_seconds", seconds_or_null(stream_back.lag)},
      {"seen", is_known && !shown.empty() ? json::value(seen_of(shown)) : json::value()},
      {"rows_lost", is_known ? json::value(loss.rows.size()) : json::value()},
      {"rows", each(loss.rows, [&](const LostRow& lost) { return lost_row_value(*entity, lost); })},
      {"unknown", text_or_null(unknown)},
      {"left_behind", each(service.parts().plane.left_behind(entity->name),
                           [](const std::string& column) { return json::value(column); })},
      {"refusal", judged ? json::value() : json::value(judged.error().detail)}});
}

std::string ready_json(const std::vector<std::string>& why_not) {
  return json::serialize(ready_value(why_not));
}

std::string verify_json(const VerifyReport& report) {
  return json::serialize(verify_value(report));
}

std::string findings_json(const std::vector<StoredFinding>& findings, std::uint64_t total) {
  return json::serialize(json::value{{"findings", finding_values(findings)}, {"total", total}});
}

std::string count_json(std::string_view of_what, std::uint64_t count) {
  return json::serialize(json::value{{of_what, count}});
}

std::string events_json(const std::vector<Journal::Entry>& entries) {
  return json::serialize(json::value{{"events", event_values(entries)}});
}

std::string why_json(std::string_view key, const std::vector<std::string>& lines,
                     const std::vector<StoredFinding>& findings) {
  auto to_value = [](const std::string& line) { return json::value(line); };
  return json::serialize(
      json::value{{"key", key}, {"lines", each(lines, to_value)}, {"findings", finding_values(findings)}});
}

std::string error_json(const Error& error) {
  return json::serialize(json::value{{"error", error_value(error)}});
}

std::string outcome_json(const std::vector<Event>& events, bool dry_run, std::optional<VerifyId> verify) {
  json::array actions, texts;
  for (const auto& action : actions_of(events)) actions.push_back(json::value(action));
  for (const auto& event : events) texts.push_back(json::value(describe(event)));
  return json::serialize(json::value{{"dry_run", dry_run},
                                     {"actions", std::move(actions)},
                                     {"events", std::move(texts)},
                                     {"verify_id", verify ? json::value(verify->value()) : json::value()}});
}

}  // namespace oxbow
