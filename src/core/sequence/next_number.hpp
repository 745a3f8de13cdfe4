// From where the new home of a cohort numbers its rows, so that no number is ever given out twice, on either
// side and in either direction. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.hpp"
#include "model/numbered_column.hpp"

namespace oxbow {

// Numbers that stay unused between the two homes: for rows that somebody writes with numbers of his own while
// authority changes hands.
inline constexpr std::int64_t kNumbersApart = 1000;

// The next number that `to` shall give out, when the rows of `from` have all come over. `unsupported` if it
// would not fit, or if a sequence counts downwards.
Result<std::int64_t> next_number(const NumberedColumn& from, const NumberedColumn& to);

// How many more rows fit behind `next`, and a sentence if they are few.
std::optional<std::string> warning_of_head_room(const NumberedColumn& column, std::int64_t next);

}  // namespace oxbow
