// The connections of handovers, kept from one to the next: to open them costs both servers more than all that
// is done on them, and users of other cohorts feel it. They rest outside any transaction. Lives on the
// pipeline's executor; one handover at a time.
#pragma once

#include <map>
#include <memory>
#include <optional>

#include "services/pipeline/ports.hpp"

namespace oxbow {

class HandoverConnections {
 public:
  struct Set {
    std::map<Side, std::unique_ptr<Guards>> guards;
    std::map<Side, std::unique_ptr<Sequences>> sequences;
    std::map<Side, std::unique_ptr<SnapshotReader>> readers;
    std::unique_ptr<TargetAdmin> new_side;
  };

  explicit HandoverConnections(const PipelinePorts& ports) : ports_(ports) {}

  // Those that rest, or new ones. Who does not give them back closes them.
  Set lend();

  // REQUIRES: nothing on them has failed, and nothing is under way.
  void take_back(Set set, Instant now);

  // Closes those that nobody has needed for a minute.
  void close_idle(Instant now);

  // Does that in time; works until it is asked to stop.
  Task<void> run();

 private:
  const PipelinePorts& ports_;
  std::optional<Set> resting_;
  Instant rest_since_{};
};

}  // namespace oxbow
