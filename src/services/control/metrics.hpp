// Figures for Prometheus, in its text format.
#pragma once

#include <cstdint>
#include <string>

#include "core/lifecycle/state.hpp"
#include "model/plane_status.hpp"
#include "services/control/traffic_plane.hpp"

namespace oxbow {

std::string metrics_text(const Lifecycle& lifecycle, const PlaneStatus& plane, std::uint64_t findings_open,
                         WallTime now);

// The gateway's part, to be put behind.
std::string traffic_metrics_text(const TrafficPlane& traffic);

}  // namespace oxbow
