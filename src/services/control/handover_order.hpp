// A handover as the control plane orders it, and what it has to do for it meanwhile. Values and one
// interface; everything on the control service's executor.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/time.hpp"
#include "core/lifecycle/state.hpp"
#include "flow/handover/handover.hpp"
#include "model/cohort.hpp"
#include "model/side.hpp"
#include "runtime/task.hpp"

namespace oxbow {

struct HandoverOrder {
  struct Home {
    Side side = Side::legacy;
    std::uint64_t epoch = 1;
  };

  std::string entity;
  CohortId cohort;
  Side to = Side::new_side;
  std::uint64_t epoch = 1;    // before the flip
  std::uint64_t attempt = 0;  // larger than of every handover before
  HandoverBegins begins = HandoverBegins::fresh;
  HandoverLimits limits;
  std::optional<AcceptedLoss> accepted_loss;  // of rows that wait on their way to the new home
  std::vector<Home> homes;  // of every cohort of the entity, this one as it was before the flip
};

// What the guards of a cohort have to say while nothing is done with it.
struct GuardDuty {
  CohortId cohort;
  std::string name;  // of the cohort
  Side home = Side::legacy;
  std::uint64_t epoch = 1;
  std::uint64_t attempt = 0;  // of its last transition
};

// How long each part took, of a handover that has ended.
struct HandoverReport {
  struct Step {
    HandoverAction action;
    Duration took{};
  };

  std::optional<Error> given_up;  // why, if nothing has moved
  bool was_stopped = false;       // the task was asked to stop, and has led back first
  std::optional<Duration> pause;  // of writes; none: there was none, or a restart came in between
  std::vector<Step> steps;
  std::uint64_t keys_rechecked = 0;  // while writes waited
};

// What only the control plane can do.
class HandoverHost {
 public:
  virtual ~HandoverHost() = default;

  // New writes of the cohort wait in the gateway, and those under way have had their time to end.
  virtual Task<void> hold() = 0;

  // The journal records the new authority. An error means that it certainly does not.
  virtual Status flip() = 0;

  // Writes that waited are sent to where the authority is now.
  virtual void release() = 0;

  virtual bool is_called_back() const = 0;

  // For whoever looks: what is being done, and for whom it waits.
  virtual void tell(HandoverAction action, const std::optional<Error>& waits_for) = 0;
};

}  // namespace oxbow
