// Figures for Prometheus, in its text format.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "core/envelope/envelope.hpp"
#include "core/lifecycle/state.hpp"
#include "model/plane_status.hpp"
#include "services/control/traffic_plane.hpp"

namespace oxbow {

struct MetricsInput {
  const Lifecycle& lifecycle;
  const PlaneStatus& plane;
  std::map<Scope, Envelope> envelopes;
  Duration stream_back_silent_for{};
  bool is_ready = true;
  std::uint64_t findings_open = 0;
  WallTime now;
};

std::string metrics_text(const MetricsInput& input);

// The gateway's part, to be put behind.
std::string traffic_metrics_text(const TrafficPlane& traffic);

}  // namespace oxbow
