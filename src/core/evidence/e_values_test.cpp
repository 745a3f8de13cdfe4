#include "core/evidence/e_values.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace oxbow {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;
using testing::IsEmpty;

double e_value(std::uint64_t only_new, std::uint64_t only_twin) {
  return std::exp(log_e_value(only_new, only_twin));
}

// The mean over p by adding up slices, without any of the functions used by the real thing.
double e_value_by_slices(int only_new, int only_twin) {
  constexpr int kSlices = 200'000;
  double sum = 0;
  for (int i = 0; i < kSlices; ++i) {
    double p = 0.5 + (i + 0.5) / (2.0 * kSlices);
    sum += std::pow(2 * p, only_new) * std::pow(2 * (1 - p), only_twin);
  }
  return sum / kSlices;
}

TEST(SignTest, NothingSeenProvesNothing) {
  EXPECT_NEAR(e_value(0, 0), 1.0, 1e-12);
}

TEST(SignTest, GrowsWithDifferencesThatOnlyNewHas) {
  EXPECT_EQ(std::floor(e_value(6, 0)), 18);
  EXPECT_EQ(std::floor(e_value(8, 0) + 0.5), 57);
  EXPECT_EQ(std::floor(e_value(9, 0)), 102);
}

TEST(SignTest, IsTheMeanOfTheLikelihoodRatios) {
  for (auto [b, c] : {std::pair(1, 0), {0, 1}, {3, 5}, {40, 10}, {10, 40}, {200, 180}})
    EXPECT_NEAR(e_value(b, c) / e_value_by_slices(b, c), 1.0, 1e-6) << b << " against " << c;
}

// One more coin toss must not change the mean: that is what makes looking at every moment harmless.
TEST(SignTest, AFairCoinNeitherAddsNorTakesEvidence) {
  for (std::uint64_t b = 0; b < 30; ++b)
    for (std::uint64_t c = 0; c < 30; ++c)
      EXPECT_LE((e_value(b + 1, c) + e_value(b, c + 1)) / 2, e_value(b, c) * (1 + 1e-9)) << b << ", " << c;
}

TEST(SignTest, MillionsOfPairsStayNumbers) {
  EXPECT_GT(log_e_value(100'000'000, 0), 6e7);
  EXPECT_NEAR(log_e_value(0, 100'000'000), -std::log(1e8), 1e-6);
  for (std::uint64_t twin = 900; twin < 1100; ++twin)
    EXPECT_NEAR(log_e_value(0, twin), -std::log(static_cast<double>(twin + 1)), 2e-3) << twin;
  EXPECT_LT(log_e_value(500'000'000, 500'000'000), 0);
  EXPECT_GT(log_e_value(500'500'000, 499'500'000), std::log(100));
}

TEST(EqualityTest, WithoutAnyDifferenceItIsTheRuleOfThreeOrALittleMore) {
  EXPECT_LT(std::exp(log_e_value_of_equality(0, 0, 300, 0.01)), 20);
  EXPECT_GT(std::exp(log_e_value_of_equality(0, 0, 400, 0.01)), 20);
}

TEST(EqualityTest, ProvesThatNoiseOnBothSidesIsTheSame) {
  EXPECT_GT(std::exp(log_e_value_of_equality(294, 294, 9'212, 0.01)), 20);
  EXPECT_LT(std::exp(log_e_value_of_equality(394, 194, 9'212, 0.01)), 1) << "an excess of two per cent";
}

TEST(EqualityTest, AnExcessOfExactlyTheMarginAddsNothingOnAverage) {
  for (double margin : {0.01, 0.1}) {
    double nothing = log_e_value_of_equality(0, 0, 0, margin);
    EXPECT_NEAR(nothing, 0, 1e-12);
    double only_new = std::exp(log_e_value_of_equality(1, 0, 0, margin));
    double only_twin = std::exp(log_e_value_of_equality(0, 1, 0, margin));
    double tie = std::exp(log_e_value_of_equality(0, 0, 1, margin));
    double noise = 0.05;
    EXPECT_NEAR((margin + noise) * only_new + noise * only_twin + (1 - margin - 2 * noise) * tie, 1, 1e-12);
  }
}

TEST(ManyFields, OneAmongManyNeedsMoreEvidence) {
  double enough_alone = std::log(102);
  EXPECT_THAT(rejected_by_e_bh(std::vector{enough_alone}, 0.01), ElementsAre(0));
  EXPECT_THAT(rejected_by_e_bh(std::vector{0.0, enough_alone}, 0.01), IsEmpty());
  EXPECT_THAT(rejected_by_e_bh(std::vector{0.0, std::log(201)}, 0.01), ElementsAre(1));
}

TEST(ManyFields, ThoseThatAreNotThereAnyMoreCountAsWell) {
  EXPECT_THAT(rejected_by_e_bh(std::vector{std::log(299)}, 0.01, 2), IsEmpty());
  EXPECT_THAT(rejected_by_e_bh(std::vector{std::log(301)}, 0.01, 2), ElementsAre(0));
}

TEST(ManyFields, SeveralTogetherNeedLessEach) {
  EXPECT_THAT(rejected_by_e_bh(std::vector{std::log(101), -3.0, std::log(150), std::log(140)}, 0.01),
              IsEmpty());
  EXPECT_THAT(rejected_by_e_bh(std::vector{std::log(134), -3.0, std::log(150), std::log(140)}, 0.01),
              ElementsAre(2, 3, 0));
}

TEST(ManyFields, NoneIsNone) {
  EXPECT_THAT(rejected_by_e_bh({}, 0.01), IsEmpty());
}

TEST(Rates, WilsonsIntervalOfKnownRates) {
  auto some = rate_interval(10, 100);
  EXPECT_THAT(some.low, DoubleNear(0.0552, 1e-4));
  EXPECT_THAT(some.high, DoubleNear(0.1744, 1e-4));
  EXPECT_EQ(rate_interval(0, 50).low, 0);
  EXPECT_THAT(rate_interval(0, 50).high, DoubleNear(0.0713, 1e-4));
  EXPECT_EQ(rate_interval(50, 50).high, 1);
  EXPECT_EQ(rate_interval(0, 0), (Interval{0, 1}));
}

TEST(Rates, TheUnseenMayHappenThreeTimesInAllTrials) {
  EXPECT_EQ(rate_max_of_the_unseen(300), 0.01);
  EXPECT_EQ(rate_max_of_the_unseen(2), 1);
  EXPECT_EQ(rate_max_of_the_unseen(0), 1);
}

}  // namespace
}  // namespace oxbow
