#include "core/lifecycle/state.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace oxbow {

std::string to_string(const Scope& scope) {
  return scope.entity + "/" + scope.cohort;
}

std::string to_string(const ForwardOnly& decision) {
  return fmt::format("decided by {} at {}{}", decision.who, to_string(decision.since),
                     decision.why.empty() ? "" : " (" + decision.why + ")");
}

std::string to_string(const GateOverride& override) {
  return fmt::format("by {}, approved by {}, at {} ({})", override.who, override.approver,
                     to_string(override.since), override.why);
}

Side authority(State state) {
  return state >= State::new_write ? Side::new_side : Side::legacy;
}

std::uint64_t last_epoch_of(const Lifecycle& lifecycle, const std::string& entity) {
  auto known = lifecycle.epochs.find(entity);
  auto last = known == lifecycle.epochs.end() ? 1 : known->second;
  for (const auto& [scope, life] : lifecycle.cohorts)
    if (scope.entity == entity) last = std::max(last, life.epoch);
  return last;
}

bool changes_hands(const CohortLife& life) {
  return life.settling || (life.moving_to && authority(*life.moving_to) != authority(life.state));
}

bool failed_for_want_of_proof(const CohortLife& life) {
  if (!life.last_failure) return false;
  return life.last_failure->code == ErrorCode::differs || life.last_failure->code == ErrorCode::incomplete;
}

bool is_proven_since(const CohortLife& life, WallTime moment) {
  return life.proof && life.proof->result == VerifyState::equal && life.compared_since > moment;
}

}  // namespace oxbow
