// How the command line speaks: colours and moving lines on a terminal, plain lines elsewhere.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/time.hpp"

namespace oxbow {

bool stdout_is_terminal();

enum class Tint { none, good, warning, bad, faint, strong };

// The text in colour where that is welcome: on a terminal and without NO_COLOR.
std::string tinted(Tint tint, std::string_view text);

std::string progress_bar(double fraction, std::size_t width);  // "[#####-----]"

std::string human_seconds(double seconds);

// One line that is written over on a terminal; elsewhere a line every few seconds, so none of short work.
class ProgressLine {
 public:
  explicit ProgressLine(bool wanted);
  ~ProgressLine() { clear(); }

  void show(std::string_view text);
  void clear();

 private:
  bool wanted_;
  bool shown_ = false;
  Instant last_;
};

}  // namespace oxbow
