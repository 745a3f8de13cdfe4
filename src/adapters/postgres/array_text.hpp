// The text form of one-dimensional arrays: {1,"two, too",NULL}.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace oxbow::postgres {

std::vector<std::string> parse_text_array(std::string_view text);
std::string to_text_array(const std::vector<std::string>& elements);

}  // namespace oxbow::postgres
