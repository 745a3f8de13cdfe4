#include "core/sequence/next_number.hpp"

#include <fmt/core.h>

#include <algorithm>

namespace oxbow {
namespace {

constexpr std::int64_t kFewRows = 10'000'000;

// The largest number that has been used, or may have been.
std::int64_t used_by(const NumberedColumn& column) {
  auto used = column.last_given.value_or(column.first - 1);
  return std::max(used, column.largest_row.value_or(used));
}

std::string name_of(const NumberedColumn& column) {
  return fmt::format("{}.{}", to_string(column.table), column.column);
}

}  // namespace

Result<std::int64_t> next_number(const NumberedColumn& from, const NumberedColumn& to) {
  for (const auto* column : {&from, &to})
    if (column->increment < 0)
      return Err(ErrorCode::unsupported,
                 "{} is numbered downwards by {}, and a handover continues only numbers that grow",
                 name_of(*column), column->sequence);
  auto used = std::max(used_by(from), used_by(to));
  if (used > to.largest_possible - kNumbersApartMin - 1)
    return Err(
        ErrorCode::unsupported,
        "{} can be numbered up to {}, and {} is used already: give it a larger type, or its sequence a "
        "larger bound, before the handover",
        name_of(to), to.largest_possible, used);
  // What a smaller column of the old home cannot hold would never come back to it.
  auto left = std::min(from.largest_possible, to.largest_possible) - std::max<std::int64_t>(used, 0);
  return used + std::clamp(left / 1000, kNumbersApartMin, kNumbersApartMax) + 1;
}

std::optional<std::string> warning_of_head_room(const NumberedColumn& column, std::int64_t next) {
  auto left = (column.largest_possible - next) / std::max<std::int64_t>(column.increment, 1) + 1;
  if (next <= column.largest_possible && left >= kFewRows) return std::nullopt;
  return fmt::format("{} has numbers for {} more rows, up to {}: give it a larger type in time",
                     name_of(column), std::max<std::int64_t>(left, 0), column.largest_possible);
}

}  // namespace oxbow
