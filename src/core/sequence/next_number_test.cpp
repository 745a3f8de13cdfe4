#include "core/sequence/next_number.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace oxbow {
namespace {

using testing::HasSubstr;

NumberedColumn ids(std::string schema) {
  return {.table = {std::move(schema), "payment"},
          .column = "id",
          .sequence = "\"payment_id_seq\"",
          .largest_possible = std::numeric_limits<std::int64_t>::max()};
}

NumberedColumn given_up_to(std::int64_t last) {
  auto column = ids("public");
  column.last_given = last;
  return column;
}

NumberedColumn int4(NumberedColumn column) {
  column.largest_possible = std::numeric_limits<std::int32_t>::max();
  return column;
}

TEST(NextNumber, StandsBehindEverythingThatTheOldHomeHasGivenOut) {
  EXPECT_EQ(next_number(given_up_to(4711), ids("ledger")), 4711 + kNumbersApartMax + 1);
}

// The old home stays the home of other cohorts and goes on with its numbers, and sessions of either side keep
// numbers that they took before.
TEST(NextNumber, LeavesRoomForANeighbourThatGoesOnNumberingRows) {
  auto room = [](const NumberedColumn& from, const NumberedColumn& to) {
    return *next_number(from, to) - *from.last_given;
  };
  EXPECT_GT(room(given_up_to(4711), ids("ledger")), 100'000'000);
  EXPECT_GT(room(int4(given_up_to(4711)), int4(ids("ledger"))), 2'000'000);
}

TEST(NextNumber, LetsAuthorityGoThereAndBackHundredsOfTimesBeforeAnIntegerIsUsedUp) {
  auto here = int4(given_up_to(1'000'000)), there = int4(ids("ledger"));
  for (int i = 0; i < 800; ++i) {
    auto next = next_number(here, there);
    ASSERT_TRUE(next) << i;
    there.last_given = *next + 1000;
    std::swap(here, there);
  }
}

// Rows that the new side numbers past what legacy can hold could never come back.
TEST(NextNumber, StaysWithinTheSmallerColumnOfTheTwoWhileItCan) {
  auto legacy = int4(given_up_to(200'000'000)), bigger = ids("ledger");
  auto next = next_number(legacy, bigger);
  EXPECT_EQ(*next, 200'000'000 + (legacy.largest_possible - 200'000'000) / 1000 + 1);
  EXPECT_EQ(*next, *next_number(legacy, int4(ids("ledger"))));
  legacy.last_given = legacy.largest_possible;
  EXPECT_EQ(*next_number(legacy, bigger), legacy.largest_possible + kNumbersApartMin + 1) << "only forward";
}

TEST(NextNumber, StandsBehindRowsThatWereNumberedByHand) {
  auto from = given_up_to(10), to = ids("ledger");
  from.largest_row = 90'000;
  EXPECT_EQ(next_number(from, to), 90'000 + kNumbersApartMax + 1);
  to.largest_row = 95'000;
  EXPECT_EQ(next_number(from, to), 95'000 + kNumbersApartMax + 1);
}

// On the way back the old home may have been ahead: its numbers were never rows, but somebody may know them.
TEST(NextNumber, NeverFalls) {
  auto to = ids("ledger");
  to.last_given = 7'000;
  EXPECT_EQ(next_number(given_up_to(20), to), 7'000 + kNumbersApartMax + 1);
}

TEST(NextNumber, OfNothingBeginsWhereTheSequenceDoes) {
  auto to = ids("ledger");
  to.first = 100'000;
  EXPECT_EQ(next_number(ids("public"), to), 100'000 + kNumbersApartMax);
}

TEST(NextNumber, IsRefusedWhereItWouldNotFit) {
  auto to = int4(ids("ledger"));
  EXPECT_TRUE(next_number(given_up_to(to.largest_possible - kNumbersApartMin - 1), to));
  auto refused = next_number(given_up_to(to.largest_possible - kNumbersApartMin), to);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().detail, HasSubstr("ledger.payment.id can be numbered up to 2147483647"));
}

TEST(NextNumber, IsRefusedWhereNumbersFall) {
  auto from = given_up_to(-20);
  from.increment = -1;
  EXPECT_EQ(next_number(from, ids("ledger")).error().code, ErrorCode::unsupported);
}

TEST(HeadRoom, IsWarnedOfLongBeforeItIsUsedUp) {
  auto column = ids("public");
  EXPECT_FALSE(warning_of_head_room(column, 1'000'000));
  column.largest_possible = std::numeric_limits<std::int32_t>::max();
  EXPECT_FALSE(warning_of_head_room(column, 1'000'000));
  auto warning = warning_of_head_room(column, column.largest_possible - 5'000 + 1);
  ASSERT_TRUE(warning);
  EXPECT_THAT(*warning, HasSubstr("public.payment.id has numbers for 5000 more rows, up to 2147483647"));
  column.increment = 10;
  EXPECT_TRUE(warning_of_head_room(column, column.largest_possible - 50'000'000));
}

}  // namespace
}  // namespace oxbow
