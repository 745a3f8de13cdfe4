#include "core/routing/routing_state.hpp"

namespace oxbow {

RoutingState routing_state(const Spec& spec, const Lifecycle& lifecycle, const DataFacts& facts,
                           std::uint64_t revision) {
  RoutingState state{.revision = revision, .spec_hash = spec.hash, .cohorts = {}};
  for (const auto& entity : spec.entities) {
    auto& cohorts = state.cohorts.emplace_back();
    for (std::uint32_t i = 0; i < entity.cohorts.size(); ++i) {
      const auto& cohort = entity.cohorts[i];
      auto life = lifecycle.cohorts.find(Scope{entity.name, cohort.name});
      auto& routing = cohorts.emplace_back();
      if (life == lifecycle.cohorts.end()) continue;
      const auto& proof = life->second.proof;
      // What was called back is not read any more, however long it takes to be taken away.
      bool goes_back = life->second.state == State::mirrored && life->second.moving_to == State::legacy;
      routing = {.state = goes_back ? State::legacy : life->second.state,
                 .proven = proof && proof->result == VerifyState::equal,
                 .copied = facts.has_copied(entity.name, CohortId(i)),
                 .held = facts.holds(entity.name, CohortId(i)),
                 .shadows_kept_away = lifecycle.shadows_kept_away.contains(entity.name)};
    }
  }
  return state;
}

RoutingState all_in(State state, const RouteTable& table) {
  RoutingState all{.revision = 0, .spec_hash = table.spec_hash(), .cohorts = {}};
  for (const auto& entity : table.entities())
    all.cohorts.emplace_back(entity.cohort_names.size(),
                             CohortRouting{.state = state, .proven = true, .copied = true});
  return all;
}

}  // namespace oxbow
