#include "core/lifecycle/state.hpp"

namespace oxbow {

std::string to_string(const Scope& scope) {
  return scope.entity + "/" + scope.cohort;
}

Side authority(State state) {
  return state >= State::new_write ? Side::new_side : Side::legacy;
}

bool changes_hands(const CohortLife& life) {
  return life.settling || (life.moving_to && authority(*life.moving_to) != authority(life.state));
}

bool is_proven_since(const CohortLife& life, WallTime moment) {
  return life.proof && life.proof->result == VerifyState::equal && life.compared_since > moment;
}

}  // namespace oxbow
