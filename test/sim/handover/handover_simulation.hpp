// Handovers there and back between two simulated stores, on one thread, from one seed: writers through the
// gateway and around it, a stream each way, and a plane that fails, is cut off and dies. Handover, Applier
// and mapping are the production objects; only what surrounds them is simulated.
#pragma once

#include <cstdint>

#include "sim/handover/flaw.hpp"
#include "sim/simulation.hpp"

namespace oxbow::sim {

struct HandoverOptions {
  std::uint64_t seed = 1;
  Flaw flaw = Flaw::none;
  int steps = 20'000;
};

Outcome simulate_handovers(const HandoverOptions& options);

}  // namespace oxbow::sim
