// Asks whether the gate of a cohort to a state is open at this moment: the conditions of the spec, by what is
// known of its proof, its findings and its stream. Lives on the control service's executor.
#pragma once

#include <map>
#include <vector>

#include "core/gate/gate.hpp"
#include "core/lifecycle/event.hpp"
#include "ports/finding_store.hpp"
#include "services/control/data_plane.hpp"

namespace oxbow {

class GateKeeper {
 public:
  GateKeeper(const Spec& spec, FindingStore& findings, const DataPlane& plane)
      : spec_(spec), findings_(findings), plane_(plane) {}

  // Without conditions in the spec it is open.
  Result<GateReport> look(const Lifecycle& lifecycle, const Scope& scope, State to, WallTime now) const;

  // Of the cohorts that begin to move by these events, those whose gate is not open, and why.
  Result<std::map<Scope, Error>> closed(const Lifecycle& lifecycle, const std::vector<Event>& events,
                                        WallTime now) const;

 private:
  const Spec& spec_;
  FindingStore& findings_;
  const DataPlane& plane_;
};

}  // namespace oxbow
