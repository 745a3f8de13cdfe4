#include "core/sequence/head_room.hpp"

#include <fmt/core.h>

#include "base/text.hpp"
#include "core/sequence/next_number.hpp"

namespace oxbow {
namespace {

bool hand_over(const NumberedColumn& from, NumberedColumn& to) {
  for (int move = 0; move < kMovesPerHandover; ++move) {
    auto next = next_number(from, to);
    if (!next || *next > std::min(from.largest_possible, to.largest_possible)) return false;
    to.last_given = *next - 1;
  }
  return true;
}

}  // namespace

std::uint64_t rounds_left(NumberedColumn legacy, NumberedColumn new_side) {
  std::uint64_t rounds = 0;
  while (rounds < kRoundsCountedMax && hand_over(legacy, new_side) && hand_over(new_side, legacy)) ++rounds;
  return rounds;
}

std::string head_room_sentence(const NumberedColumn& legacy, const NumberedColumn& new_side) {
  auto rounds = rounds_left(legacy, new_side);
  return fmt::format("{}.{} and {}.{} have numbers for {}{} there and back", to_string(legacy.table),
                     legacy.column, to_string(new_side.table), new_side.column,
                     rounds == kRoundsCountedMax ? "at least " : "",
                     counted(rounds, "more handover", "more handovers"));
}

}  // namespace oxbow
