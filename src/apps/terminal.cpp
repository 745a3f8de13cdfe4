#include "apps/terminal.hpp"

#include <fmt/core.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>

#include "runtime/real_clock.hpp"

namespace oxbow {
namespace {

constexpr Duration kPlainLineEvery = std::chrono::seconds(5);
constexpr std::size_t kColumnsUnknown = 80;
constexpr std::array<std::string_view, 6> kCodes = {"", "32", "33", "31", "2", "1"};

}  // namespace

bool stdout_is_terminal() {
  static const bool answer = ::isatty(STDOUT_FILENO) == 1;
  return answer;
}

std::size_t stdout_columns() {
  winsize size = {};
  bool known = stdout_is_terminal() && ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : kColumnsUnknown;
}

Paint Paint::for_stdout() {
  static const bool welcome = stdout_is_terminal() && !std::getenv("NO_COLOR");
  return Paint(welcome);
}

std::string tinted(Tint tint, std::string_view text) {
  return Paint::for_stdout()(tint, text);
}

std::string Paint::operator()(Tint tint, std::string_view text) const {
  if (!in_colour_ || tint == Tint::none || text.empty()) return std::string(text);
  return fmt::format("\x1b[{}m{}\x1b[0m", kCodes[static_cast<std::size_t>(tint)], text);
}

std::string progress_bar(double fraction, std::size_t width) {
  auto full = static_cast<std::size_t>(std::clamp(fraction, 0.0, 1.0) * static_cast<double>(width));
  return "[" + std::string(full, '#') + std::string(width - full, '-') + "]";
}

std::string human_seconds(double seconds) {
  return human_duration(std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds)));
}

namespace {

// A line that wraps could not be written over.
std::string_view first_columns(std::string_view text, std::size_t columns) {
  std::size_t taken = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    bool begins = (static_cast<unsigned char>(text[at]) & 0xc0) != 0x80;
    if (begins && taken++ == columns) return text.substr(0, at);
  }
  return text;
}

}  // namespace

ProgressLine::ProgressLine(bool wanted) : wanted_(wanted), last_(monotonic_now()) {}

void ProgressLine::show(std::string_view text) {
  if (!wanted_) return;
  auto now = monotonic_now();
  if (stdout_is_terminal()) {
    fmt::print("\r\x1b[K{}", first_columns(text, stdout_columns() - 1));
  } else if (now - last_ >= kPlainLineEvery) {
    fmt::print("{}\n", text);
    last_ = now;
  }
  shown_ = true;
  std::fflush(stdout);
}

void ProgressLine::clear() {
  if (shown_ && stdout_is_terminal()) fmt::print("\r\x1b[K");
  shown_ = false;
}

}  // namespace oxbow
