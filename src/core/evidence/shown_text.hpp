// Bytes that came from outside, made fit to be shown and to stand in JSON. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace oxbow {

// The beginning of the text, at most so many bytes, without half a character at its end.
std::string_view cut_at_character(std::string_view text, std::size_t bytes_max);

// With U+FFFD for every byte that is not UTF-8.
std::string as_utf8(std::string_view text);

void append_utf8(std::uint32_t point, std::string& text);  // half of a surrogate pair as U+FFFD

}  // namespace oxbow
