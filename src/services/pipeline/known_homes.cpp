#include "services/pipeline/known_homes.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "services/pipeline/guard_keeper.hpp"

namespace oxbow {

std::optional<std::string> contradiction(const EntitySpec& entity, Side side,
                                         const std::vector<GuardState>& guards,
                                         const std::vector<GuardDuty>& journal) {
  for (const auto& known : journal) {
    if (known.cohort.value() >= guards.size()) continue;
    const auto& guard = guards[known.cohort.value()];
    bool is_home = known.home == side;
    bool contradicts_home = guard.epoch == known.epoch && is_home == (guard.mode == GuardMode::closed);
    bool is_ahead = guard.epoch > known.epoch ||
                    guard.order > order_of(HandoverAction::end_without_change, known.attempt);
    if (!is_ahead && !contradicts_home) continue;
    return fmt::format(
        "the guard of {}/{} on the {} side is {} in epoch {}, and oxbow.db has never heard of that: it says "
        "that the {} side is its home in epoch {}",
        entity.name, entity.cohorts[known.cohort.value()].name, name(side), name(guard.mode), guard.epoch,
        name(known.home), known.epoch);
  }
  return std::nullopt;
}

std::optional<std::string> contradiction(const EntitySpec& entity, Side side, const TableChanges& changes) {
  if (changes.taken_in.empty() && changes.taken_out.empty()) return std::nullopt;
  auto what = changes.taken_in.empty() ? fmt::format("{} has gone out of", fmt::join(changes.taken_out, ", "))
                                       : fmt::format("{} has come into", fmt::join(changes.taken_in, ", "));
  return fmt::format(
      "{0} {1} in the spec, and cohorts of {1} are at home on the new side: the guards on the {2} side do "
      "not "
      "know of that, and rows of theirs would be on one side alone. Start with the spec as it was, run "
      "`oxbow "
      "rollback {1} --to mirrored`, then start with this one, and advance again",
      what, entity.name, name(side));
}

// Who has never moved has no guards, unless a cohort beside him has.
bool KnownHomes::is_elsewhere(const std::string& entity, CohortId cohort, Side side) const {
  auto journal = journal_.find(entity);
  if (journal == journal_.end()) return false;
  const auto& homes = journal->second;
  bool any_moved = std::ranges::any_of(homes, [](const GuardDuty& known) { return known.epoch > 1; });
  auto known = std::ranges::find(homes, cohort, &GuardDuty::cohort);
  return any_moved && known != homes.end() && known->home != side;
}

Task<void> KnownHomes::agree_with_guards() const {
  for (auto side : {Side::legacy, Side::new_side}) {
    auto guards = ports_.guards(side);
    for (const auto& entity : spec_.entities) {
      auto states = CO_TRY(co_await guards->read(entity.name));
      auto journal = journal_.find(entity.name);
      if (journal == journal_.end()) continue;
      auto contradicts = contradiction(entity, side, states, journal->second);
      bool any_there = std::ranges::count(journal->second, Side::new_side, &GuardDuty::home) > 0;
      if (!contradicts && any_there) {
        auto tables = tables_of_entity(spec_, entity.name, side);
        auto changes = CO_TRY(co_await guards->compare_tables(entity.name, std::move(tables)));
        auto other = contradiction(entity, side, changes);
        if (other) co_return Err(ErrorCode::illegal_transition, "{}", *other);
      }
      if (!contradicts) continue;
      co_return Err(ErrorCode::illegal_transition,
                    "{}. This oxbow.db is older than the last handover, so nothing is copied by it and "
                    "nothing is taken "
                    "back: stop oxbow, bring the newer oxbow.db back and start again",
                    *contradicts);
    }
  }
  co_return Status{};
}

}  // namespace oxbow
