// Time as an argument. `Instant` is monotonic and has meaning only inside one process (or one simulation);
// `WallTime` is for people and records. Neither ever decides an order: log positions do.
#pragma once

#include <chrono>
#include <string>

namespace oxbow {

using Duration = std::chrono::nanoseconds;

struct MonotonicClock {
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<MonotonicClock>;
  static constexpr bool is_steady = true;
};

using Instant = MonotonicClock::time_point;
using WallTime = std::chrono::sys_time<std::chrono::microseconds>;

std::string to_string(WallTime time);           // "2026-11-21T06:00:00.123456Z"
std::string human_duration(Duration duration);  // "830 ms", "12.4 s", "3 min 20 s", "2 h 05 min"

}  // namespace oxbow
