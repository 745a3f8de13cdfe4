// Looks for readers of legacy tables of entities that were cut over, and keeps each as a finding, which is
// closed when it was not seen for as long as the spec says. Lives on the control service's executor.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "core/lifecycle/state.hpp"
#include "core/retirement/retirement.hpp"
#include "model/spec.hpp"
#include "ports/finding_store.hpp"
#include "services/control/data_plane.hpp"

namespace oxbow {

class ReaderWatch {
 public:
  struct Parts {
    const Spec& spec;
    FindingStore& findings;
    DataPlane& plane;
    std::function<WallTime()> now;
    std::function<const Lifecycle&()> lifecycle;
  };

  explicit ReaderWatch(Parts parts) : parts_(std::move(parts)) {}

  // Works until it is asked to stop.
  Task<void> run();

  // What is known of the readers of an entity. REQUIRES: all of its cohorts are cut over
  Result<RetirementFacts> facts(const std::string& entity) const;

 private:
  Task<void> look(const std::string& entity, DataPlane::ReaderLook how);
  std::optional<WallTime> cut_over_at(const std::string& entity) const;
  Status keep(const std::string& entity, const std::vector<ReaderSeen>& readers);

  Parts parts_;
  struct Watch {
    std::optional<Error> blind;             // why the last look has failed
    std::optional<WallTime> counted_since;  // none: no thorough look yet
  };
  std::map<std::string, Watch> watches_;  // by entity
};

}  // namespace oxbow
