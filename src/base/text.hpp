// Small helpers for words shown to people.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace oxbow {

// The candidate a person most probably meant, or empty if none is near (edit distance at most a third of its
// length).
std::string_view nearest_word(std::string_view word, std::span<const std::string_view> candidates);

std::string human_bytes(std::uint64_t bytes);                                           // "1.4 GiB"
std::string human_count(std::uint64_t count);                                           // "1,234,567"
std::string counted(std::uint64_t count, std::string_view one, std::string_view many);  // "1 row", "2 rows"

}  // namespace oxbow
