// Where every cohort stands, as far as a request has to know. An immutable value: a new state is a new value,
// swapped in as a whole, so that no request sees a half of two.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/lifecycle/state.hpp"
#include "core/routing/data_facts.hpp"
#include "core/routing/route_table.hpp"
#include "model/spec.hpp"

namespace oxbow {

struct CohortRouting {
  State state = State::legacy;
  bool proven = false;  // its last verification found both sides equal
  bool copied = false;  // its rows are on the new side; counts in `mirrored`, later states presuppose it
  bool held = false;    // its authority changes hands at this moment: writes wait
  bool shadows_kept_away = false;  // by an order

  friend bool operator==(const CohortRouting&, const CohortRouting&) = default;
};

struct RoutingState {
  std::uint64_t revision = 0;                       // of the journal that it was made of; grows
  std::string spec_hash;                            // the table of another spec must not be asked with it
  std::vector<std::vector<CohortRouting>> cohorts;  // by entity and cohort, in the order of the spec

  friend bool operator==(const RoutingState&, const RoutingState&) = default;
};

// A cohort that the lifecycle does not know is in `legacy`. One that is moving is still where it was, but for
// one that is called back from `mirrored`.
RoutingState routing_state(const Spec& spec, const Lifecycle& lifecycle, const DataFacts& facts,
                           std::uint64_t revision);

// Every cohort in one state, copied and proven.
RoutingState all_in(State state, const RouteTable& table);

}  // namespace oxbow
