#include "services/pipeline/stream_watch.hpp"

#include <fmt/core.h>

#include <algorithm>

#include "runtime/real_clock.hpp"
#include "runtime/sleep.hpp"

namespace oxbow {

using std::chrono::seconds;

Task<void> StreamWatch::watch_health() {
  auto source = parts_.context.ports.source_admin();
  auto& applier = *parts_.applier;
  auto& status = parts_.status;
  ApplyCounters before;
  Instant then = monotonic_now();
  while (true) {
    auto health = CO_TRY(co_await source->read_health());
    auto snapshot = CO_TRY(co_await source->current_snapshot());
    applier.prove(snapshot);
    status.source = health.log_end;
    status.lag_bytes = health.log_end > status.applied ? health.log_end.value() - status.applied.value() : 0;
    bool behind = applier.group_is_open() || status.lag_bytes > (1u << 20);
    auto committed = applier.last_commit_time();
    status.lag = behind && committed ? std::max(Duration{}, Duration(wall_now() - *committed)) : Duration{};
    if (health.slot_wal_status == "lost") {
      co_return Err(ErrorCode::lost_position,
                    "the {} server has given up the log that we had not read yet; {}",
                    name(source_of(parts_.context.plan.course)),
                    parts_.context.plan.course == Course::there
                        ? "roll every mirrored cohort back to `legacy` and advance it again"
                        : "the cohorts that are at home on the new side have no way back any more");
    }
    auto now = monotonic_now();
    const auto& counters = applier.counters();
    auto elapsed = std::chrono::duration<double>(now - then).count();
    if (elapsed > 0.5) {
      status.transactions_per_second =
          static_cast<double>(counters.transactions - before.transactions) / elapsed;
      status.changes_per_second = static_cast<double>(counters.changes - before.changes) / elapsed;
      before = counters;
      then = now;
    }
    CO_TRY(co_await sleep_for(seconds(1)));
  }
}

std::string StreamWatch::entity_of(const TableName& target) const {
  const auto& tables = parts_.context.plan.tables;
  auto found = std::ranges::find(tables, target, [](const auto& table) { return table.mapping.target.name; });
  return found == tables.end() ? "" : found->entity;
}

Task<void> StreamWatch::watch_rogue_writes() {
  auto target = parts_.context.ports.target_admin();
  while (true) {
    auto writes = CO_TRY(co_await target->rogue_writes_after(last_rogue_));
    for (const auto& write : writes) {
      last_rogue_ = std::max(last_rogue_, write.id);
      parts_.context.report(
          {.kind = FindingKind::rogue_write,
           .entity = entity_of(write.table),
           .table = to_string(write.table),
           .key = fmt::format("write {}", write.id),
           .sentence = fmt::format("{} wrote on the projection: {} by {} ({}) at {}; only oxbow writes there",
                                   write.user, write.operation, write.application, write.address,
                                   to_string(write.at)),
           .detail = fmt::format("before: {}\nafter: {}", write.before_json, write.after_json),
           .owner = parts_.context.spec.owners.new_side});
    }
    CO_TRY(co_await sleep_for(seconds(1)));
  }
}

Task<void> StreamWatch::watch_schemas() {
  const auto& plan = parts_.context.plan;
  auto source = parts_.context.ports.source_admin();
  auto target = parts_.context.ports.target_admin();
  auto source_before = plan.source;
  auto target_before = plan.target;
  while (true) {
    auto source_now = CO_TRY(co_await source->read_catalog());
    auto target_now = CO_TRY(co_await target->read_catalog());
    auto changes = schema_changes(plan, source_of(plan.course), source_before, source_now);
    std::ranges::move(schema_changes(plan, target_of(plan.course), target_before, target_now),
                      std::back_inserter(changes));
    report_schemas(changes, plan.course == Course::there ? source_now : target_now);
    CO_TRY(co_await watch_parts(*source, *target));
    if (!changes.empty() && parts_.context.spec.limits.on_ddl == OnDdl::pause) {
      co_return Err(ErrorCode::schema_drift,
                    "{}; bring spec and schemas together, then start `oxbow up` again", changes.front());
    }
    source_before = std::move(source_now);
    target_before = std::move(target_now);
    CO_TRY(co_await sleep_for(seconds(3)));
  }
}

// A new partition begins with the default identity, and the application's UPDATE fails there until it has
// ours.
Task<void> StreamWatch::watch_parts(SourceAdmin& source, TargetAdmin& target) {
  const auto& plan = parts_.context.plan;
  auto is_copied = [&](const TableName& name) {
    bool copied = false;
    for (const auto& table : plan.tables) {
      if (table.mapping.source != name) continue;
      parts_.applier->fences(table.id).for_each_range(
          [&](FenceBook::Range& range) { copied = copied || range.fence.phase() != Fence::Phase::pending; });
    }
    return copied;
  };
  auto seen = co_await part_watch_.look(source, target, is_copied);
  if (part_watch_.found_new_parts()) {
    for (const auto& change : plan.identity_changes) CO_TRY(co_await source.change_identity(change));
  }
  co_return seen;
}

void StreamWatch::report_schemas(const std::vector<std::string>& changes, const Catalog& legacy) {
  const auto& spec = parts_.context.spec;
  for (const auto& change : changes) {
    parts_.context.report({.kind = FindingKind::drift,
                           .entity = {},
                           .table = {},
                           .key = change,
                           .sentence = "a schema changed: " + change,
                           .detail = {},
                           .owner = spec.owners.coexistence});
  }
  FindingSelection covered{.kind = FindingKind::not_covered};
  for (const auto& table : uncovered_tables(spec, legacy)) {
    covered.but.emplace(to_string(table), "");
    parts_.context.report(
        {.kind = FindingKind::not_covered,
         .entity = {},
         .table = to_string(table),
         .key = {},
         .sentence = fmt::format("no entity names {}; map it or list it under `exclude`", to_string(table)),
         .detail = {},
         .owner = spec.owners.legacy});
  }
  parts_.context.close_findings(covered, "an entity names the table, or `exclude` does, or it is gone");
}

}  // namespace oxbow
