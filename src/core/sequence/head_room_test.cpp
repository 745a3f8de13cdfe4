#include "core/sequence/head_room.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "core/sequence/next_number.hpp"

namespace oxbow {
namespace {

constexpr std::int64_t kSmall = std::numeric_limits<std::int16_t>::max();
constexpr std::int64_t kInt = std::numeric_limits<std::int32_t>::max();
constexpr std::int64_t kBig = std::numeric_limits<std::int64_t>::max();

NumberedColumn ids(std::string schema, std::int64_t largest, std::int64_t last_given) {
  return {.table = {std::move(schema), "payment"},
          .column = "id",
          .sequence = "\"payment_id_seq\"",
          .last_given = last_given,
          .largest_possible = largest};
}

std::uint64_t rounds(std::int64_t legacy_max, std::int64_t new_max, std::int64_t last_given) {
  return rounds_left(ids("public", legacy_max, last_given), ids("ledger", new_max, 0));
}

// One handover, as it is carried out.
void hand_over(const NumberedColumn& from, NumberedColumn& to) {
  for (int move = 0; move < kMovesPerHandover; ++move) to.last_given = *next_number(from, to) - 1;
}

TEST(HeadRoomOfHandovers, IsUsedUpByOneWithEachRound) {
  for (auto largest : {kSmall, kInt}) {
    auto legacy = ids("public", largest, 10), new_side = ids("ledger", largest, 0);
    auto left = rounds_left(legacy, new_side);
    EXPECT_GT(left, 5u);
    for (int round = 0; round < 5; ++round) {
      hand_over(legacy, new_side);
      hand_over(new_side, legacy);
      EXPECT_EQ(rounds_left(legacy, new_side), --left);
    }
  }
}

TEST(HeadRoomOfHandovers, IsThatOfTheSmallerColumn) {
  EXPECT_EQ(rounds(kInt, kBig, 1'000'000), rounds(kInt, kInt, 1'000'000));
  EXPECT_EQ(rounds(kBig, kInt, 1'000'000), rounds(kInt, kInt, 1'000'000));
  EXPECT_LT(rounds(kSmall, kBig, 10), kRoundsFew);
  EXPECT_GT(rounds(kInt, kInt, 1'000'000), kRoundsFew);
}

TEST(HeadRoomOfHandovers, OfALargeColumnIsNotCountedToItsEnd) {
  EXPECT_EQ(rounds(kBig, kBig, 1'000'000), kRoundsCountedMax);
  EXPECT_EQ(head_room_sentence(ids("public", kBig, 1), ids("ledger", kBig, 0)),
            "public.payment.id and ledger.payment.id have numbers for at least 10,000 more handovers there "
            "and back");
}

TEST(HeadRoomOfHandovers, IsNoneWhereTheWayBackWouldFindNoNumber) {
  EXPECT_EQ(rounds(kInt, kBig, kInt - 2'500), 0u)
      << "the way there takes 2,000 of them, and the way back finds none";
  EXPECT_EQ(head_room_sentence(ids("public", kInt, kInt), ids("ledger", kBig, 0)),
            "public.payment.id and ledger.payment.id have numbers for 0 more handovers there and back");
}

}  // namespace
}  // namespace oxbow
