#include "base/log.hpp"

#include <unistd.h>

#include <atomic>
#include <string>

#include "runtime/real_clock.hpp"

namespace oxbow {
namespace {

std::atomic<LogLevel> lowest_level = LogLevel::info;

}  // namespace

std::optional<LogLevel> parse_log_level(std::string_view text) {
  for (std::size_t i = 0; i < kLogLevelNames.size(); ++i)
    if (kLogLevelNames[i] == text) return static_cast<LogLevel>(i);
  return std::nullopt;
}

void set_log_level(LogLevel lowest) {
  lowest_level = lowest;
}

bool log_wants(LogLevel level) {
  return level >= lowest_level;
}

void log_line(LogLevel level, std::string_view sentence) {
  auto line = fmt::format("{} {:5} {}\n", to_string(wall_now()),
                          kLogLevelNames[static_cast<std::size_t>(level)], sentence);
  // One write, so that lines of several threads do not mix. There is nobody to tell if it fails.
  [[maybe_unused]] auto written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace oxbow
