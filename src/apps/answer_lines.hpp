// Two answers as lines, next to each other or one below the other, with what differs marked. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "apps/terminal.hpp"

namespace oxbow {

// A body as lines: JSON with one value on a line and members by name, anything else as it comes. What a
// terminal would obey is made visible instead.
std::vector<std::string> answer_lines(std::string_view body);

struct AnswerSheet {
  std::string title;  // "legacy 200"
  std::vector<std::string> lines;
};

// Equal lines far from a difference are left out, and counted where they were.
std::string side_by_side(const AnswerSheet& legacy, const AnswerSheet& new_side, std::size_t columns,
                         Paint paint);
std::string unified(const AnswerSheet& legacy, const AnswerSheet& new_side, Paint paint);

}  // namespace oxbow
