// The clocks of this machine: the only place that asks them. Everything below takes time as an argument.
#pragma once

#include "base/time.hpp"

namespace oxbow {

Instant monotonic_now();
WallTime wall_now();

}  // namespace oxbow
