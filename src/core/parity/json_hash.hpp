// A hash that JSON values of the same meaning share, whatever the order of their members and the spelling of
// their strings and numbers. Equal hashes are a reason to compare, never a verdict.
#pragma once

#include <cstdint>
#include <string_view>

namespace oxbow {

// REQUIRES: `value` is one JSON value, found sound before, without blanks around it.
std::uint64_t hash_of_json(std::string_view value);

}  // namespace oxbow
