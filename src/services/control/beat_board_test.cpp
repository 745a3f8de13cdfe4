#include "services/control/beat_board.hpp"

#include <gtest/gtest.h>

namespace oxbow {
namespace {

constexpr auto kFrom = Side::legacy;

WallTime at(std::int64_t us) {
  return WallTime(std::chrono::microseconds(us));
}

TEST(BeatBoard, WhoCameBeforeABeatIsThereWhenItArrives) {
  BeatBoard beats;
  beats.send(kFrom, at(100));
  auto seen = beats.next(kFrom);
  beats.arrive(kFrom, 100);
  EXPECT_FALSE(beats.has_arrived(kFrom, seen)) << "this beat may lie before him in the log";
  beats.arrive(kFrom, beats.send(kFrom, at(200)));
  EXPECT_TRUE(beats.has_arrived(kFrom, seen));
  EXPECT_FALSE(beats.has_arrived(Side::new_side, seen)) << "each side has a log of its own";
}

TEST(BeatBoard, ABeatOfAnEarlierRunSaysNothingOfWhoCameInThisOne) {
  BeatBoard beats;
  auto seen = beats.next(kFrom);
  beats.begin(kFrom, 1000);
  beats.arrive(kFrom, 1000);
  EXPECT_FALSE(beats.has_arrived(kFrom, seen));
  beats.arrive(kFrom, beats.send(kFrom, at(2000)));
  EXPECT_TRUE(beats.has_arrived(kFrom, seen));
}

TEST(BeatBoard, NumbersGrowAlsoWhenTheClockIsSetBack) {
  BeatBoard beats;
  beats.begin(kFrom, 1000);
  EXPECT_EQ(beats.send(kFrom, at(500)), 1001u);
  EXPECT_EQ(beats.send(kFrom, at(400)), 1002u);
  EXPECT_EQ(beats.send(kFrom, at(5000)), 5000u);
}

TEST(BeatBoard, AnotherSessionOfTheSameRunGoesOnWhereTheLastOneWas) {
  BeatBoard beats;
  beats.begin(kFrom, 1000);
  auto sent = beats.send(kFrom, at(2000));
  beats.begin(kFrom, sent);
  beats.arrive(kFrom, sent);
  EXPECT_TRUE(beats.has_arrived(kFrom, sent));
}

}  // namespace
}  // namespace oxbow
