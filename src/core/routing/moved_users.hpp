// Whom a change of the spec moves to the other side at once, because a running gateway takes it over. Pure.
#pragma once

#include <string>
#include <vector>

#include "core/routing/decision.hpp"

namespace oxbow {

// A sentence for each route and cohort that another side answers from now on. Requests without a key are left
// out. REQUIRES: cohorts that are not the same in both specs are in `legacy`, where legacy answers whatever
// the spec says; each table and state are of one spec.
std::vector<std::string> moved_users(const RouteTable& before, const RoutingState& state_before,
                                     const RouteTable& after, const RoutingState& state_after);

}  // namespace oxbow
