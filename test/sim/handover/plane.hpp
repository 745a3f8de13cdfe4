// The process that leads: it runs both streams, the gateway and the handovers, and all of it dies at once.
// When it comes back it knows what the journal and the targets have stored. One thread, driven by the
// simulation.
#pragma once

#include <list>

#include "sim/handover/handover_driver.hpp"
#include "sim/handover/stage.hpp"

namespace oxbow::sim {

class Plane {
 public:
  Plane(Stage& stage, HandoverLimits limits, double trouble_chance)
      : stage_(stage), limits_(limits), trouble_chance_(trouble_chance) {}

  void start();
  void crash();
  bool is_alive() const { return stage_.gateway.is_alive(); }

  void begin_handover(CohortId cohort);  // nothing, if one is under way
  void step_handovers();
  void call_one_back();
  void server_restarted(Side side);  // streams begin again

  const std::list<HandoverDriver>& handovers() const { return handovers_; }
  void calm_down() { trouble_chance_ = 0; }

 private:
  void take_up(CohortId cohort);

  Stage& stage_;
  HandoverLimits limits_;
  double trouble_chance_;
  std::list<HandoverDriver> handovers_;
};

}  // namespace oxbow::sim
