#include "services/control/guard_duties.hpp"

namespace oxbow {

std::vector<GuardDuty> homes_in(const EntitySpec& entity, const Lifecycle& lifecycle) {
  std::vector<GuardDuty> homes;
  for (std::uint32_t i = 0; i < entity.cohorts.size(); ++i) {
    const auto& life = lifecycle.cohorts.at({entity.name, entity.cohorts[i].name});
    homes.push_back({CohortId(i), entity.cohorts[i].name, authority(life.state), life.epoch, life.attempt});
  }
  return homes;
}

std::vector<GuardDuty> duties_in(const EntitySpec& entity, const Lifecycle& lifecycle) {
  std::vector<GuardDuty> duties;
  bool any_moved = false;
  for (std::uint32_t i = 0; i < entity.cohorts.size(); ++i) {
    const auto& life = lifecycle.cohorts.at({entity.name, entity.cohorts[i].name});
    any_moved = any_moved || life.epoch > 1;
    if (!life.moving_to)
      duties.push_back(
          {CohortId(i), entity.cohorts[i].name, authority(life.state), life.epoch, life.attempt});
  }
  return any_moved ? duties : std::vector<GuardDuty>();
}

}  // namespace oxbow
