#include "services/pipeline/progress.hpp"

#include <gtest/gtest.h>

namespace oxbow {
namespace {

using namespace std::chrono_literals;

TEST(RateWindow, SaysNothingOfLessThanTwoSeconds) {
  RateWindow window;
  EXPECT_EQ(window.per_second(), 0);
  window.observe(Instant{}, 0);
  window.observe(Instant{} + 1900ms, 5000);
  EXPECT_EQ(window.per_second(), 0);
  window.observe(Instant{} + 2s, 12'000);
  EXPECT_EQ(window.per_second(), 6000);
}

TEST(RateWindow, ForgetsWhatWasLongAgo) {
  RateWindow window;
  for (int second = 0; second <= 20; ++second) window.observe(Instant{} + second * 1s, second * 1000u);
  for (int second = 21; second <= 30; ++second) window.observe(Instant{} + second * 1s, 20'000);
  EXPECT_EQ(window.per_second(), 0) << "it stands still for ten seconds";
}

TEST(RateWindow, BeginsAnewWhereTheCountFalls) {
  RateWindow window;
  window.observe(Instant{}, 9000);
  window.observe(Instant{} + 2s, 100);
  EXPECT_EQ(window.per_second(), 0);
  window.observe(Instant{} + 4s, 500);
  EXPECT_EQ(window.per_second(), 200);
}

TEST(TimeLeft, NeedsASpeedAndAnEstimate) {
  EXPECT_EQ(time_left(2000, 10'000, 1000), 8s);
  EXPECT_EQ(time_left(2000, 10'000, 0), std::nullopt);
  EXPECT_EQ(time_left(2000, 0, 1000), std::nullopt);
  EXPECT_EQ(time_left(10'001, 10'000, 1000), std::nullopt) << "an estimate that is used up is none";
}

}  // namespace
}  // namespace oxbow
