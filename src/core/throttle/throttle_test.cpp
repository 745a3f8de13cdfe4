#include "core/throttle/throttle.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace oxbow {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr std::uint64_t kGiB = 1ull << 30;

Limits limits() {
  Limits limits;
  limits.retained_wal_bytes_max = 8 * kGiB;
  limits.lag_max = 30s;
  limits.active_sessions_max = 10;
  return limits;
}

TEST(Throttle, TheBudgetHasFourLevels) {
  EXPECT_EQ(budget_level(4 * kGiB - 1, 8 * kGiB), WalBudget::green);
  EXPECT_EQ(budget_level(4 * kGiB, 8 * kGiB), WalBudget::amber);
  EXPECT_EQ(budget_level(6 * kGiB - 1, 8 * kGiB), WalBudget::amber);
  EXPECT_EQ(budget_level(6 * kGiB, 8 * kGiB), WalBudget::red);
  EXPECT_EQ(budget_level(8 * kGiB - 1, 8 * kGiB), WalBudget::red);
  EXPECT_EQ(budget_level(8 * kGiB, 8 * kGiB), WalBudget::black);
}

TEST(Throttle, ABudgetOfZeroIsNone) {
  EXPECT_EQ(budget_level(1ull << 60, 0), WalBudget::green);
}

TEST(Throttle, AQuietSourceTakesTheFullPace) {
  EXPECT_EQ(decide_throttle(limits(), {.retained_wal_bytes = kGiB, .lag = 30s, .active_sessions = 10}),
            Throttle{});
}

TEST(Throttle, AmberSlowsAndRedStops) {
  auto amber = decide_throttle(limits(), {.retained_wal_bytes = 5 * kGiB});
  EXPECT_EQ(amber.pace, BackfillPace::slow);
  EXPECT_THAT(amber.reason, HasSubstr("keeps 5.0 GiB of log for us, of 8.0 GiB allowed"));
  auto red = decide_throttle(limits(), {.retained_wal_bytes = 7 * kGiB});
  EXPECT_EQ(red.pace, BackfillPace::stopped);
  EXPECT_EQ(red.budget, WalBudget::red);
  EXPECT_EQ(decide_throttle(limits(), {.retained_wal_bytes = 9 * kGiB}).pace, BackfillPace::stopped);
}

TEST(Throttle, ALateStreamStops) {
  auto late = decide_throttle(limits(), {.lag = 31s});
  EXPECT_EQ(late.pace, BackfillPace::stopped);
  EXPECT_THAT(late.reason, HasSubstr("31.0 s behind, 30.0 s are allowed"));
}

TEST(Throttle, ABusySourceStopsWhereALimitIsSet) {
  auto busy = decide_throttle(limits(), {.active_sessions = 11});
  EXPECT_EQ(busy.pace, BackfillPace::stopped);
  EXPECT_THAT(busy.reason,
              HasSubstr("11 sessions of others are at work on the legacy server, 10 are allowed"));
  auto unlimited = limits();
  unlimited.active_sessions_max = 0;
  EXPECT_EQ(decide_throttle(unlimited, {.active_sessions = 5000}), Throttle{});
}

TEST(Throttle, TheStrictestRuleGivesTheReason) {
  auto both = decide_throttle(limits(), {.retained_wal_bytes = 5 * kGiB, .lag = 1min});
  EXPECT_EQ(both.pace, BackfillPace::stopped);
  EXPECT_EQ(both.budget, WalBudget::amber);
  EXPECT_THAT(both.reason, HasSubstr("behind"));
}

TEST(Throttle, ALongTransactionIsNamedAsACauseAndIsNoneByItself) {
  auto amber = decide_throttle(limits(), {.retained_wal_bytes = 5 * kGiB, .oldest_transaction = 2h});
  EXPECT_THAT(amber.reason, HasSubstr("a transaction there is open for 2 h 00 min"));
  auto short_one = decide_throttle(limits(), {.retained_wal_bytes = 5 * kGiB, .oldest_transaction = 1s});
  EXPECT_THAT(short_one.reason, Not(HasSubstr("transaction")));
  EXPECT_THAT(decide_throttle(limits(), {.oldest_transaction = 48h}).reason, IsEmpty());
}

}  // namespace
}  // namespace oxbow
