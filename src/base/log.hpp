// Lines for the operator on stderr: time, level, sentence. Safe from any thread; a line is written whole.
// Used by services, adapters and apps; core, flow, protocol and model return what they have to say. The
// writing itself is in runtime, which has the clock; while a LogWriter lives there, nobody waits for it.
#pragma once

#include <fmt/core.h>

#include <array>
#include <optional>
#include <string_view>
#include <utility>

namespace oxbow {

enum class LogLevel { debug, info, warn, error };

inline constexpr std::array kLogLevelNames = {std::string_view("debug"), std::string_view("info"),
                                              std::string_view("warn"), std::string_view("error")};

std::optional<LogLevel> parse_log_level(std::string_view text);

void set_log_level(LogLevel lowest);  // `info` until then
bool log_wants(LogLevel level);
void log_line(LogLevel level, std::string_view sentence);

template <class... Args>
void log_at(LogLevel level, fmt::format_string<Args...> format, Args&&... args) {
  if (log_wants(level)) log_line(level, fmt::format(format, std::forward<Args>(args)...));
}

template <class... Args>
void log_debug(fmt::format_string<Args...> format, Args&&... args) {
  log_at(LogLevel::debug, format, std::forward<Args>(args)...);
}
template <class... Args>
void log_info(fmt::format_string<Args...> format, Args&&... args) {
  log_at(LogLevel::info, format, std::forward<Args>(args)...);
}
template <class... Args>
void log_warn(fmt::format_string<Args...> format, Args&&... args) {
  log_at(LogLevel::warn, format, std::forward<Args>(args)...);
}
template <class... Args>
void log_error(fmt::format_string<Args...> format, Args&&... args) {
  log_at(LogLevel::error, format, std::forward<Args>(args)...);
}

}  // namespace oxbow
