// From where the new home of a cohort numbers its rows, so that no number is ever given out twice, on either
// side and in either direction. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.hpp"
#include "model/numbered_column.hpp"

namespace oxbow {

// How far a new home stays away from every number that is used: a thousandth of those that are left and fit
// both sides, within these bounds. The old home may stay the home of other cohorts and go on with its
// numbers, sessions of either side may keep numbers that they took long before, and somebody may write rows
// with numbers of his own. As long as all that is less than this, until the next handover, no number is used
// twice.
inline constexpr std::int64_t kNumbersApartMin = 1000, kNumbersApartMax = 1'000'000'000;

// The next number that `to` shall give out, when the rows of `from` have all come over. `unsupported` if it
// would not fit, or if a sequence counts downwards.
Result<std::int64_t> next_number(const NumberedColumn& from, const NumberedColumn& to);

// A handover moves the numbers of its new home twice: before users notice anything, and while they wait.
inline constexpr int kMovesPerHandover = 2;

// How many more rows fit behind `next`, and a sentence if they are few.
std::optional<std::string> warning_of_head_room(const NumberedColumn& column, std::int64_t next);

}  // namespace oxbow
