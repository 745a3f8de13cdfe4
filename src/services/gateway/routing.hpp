// What the gateway decides by: the routes of a spec and where every cohort stands. Immutable; a new state or
// a new spec is a new value.
#pragma once

#include <memory>

#include "core/routing/decision.hpp"

namespace oxbow {

struct Routing {
  std::shared_ptr<const RouteTable> table;
  RoutingState state;
  bool shows_state = false;  // to the client, in X-Oxbow-Side and X-Oxbow-State
};

}  // namespace oxbow
