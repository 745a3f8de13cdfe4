// Notes in the journal when a row of the new side waits that legacy does not take, and when that is over.
// Lives on the control service's executor.
#pragma once

#include <functional>
#include <map>

#include "core/lifecycle/commands.hpp"
#include "services/control/data_plane.hpp"

namespace oxbow {

class EnvelopeWatch {
 public:
  struct Parts {
    DataPlane& plane;
    std::function<WallTime()> now;
    std::function<const Lifecycle&()> lifecycle;
    std::function<CohortId(const Scope&)> cohort_id;
    std::function<Status(Wish)> execute;
  };

  explicit EnvelopeWatch(Parts parts) : parts_(std::move(parts)) {}

  // Works until it is asked to stop.
  Task<void> run();

  // What the journal cannot take now is still so at the next look.
  void note();

 private:
  Parts parts_;
  std::map<Scope, WallTime> emptied_at_;  // since when nothing waits of a cohort that was narrowed
};

}  // namespace oxbow
