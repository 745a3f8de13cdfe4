// A decision step by step, for `oxbow route`: what was looked at, in order, and what came of it.
#pragma once

#include <string>
#include <vector>

#include "core/routing/decision.hpp"

namespace oxbow {

// One line for each step: route, key, cohort, state, who answers, shadow. `key` is what `decision` was made
// of.
std::vector<std::string> explain(const RouteTable& table, const RequestHead& head, const RouteMatch& match,
                                 const RequestKey& key, const Decision& decision);

}  // namespace oxbow
