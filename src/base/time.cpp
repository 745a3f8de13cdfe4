#include "base/time.hpp"

#include <fmt/core.h>

namespace oxbow {
namespace {

using std::chrono::duration_cast;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

}  // namespace

std::string to_string(WallTime time) {
  auto day = std::chrono::floor<std::chrono::days>(time);
  std::chrono::year_month_day date(day);
  std::chrono::hh_mm_ss clock(time - day);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count(),
                     clock.subseconds().count());
}

std::string human_duration(Duration duration) {
  if (duration < seconds(1)) return fmt::format("{} ms", duration_cast<milliseconds>(duration).count());
  if (duration < minutes(1)) return fmt::format("{:.1f} s", std::chrono::duration<double>(duration).count());
  if (duration < hours(1)) {
    return fmt::format("{} min {:02} s", duration_cast<minutes>(duration).count(),
                       duration_cast<seconds>(duration).count() % 60);
  }
  return fmt::format("{} h {:02} min", duration_cast<hours>(duration).count(),
                     duration_cast<minutes>(duration).count() % 60);
}

}  // namespace oxbow
