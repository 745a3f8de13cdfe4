// How the command line speaks: colours and moving lines on a terminal, plain lines elsewhere.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/time.hpp"

namespace oxbow {

bool stdout_is_terminal();
std::size_t stdout_columns();  // 80 where there is no terminal

enum class Tint { none, good, warning, bad, faint, strong };

// Text in colour, or as it is.
class Paint {
 public:
  explicit Paint(bool in_colour) : in_colour_(in_colour) {}

  // In colour where that is welcome: on a terminal and without NO_COLOR.
  static Paint for_stdout();

  std::string operator()(Tint tint, std::string_view text) const;

 private:
  bool in_colour_;
};

// For standard output.
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
