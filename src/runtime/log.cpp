#include "base/log.hpp"

#include <unistd.h>

#include <atomic>
#include <mutex>
#include <string>

#include "runtime/log_writer.hpp"
#include "runtime/real_clock.hpp"

namespace oxbow {
namespace {

std::atomic<LogLevel> lowest_level = LogLevel::info;

constexpr std::size_t kBytesMax = 1 << 20;  // that wait for a reader
constexpr Duration kEndPatience = std::chrono::seconds(2);

std::mutex writer_mutex;
LineWriter* writer = nullptr;  // none: lines are written at once

bool is_taken(const std::string& line) {
  std::lock_guard lock(writer_mutex);
  if (writer != nullptr) writer->write(line);
  return writer != nullptr;
}

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
  if (is_taken(line)) return;
  // One write, so that lines of several threads do not mix. There is nobody to tell if it fails.
  [[maybe_unused]] auto written = ::write(STDERR_FILENO, line.data(), line.size());
}

LogWriter::LogWriter() : lines_("the log", STDERR_FILENO, kBytesMax, kEndPatience) {
  std::lock_guard lock(writer_mutex);
  writer = &lines_;
}

// What the thread has to say of its own end goes its way, too.
LogWriter::~LogWriter() {
  lines_.finish();
  std::lock_guard lock(writer_mutex);
  writer = nullptr;
}

}  // namespace oxbow
