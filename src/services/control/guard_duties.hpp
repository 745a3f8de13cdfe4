// What guards have to say, as the journal has it. Pure.
#pragma once

#include <vector>

#include "core/lifecycle/state.hpp"
#include "model/spec.hpp"
#include "services/control/handover_order.hpp"

namespace oxbow {

// Of all cohorts of an entity, at rest or not.
std::vector<GuardDuty> homes_in(const EntitySpec& entity, const Lifecycle& lifecycle);

// Of an entity with a handover near or behind it: what the guards of cohorts at rest have to say.
std::vector<GuardDuty> duties_in(const EntitySpec& entity, const Lifecycle& lifecycle);

}  // namespace oxbow
