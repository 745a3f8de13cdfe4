#include "services/pipeline/guard_keeper.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.hpp"

namespace oxbow {

std::vector<TableName> tables_of_entity(const Spec& spec, const std::string& entity, Side side) {
  std::vector<TableName> tables;
  for (const auto& table : spec.find_entity(entity)->tables) {
    const auto& name = side == Side::legacy ? table.legacy : table.new_side;
    if (std::ranges::count(tables, name) == 0) tables.push_back(name);
  }
  return tables;
}

Task<void> GuardKeeper::take_off(std::string entity) {
  CO_TRY(co_await change_.enter());
  auto removed = co_await remove_both(entity);
  change_.leave();
  co_return removed;
}

Task<void> GuardKeeper::remove_both(const std::string& entity) {
  for (auto side : {Side::legacy, Side::new_side}) {
    auto guards = ports_.guards(side);
    if (CO_TRY(co_await guards->read(entity)).empty()) continue;
    CO_TRY(co_await guards->remove(entity));
  }
  co_return Status{};
}

// The orders of a handover that has begun meanwhile are later than this one, so it is refused then.
Task<void> GuardKeeper::keep(std::string entity, std::vector<GuardDuty> duties) {
  for (auto side : {Side::legacy, Side::new_side}) {
    auto& guards = guards_[side];
    if (!guards) guards = ports_.guards(side);
    auto states = CO_TRY(co_await guards->read(entity));
    bool must_be_there = std::ranges::count(duties, Side::new_side, &GuardDuty::home) > 0;
    auto what = must_be_there && entity != near_ ? Guards::Mend::all : Guards::Mend::new_parts;
    if (!states.empty()) CO_TRY(co_await mend(side, *guards, entity, what));
    if (states.empty() && must_be_there) report_without(entity, side);
    for (const auto& duty : duties) {
      if (duty.cohort.value() >= states.size()) break;
      auto mode = duty.home == side ? GuardMode::open : GuardMode::closed;
      const auto& is = states[duty.cohort.value()];
      if (is.mode == mode && is.epoch == duty.epoch) continue;
      auto order = order_of(HandoverAction::end_without_change, duty.attempt);
      if (!co_await guards->set(entity, duty.cohort, {mode, duty.epoch, order})) continue;
      // What it let pass was right. So it is where a changed spec has put another cohort in this place.
      if (is.mode == mode) continue;
      report_({.kind = FindingKind::guard_lost,
               .entity = entity,
               .table = {},
               .key = fmt::format("{}/{} on the {} side", entity, duty.name, name(side)),
               .sentence = fmt::format(
                   "the {} server had forgotten that the guard of {}/{} is {} in epoch {}; it was told "
                   "again, and writes may have passed meanwhile that must not",
                   name(side), entity, duty.name, name(mode), duty.epoch),
               .detail = fmt::format("it was {} in epoch {}", name(is.mode), is.epoch),
               .owner = spec_.owners.coexistence});
    }
  }
  co_return Status{};
}

// Not while guards are taken off, which would leave some behind.
Task<void> GuardKeeper::mend(Side side, Guards& guards, const std::string& entity, Guards::Mend what) {
  CO_TRY(co_await change_.enter());
  auto found = co_await guards.mend(entity, tables_of_entity(spec_, entity, side), what);
  change_.leave();
  for (const auto& gap : CO_TRY(std::move(found))) {
    if (!gap.came_later) {
      report_gap(entity, side, gap);
    } else if (!gap.open) {
      log_info("{} on the {} side came later, and is now guarded, too", gap.table, name(side));
    } else if (!is_retryable(gap.open->code)) {
      report_open_part(entity, side, *gap.open);
    }
  }
  co_return Status{};
}

void GuardKeeper::report_gap(const std::string& entity, Side side, const GuardGap& gap) {
  auto now = gap.open ? fmt::format(
                            "it cannot be put back now ({}), so writes of cohorts that are at home on "
                            "the {} side pass: keep users of the {} server from writing",
                            gap.open->detail, name(other(side)), name(side))
                      : std::string("it was put back, and writes may have passed meanwhile that must not");
  report_({.kind = FindingKind::guard_lost,
           .entity = entity,
           .table = {},
           .key = fmt::format("{} on the {} side", gap.table, name(side)),
           .sentence = fmt::format("the guard of {} on the {} side was switched off or dropped; {}",
                                   gap.table, name(side), now),
           .detail = {},
           .owner = spec_.owners.coexistence});
}

// Told once.
void GuardKeeper::report_open_part(const std::string& entity, Side side, const Error& why) {
  auto sentence = fmt::format(
      "a part of {} that came later on the {} side can be written around the guard (a partition: emptied by "
      "a "
      "TRUNCATE of its own), because it cannot be guarded: {}; mend that, and it will be, within a second",
      entity, name(side), why.detail);
  auto key = fmt::format("{} on the {} side", entity, name(side));
  if (open_parts_.insert(key).second)
    report_({.kind = FindingKind::drift,
             .entity = entity,
             .table = {},
             .key = key,
             .sentence = sentence,
             .detail = {},
             .owner = spec_.owners.coexistence});
}

void GuardKeeper::report_without(const std::string& entity, Side side) {
  report_({.kind = FindingKind::guard_lost,
           .entity = entity,
           .table = {},
           .key = fmt::format("{} on the {} side", entity, name(side)),
           .sentence = fmt::format("the {} server has no guards of {} any more, so it takes writes of "
                                   "cohorts that are at home on the {} "
                                   "side: keep its users from writing",
                                   name(side), entity, name(other(side))),
           .detail = "it has come back from a time before them, or somebody has dropped them",
           .owner = spec_.owners.coexistence});
}

}  // namespace oxbow
