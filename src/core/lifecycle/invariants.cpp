#include "core/lifecycle/invariants.hpp"

#include <fmt/core.h>

#include <cstdlib>

#include "core/lifecycle/adoption.hpp"
#include "core/lifecycle/legality.hpp"

namespace oxbow {
namespace {

int steps_between(State a, State b) {
  return std::abs(static_cast<int>(a) - static_cast<int>(b));
}

std::optional<std::string> broken_within(const Scope& scope, const CohortLife& life) {
  if (life.epoch == 0) return fmt::format("{} has no epoch", to_string(scope));
  if (life.moving_to && steps_between(life.state, *life.moving_to) > 1) {
    return fmt::format("{} moves from {} to {}, past a state between", to_string(scope), name(life.state),
                       name(*life.moving_to));
  }
  if (life.settling && life.moving_to != life.state) {
    return fmt::format("{} settles in {} and is not on its way there", to_string(scope), name(life.state));
  }
  if (life.paused && life.state != State::mirrored) {
    return fmt::format("{} is paused in {}, where nothing is copied", to_string(scope), name(life.state));
  }
  return std::nullopt;
}

std::optional<std::string> broken_between(const Scope& scope, const CohortLife& before,
                                          const CohortLife& after) {
  if (after.epoch < before.epoch) {
    return fmt::format("the epoch of {} falls from {} to {}", to_string(scope), before.epoch, after.epoch);
  }
  if (after.state != before.state) {
    if (before.moving_to != after.state) {
      return fmt::format("{} arrives in {} without having been on its way there", to_string(scope),
                         name(after.state));
    }
    bool changes_hands = authority(before.state) != authority(after.state);
    if (changes_hands && after.epoch == before.epoch) {
      return fmt::format("the authority of {} changes hands within epoch {}", to_string(scope), after.epoch);
    }
    if (changes_hands && !after.settling) {
      return fmt::format("the authority of {} changes hands without a flip", to_string(scope));
    }
  }
  bool widens = before.narrowed && !after.narrowed && authority(after.state) == authority(before.state);
  if (widens && !is_proven_since(after, before.narrowed->since)) {
    return fmt::format("the envelope of {} widens without a proof", to_string(scope));
  }
  bool in_use = before.state != State::legacy || before.moving_to.has_value();
  if (in_use && after.definition != before.definition && !says_more(before.definition, after.definition)) {
    return fmt::format("keys of {} would change cohort while it is in {}", to_string(scope),
                       name(before.state));
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> broken_invariant(const Lifecycle& before, const Lifecycle& after) {
  for (const auto& [scope, life] : after.cohorts) {
    if (auto broken = broken_within(scope, life)) return broken;
  }
  for (const auto& [scope, life] : before.cohorts) {
    auto found = after.cohorts.find(scope);
    if (found == after.cohorts.end()) {
      if (life.state != State::legacy || life.moving_to) {
        return fmt::format("{} is forgotten in {}", to_string(scope), name(life.state));
      }
    } else if (auto broken = broken_between(scope, life, found->second)) {
      return broken;
    }
  }
  return std::nullopt;
}

}  // namespace oxbow
