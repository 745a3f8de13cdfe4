#include "core/evidence/paired_figures.hpp"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/random.hpp"

namespace oxbow {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::Pair;
using testing::SizeIs;

double ratio(Duration one, Duration other) {
  return static_cast<double>(one.count()) / static_cast<double>(other.count());
}

TEST(Histogram, QuantilesAreRightToThreePerCent) {
  for (Duration most : {Duration(900us), Duration(70ms), Duration(5s), Duration(30min)}) {
    LogHistogram histogram;
    for (int i = 1; i <= 10'000; ++i) histogram.record(most * i / 10'000);
    for (double q : {0.1, 0.5, 0.95, 0.99, 1.0}) {
      auto truth = Duration(static_cast<std::int64_t>(static_cast<double>(most.count()) * q));
      EXPECT_NEAR(ratio(histogram.quantile(q), truth), 1.0, 0.032) << q << " of " << human_duration(most);
    }
  }
}

TEST(Histogram, ShortOnesAreExactToTheMicrosecond) {
  LogHistogram histogram;
  for (int i = 0; i < 16; ++i) histogram.record(i * 1us);
  EXPECT_EQ(histogram.quantile(0.5), 7us);
  EXPECT_EQ(histogram.quantile(1), 15us);
}

TEST(Histogram, WhatIsOutOfRangeStaysAtTheEnds) {
  LogHistogram histogram;
  histogram.record(-5s);
  EXPECT_EQ(histogram.quantile(1), 0us);
  histogram.record(1000h);
  EXPECT_GT(histogram.quantile(1), 30min);
  EXPECT_EQ(histogram.count(), 2u);
  EXPECT_EQ(histogram.sum(), 1000h);
}

TEST(Histogram, CountsUpToALimit) {
  LogHistogram histogram;
  for (auto each : {Duration(1ms), Duration(10ms), Duration(100ms)}) histogram.record(each);
  EXPECT_EQ(histogram.count_up_to(-1ms), 0u);
  EXPECT_EQ(histogram.count_up_to(500us), 0u);
  EXPECT_EQ(histogram.count_up_to(10ms), 2u);
  EXPECT_EQ(histogram.count_up_to(10h), 3u);
}

TEST(Histogram, OfNothingIsZero) {
  EXPECT_EQ(LogHistogram().quantile(0.99), 0us);
}

TEST(Latency, SmallDifferencesSayNothing) {
  LatencyPairs pairs(1ms);
  for (int i = 0; i < 1000; ++i) pairs.record(10ms, 11ms);
  EXPECT_EQ(pairs.new_slower(), 0u);
  EXPECT_NEAR(pairs.log_e_new_slower(), 0, 1e-9);
}

TEST(Latency, ASlowerTailIsFoundAlthoughTheMedianIsTheSame) {
  LatencyPairs pairs(1ms);
  Random random(1);
  for (int i = 0; i < 2000; ++i) pairs.record(10ms, random.chance(0.03) ? 60ms : 10ms);
  EXPECT_EQ(pairs.difference_quantile(0.5), 0us);
  EXPECT_NEAR(ratio(pairs.difference_quantile(0.99), 50ms), 1, 0.032);
  EXPECT_GT(pairs.log_e_new_slower(), std::log(100));
}

TEST(Latency, EquallyRestlessSidesAreNotCalledSlower) {
  LatencyPairs pairs(1ms);
  Random random(2);
  auto time = [&] { return 5ms + 1us * static_cast<std::int64_t>(random.below(20'000)); };
  double highest = 0;
  for (int i = 0; i < 5000; ++i) {
    auto legacy = time();
    pairs.record(legacy, time());
    highest = std::max(highest, pairs.log_e_new_slower());
  }
  EXPECT_LT(highest, std::log(100));
}

TEST(Latency, QuantilesOfTheDifferenceHaveTheirSign) {
  LatencyPairs pairs(1ms);
  for (int i = 1; i <= 100; ++i) pairs.record(100ms, i <= 60 ? 100ms - i * 1ms : 100ms + i * 1ms);
  EXPECT_NEAR(ratio(pairs.difference_quantile(0.01), -60ms), 1, 0.032);
  EXPECT_NEAR(ratio(pairs.difference_quantile(0.6), -1ms), 1, 0.032);
  EXPECT_NEAR(ratio(pairs.difference_quantile(0.61), 61ms), 1, 0.032);
  EXPECT_NEAR(ratio(pairs.difference_quantile(1), 100ms), 1, 0.032);
  EXPECT_EQ(LatencyPairs(1ms).difference_quantile(0.5), 0us);
}

TEST(Latency, PairsThatWereNotAskedAlikeSayNothingAboutWhoIsSlower) {
  LatencyPairs pairs(1ms);
  for (int i = 0; i < 100; ++i) pairs.record_unlike(1ms, 100ms);
  EXPECT_EQ(pairs.count(), 100u);
  EXPECT_EQ(pairs.asked_alike(), 0u);
  EXPECT_EQ(pairs.new_slower(), 0u);
  EXPECT_EQ(pairs.log_e_new_slower(), 0);
  EXPECT_EQ(pairs.difference_quantile(0.5), 0us);
  EXPECT_GT(pairs.new_side().quantile(0.5), 90ms);
}

TEST(Errors, AreCountedTogether) {
  ErrorTable table;
  table.record(true, true);
  table.record(false, true);
  table.record(true, false);
  table.record(true, false);
  table.record(false, false);
  EXPECT_EQ(table, (ErrorTable{1, 1, 2, 1}));
}

TEST(Errors, OnlyThoseOfOneSideAreEvidence) {
  ErrorTable outage;
  for (int i = 0; i < 100; ++i) outage.record(false, false);
  EXPECT_NEAR(outage.log_e_new_fails_more(), 0, 1e-9);
  ErrorTable worse;
  for (int i = 0; i < 9; ++i) worse.record(true, false);
  EXPECT_GT(worse.log_e_new_fails_more(), std::log(100));
}

TEST(Divergence, TheFirstAttemptIsApartFromTheSecondLook) {
  DivergenceCounts counts;
  for (int i = 0; i < 2; ++i) counts.record(false, {});
  for (int i = 0; i < 2; ++i) counts.record(true, false);
  counts.record(true, true);
  counts.record(true, {});
  EXPECT_EQ(
      counts,
      (DivergenceCounts{
          .compared = 6, .differed_first = 4, .rechecked = 3, .differed_after_recheck = 1, .differed = 2}));
}

TEST(Divergence, WhatWasEqualAtFirstMayDifferAtTheSecondLook) {
  DivergenceCounts counts;
  counts.record(false, true);
  counts.record(false, false);
  EXPECT_EQ(
      counts,
      (DivergenceCounts{
          .compared = 2, .differed_first = 0, .rechecked = 2, .differed_after_recheck = 1, .differed = 1}));
}

TEST(CoverageOfComparison, NamesWhatWasLeftOut) {
  Coverage coverage;
  EXPECT_EQ(coverage.share(), 0);
  for (int i = 0; i < 3; ++i) coverage.compared();
  coverage.skipped("budget");
  EXPECT_EQ(coverage.share(), 0.75);
  EXPECT_THAT(coverage.reasons(), ElementsAre(Pair("budget", 1u)));
}

TEST(CoverageOfComparison, ReasonsWithoutEndBecomeOther) {
  Coverage coverage;
  for (int i = 0; i < 1000; ++i) coverage.skipped(fmt::format("reason {}", i));
  EXPECT_THAT(coverage.reasons(), SizeIs(Coverage::kReasonsMax));
  EXPECT_EQ(coverage.reasons().at("other"), 1000 - (Coverage::kReasonsMax - 1));
  EXPECT_EQ(coverage.eligible(), 1000u);
}

}  // namespace
}  // namespace oxbow
