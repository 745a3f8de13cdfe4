// JSON as lines for people, members in the order of their names, so that two answers can be compared by eye.
// Numbers and texts stay as they were written. Takes anything that begins like JSON, even cut short. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace oxbow {

std::vector<std::string> json_lines(std::string_view body);

// Control characters (C0, DEL and C1) as their numbers, so that a text cannot move the cursor of a terminal.
std::string visible(std::string_view text);

}  // namespace oxbow
