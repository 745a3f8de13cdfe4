#include "services/pipeline/backfill_control.hpp"

#include <gtest/gtest.h>

namespace oxbow {
namespace {

using namespace std::chrono_literals;

constexpr LoadSigns kGreen{.retained_wal_bytes = 0};
constexpr LoadSigns kAmber{.retained_wal_bytes = 60};
constexpr LoadSigns kRed{.retained_wal_bytes = 80};

class BackfillControlTest : public testing::Test {
 protected:
  static Limits limits() {
    Limits limits;
    limits.workers = 4;
    limits.retained_wal_bytes_max = 100;
    return limits;
  }

  BackfillControl control_{limits()};
  Instant now_ = Instant{} + 1h;
};

TEST_F(BackfillControlTest, AmberLeavesOneWorkerAndRedNone) {
  EXPECT_EQ(control_.workers(), 4);
  control_.observe(kAmber);
  EXPECT_EQ(control_.workers(), 1);
  control_.observe(kRed);
  EXPECT_EQ(control_.workers(), 0);
  control_.observe(kGreen);
  EXPECT_EQ(control_.workers(), 4);
}

TEST_F(BackfillControlTest, ASlowWorkerRestsAsLongAsItWorks) {
  control_.observe(kAmber);
  now_ += control_.spend(now_, 1000, 1000);
  now_ += 7ms;
  EXPECT_EQ(control_.spend(now_, 1000, 1000), 7ms);
  now_ += 7ms + 20ms;
  EXPECT_EQ(control_.spend(now_, 1000, 1000), 20ms);
}

TEST_F(BackfillControlTest, AWorkerAtFullPaceDoesNotRest) {
  control_.observe(kGreen);
  EXPECT_EQ(control_.spend(now_, 1000, 1000), 0ms);
  EXPECT_EQ(control_.spend(now_ + 7ms, 1000, 1000), 0ms);
}

TEST_F(BackfillControlTest, ARateHoldsAlsoWhereARestWouldBeShorter) {
  control_.set_rate({.rows_per_second_max = 1000, .workers = 4});
  control_.observe(kAmber);
  control_.spend(now_, 1000, 0);
  EXPECT_GE(control_.spend(now_ + 1ms, 1000, 0), 1s);
}

TEST_F(BackfillControlTest, APauseOfOneEntityLeavesTheOthers) {
  control_.pause("customer");
  EXPECT_TRUE(control_.is_paused("customer"));
  EXPECT_FALSE(control_.is_paused("order"));
  control_.pause(std::nullopt);
  EXPECT_TRUE(control_.is_paused("order"));
  control_.resume(std::nullopt);
  EXPECT_FALSE(control_.is_paused("customer"));
}

}  // namespace
}  // namespace oxbow
