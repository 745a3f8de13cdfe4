// Figures for Prometheus, in its text format.
#pragma once

#include <cstdint>
#include <string>

#include "core/lifecycle/state.hpp"
#include "model/plane_status.hpp"

namespace oxbow {

std::string metrics_text(const Lifecycle& lifecycle, const PlaneStatus& plane, std::uint64_t findings_open,
                         WallTime now);

}  // namespace oxbow
