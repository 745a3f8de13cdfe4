#include "apps/removal.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "adapters/postgres/postgres.hpp"
#include "apps/preflight.hpp"
#include "model/course.hpp"
#include "runtime/failpoint.hpp"
#include "runtime/real_clock.hpp"

namespace oxbow {
namespace {

Command by_doctor(Wish wish) {
  return {"oxbow", "doctor --remove", std::move(wish)};
}

State after(State state) {
  return static_cast<State>(static_cast<int>(state) + 1);
}

}  // namespace

const std::string& Removal::database(Side side) const {
  return side == Side::legacy ? spec_.legacy.database : spec_.new_side.database;
}

void Removal::tell_all(Side side, const std::vector<std::string>& done) const {
  for (const auto& line : done) tell_(side, line);
}

Task<void> Removal::run() {
  auto target_there = postgres::make_target_admin(database(Side::new_side), spec_.migration);
  if (auto locked = co_await target_there->lock(); !locked)
    co_return std::unexpected(on_side(Side::new_side, locked.error()));
  auto on_legacy = CO_TRY(co_await read_guards(Side::legacy));
  auto on_new = CO_TRY(co_await read_guards(Side::new_side));
  if (!open_both_sides_) CO_TRY(refuse_homes(on_legacy, on_new));
  // Before anything goes: a start in between must not make a stream back that lacks what this one had to
  // carry.
  CO_TRY(journal_end_of_way_back());
  failpoint("remove_before_guards");
  CO_TRY(co_await remove_guards(Side::legacy));
  CO_TRY(co_await remove_guards(Side::new_side));
  failpoint("remove_after_guards");
  auto back = stream_name(spec_.migration, Course::back);
  auto target_back = postgres::make_target_admin(database(Side::legacy), back);
  auto source_back = postgres::make_source_admin(database(Side::new_side), back);
  CO_TRY(co_await remove_stream(*target_back, *source_back, Side::legacy));
  failpoint("remove_after_stream_back");
  auto source_there = postgres::make_source_admin(database(Side::legacy), spec_.migration);
  co_return co_await remove_stream(*target_there, *source_there, Side::new_side);
}

Task<Removal::GuardsOfSide> Removal::read_guards(Side side) {
  auto guards = postgres::make_guards(database(side), spec_.migration, side);
  GuardsOfSide found;
  for (const auto& entity : spec_.entities) {
    auto states = co_await guards->read(entity.name);
    if (!states) co_return std::unexpected(on_side(side, states.error()));
    if (!states->empty()) found[entity.name] = *std::move(states);
  }
  co_return found;
}

// Empty: nothing of the cohort gets lost when guards and streams go. Where there is no journal any more, the
// guards tell.
std::string Removal::what_is_at_stake(const Scope& scope, bool has_guards,
                                      const GuardState* on_legacy) const {
  if (journal_) {
    auto found = journal_->lifecycle().cohorts.find(scope);
    if (found != journal_->lifecycle().cohorts.end()) {
      const auto& life = found->second;
      if (changes_hands(life)) return fmt::format("{} is in a handover", to_string(scope));
      bool has_way_back = life.state == State::new_write || life.state == State::new_read;
      if (has_way_back || (has_guards && life.state == State::fully_cutover))
        return fmt::format("{} is at home on the new side, in `{}`", to_string(scope), name(life.state));
    }
  }
  if (!on_legacy || on_legacy->mode == GuardMode::open) return "";
  if (on_legacy->mode == GuardMode::closed)
    return fmt::format("{} is at home on the new side, as its guard on legacy says", to_string(scope));
  return fmt::format("{} is in a handover: its guard on legacy is {}", to_string(scope),
                     name(on_legacy->mode));
}

Status Removal::refuse_homes(const GuardsOfSide& on_legacy, const GuardsOfSide& on_new) const {
  std::vector<std::string> stakes;
  for (const auto& entity : spec_.entities) {
    auto legacy = on_legacy.find(entity.name);
    bool has_guards = legacy != on_legacy.end() || on_new.contains(entity.name);
    for (std::size_t i = 0; i < entity.cohorts.size(); ++i) {
      bool is_known = legacy != on_legacy.end() && i < legacy->second.size();
      auto stake = what_is_at_stake({entity.name, entity.cohorts[i].name}, has_guards,
                                    is_known ? &legacy->second[i] : nullptr);
      if (!stake.empty()) stakes.push_back(std::move(stake));
    }
  }
  if (stakes.empty()) return {};
  return Err(
      ErrorCode::illegal_transition,
      "{}; without guards legacy takes writes of it that nobody carries over, and without the stream back "
      "there is no way back. Roll it back to `mirrored` first; or, if nobody writes on legacy any more, say "
      "so with --open-both-sides",
      fmt::join(stakes, "; "));
}

// As it is known at this moment: what is behind its flip has moved, what is before it has not.
Status Removal::end_handover(const Scope& scope) {
  const auto& life = journal_->lifecycle().cohorts.at(scope);
  if (!life.moving_to) return {};
  std::optional<Error> failure;
  if (!life.settling) failure = Error{ErrorCode::cancelled, "`oxbow doctor --remove` has ended it"};
  TRY(journal_->execute(by_doctor(EndTransition{scope, failure}), wall_now()));
  return {};
}

Status Removal::journal_end_of_way_back() {
  if (!journal_) return {};
  auto cohorts = journal_->lifecycle().cohorts;
  for (const auto& [scope, life] : cohorts) {
    if (authority(life.state) != Side::new_side || life.state == State::fully_cutover) continue;
    if (journal_->lifecycle().halted) TRY(journal_->execute(by_doctor(Resume{}), wall_now()));
    TRY(end_handover(scope));
    for (auto state = life.state; state != State::fully_cutover; state = after(state)) {
      TRY(journal_->execute(by_doctor(Advance{scope.entity, scope.cohort, after(state)}), wall_now()));
      TRY(journal_->execute(by_doctor(EndTransition{scope, std::nullopt}), wall_now()));
    }
  }
  return {};
}

Status Removal::journal_end() {
  if (!journal_) return {};
  auto cohorts = journal_->lifecycle().cohorts;
  for (const auto& [scope, life] : cohorts) {
    if (authority(life.state) == Side::new_side) continue;
    if (changes_hands(life)) TRY(end_handover(scope));
    TRY(journal_->execute(by_doctor(Rollback{scope.entity, scope.cohort, State::legacy}), wall_now()));
    if (!journal_->lifecycle().cohorts.at(scope).moving_to) continue;
    TRY(journal_->execute(by_doctor(EndTransition{scope, std::nullopt}), wall_now()));
  }
  return {};
}

std::vector<std::string> Removal::left_on_new() const {
  std::vector<std::string> left;
  if (!journal_) return left;
  for (const auto& [scope, life] : journal_->lifecycle().cohorts)
    if (authority(life.state) == Side::new_side) left.push_back(to_string(scope));
  return left;
}

Task<void> Removal::remove_guards(Side side) {
  auto guards = postgres::make_guards(database(side), spec_.migration, side);
  for (const auto& entity : spec_.entities) {
    auto done = co_await guards->remove(entity.name);
    if (!done) co_return std::unexpected(on_side(side, done.error()));
    tell_all(side, *done);
  }
  co_return Status{};
}

Task<void> Removal::remove_stream(TargetAdmin& target, SourceAdmin& source, Side target_side) {
  auto from_target = co_await target.remove();
  if (!from_target) co_return std::unexpected(on_side(target_side, from_target.error()));
  tell_all(target_side, *from_target);
  if (target_side == Side::new_side) failpoint("remove_after_new");
  auto from_source = co_await source.remove();
  if (!from_source) co_return std::unexpected(on_side(other(target_side), from_source.error()));
  tell_all(other(target_side), *from_source);
  co_return Status{};
}

}  // namespace oxbow
