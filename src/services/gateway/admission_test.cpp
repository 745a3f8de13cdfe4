#include "services/gateway/admission.hpp"

#include <gtest/gtest.h>

#include <string>

namespace oxbow {
namespace {

using namespace std::chrono_literals;

class AdmissionTest : public testing::Test {
 protected:
  // Asked and not answered for so long.
  void ask_in_vain(const std::string& url, Duration patience = 100ms) {
    auto answers = side.answers();
    auto asked = now;
    now += patience;
    side.was_late(url, answers, asked, now);
  }

  int admitted(int times, const std::string& url) {
    int count = 0;
    for (int i = 0; i < times; ++i) count += side.may_enter(url, now) == Admission::Entry::is_free ? 1 : 0;
    return count;
  }

  Admission side{"new", 2, 3};
  Instant now{1h};
};

TEST_F(AdmissionTest, HasSoManySeatsAndGetsThemBack) {
  auto one = side.take_seat();
  EXPECT_FALSE(side.is_full());
  {
    auto two = side.take_seat();
    EXPECT_TRUE(side.is_full());
    auto moved = std::move(two);
    EXPECT_TRUE(side.is_full());
  }
  EXPECT_FALSE(side.is_full());
  one = side.take_seat();
  EXPECT_FALSE(side.is_full());
  one = {};
  auto again = side.take_seat(), last = side.take_seat();
  EXPECT_TRUE(side.is_full());
}

TEST_F(AdmissionTest, RefusesWhatWasAskedInVainOftenEnough) {
  ask_in_vain("/a");
  ask_in_vain("/a");
  EXPECT_EQ(admitted(10, "/a"), 10);
  ask_in_vain("/a");
  EXPECT_EQ(admitted(10, "/a"), 0);
}

TEST_F(AdmissionTest, LetsOthersWaitForTheFewThatAreAskedInFront) {
  for (int i = 0; i < 3; ++i) ask_in_vain("/a");
  EXPECT_EQ(admitted(4, "/b"), 4);
  EXPECT_EQ(side.may_enter("/c", now), Admission::Entry::waits);
  EXPECT_EQ(side.may_enter("/a", now), Admission::Entry::is_shut);
  side.answered();
  EXPECT_EQ(admitted(10, "/c"), 10);
}

TEST_F(AdmissionTest, ForgetsAfterAMinuteInWhichNothingWasLate) {
  for (int i = 0; i < 3; ++i) ask_in_vain("/a");
  now += 61s;
  EXPECT_EQ(admitted(20, "/a"), 20);
}

TEST_F(AdmissionTest, ForgetsNothingWhileSomebodyIsStillWaitedFor) {
  for (int i = 0; i < 3; ++i) ask_in_vain("/a");
  auto one = side.take_seat(), other = side.take_seat();
  now += 61s;
  EXPECT_EQ(admitted(20, "/b"), 4);
  one = {};
  EXPECT_EQ(admitted(20, "/b"), 20);
}

TEST_F(AdmissionTest, TriesOnceASecondWhetherItAnswersAgain) {
  for (int i = 0; i < 3; ++i) ask_in_vain("/a");
  for (int second = 0; second < 3; ++second) {
    now += 1s;
    EXPECT_EQ(admitted(10, "/a"), 1);
  }
}

TEST_F(AdmissionTest, AdmitsEverythingBehindOneAnswer) {
  for (int i = 0; i < 3; ++i) ask_in_vain("/a");
  side.answered();
  EXPECT_EQ(admitted(10, "/a"), 10);
  EXPECT_EQ(admitted(10, "/b"), 10);
}

TEST_F(AdmissionTest, LetsWhatWasNotAskedInVainGoFirst) {
  for (int i = 0; i < 3; ++i) ask_in_vain("/a");
  EXPECT_EQ(admitted(100, "/a"), 0);
  EXPECT_EQ(admitted(1, "/b"), 1);
  EXPECT_EQ(admitted(100, "/b"), 3) << "but few, because they may wait in vain as well";
}

TEST_F(AdmissionTest, TakesNothingAwayForWhatWasAskedBeforeTheLastAnswer) {
  auto answers = side.answers();
  side.answered();
  for (int i = 0; i < 20; ++i) side.was_late("/a", answers, now, now + 100ms);
  EXPECT_EQ(admitted(10, "/a"), 10);
}

TEST_F(AdmissionTest, TakesNothingAwayForLateAnswersThatLieFarApart) {
  for (int i = 0; i < 20; ++i) {
    ask_in_vain("/a");
    now += 1h;
  }
  EXPECT_EQ(admitted(10, "/a"), 10);
}

TEST_F(AdmissionTest, CountsLateAnswersOfAClientThatTriesAgainAtOnceAsARow) {
  for (int i = 0; i < 3; ++i) ask_in_vain("/a", 5min);
  EXPECT_EQ(admitted(10, "/a"), 0);
}

}  // namespace
}  // namespace oxbow
