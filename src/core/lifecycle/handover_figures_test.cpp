#include "core/lifecycle/handover_figures.hpp"

#include <gtest/gtest.h>

#include <utility>

namespace oxbow {
namespace {

TEST(HandoverFigures, APercentileIsAValueThatWasMeasured) {
  EXPECT_EQ(percentile({7}, 50), 7u);
  EXPECT_EQ(percentile({4, 1, 3, 2}, 50), 2u);
  EXPECT_EQ(percentile({4, 1, 3, 2}, 51), 3u);
  EXPECT_EQ(percentile({4, 1, 3, 2}, 99), 4u);
  std::vector<std::uint64_t> hundred;
  for (std::uint64_t i = 100; i > 0; --i) hundred.push_back(i);
  EXPECT_EQ(percentile(hundred, 99), 99u);
  EXPECT_EQ(percentile(hundred, 100), 100u);
}

TEST(HandoverFigures, WhereNoPauseWasMeasuredNothingIsForetold) {
  EXPECT_FALSE(forecast({}));
  EXPECT_FALSE(forecast({{.pause_us = std::nullopt, .steps = {{"flip", 3}}}}));
}

TEST(HandoverFigures, AHandoverThatWasInterruptedCountsForItsStepsAndNotForThePause) {
  auto foretold = forecast({{.pause_us = 900, .steps = {{"fence", 10}, {"flip", 30}}},
                            {.pause_us = std::nullopt, .steps = {{"flip", 20}, {"release", 5}}},
                            {.pause_us = 500, .steps = {{"fence", 12}, {"flip", 40}}},
                            {.pause_us = 700, .steps = {{"fence", 11}, {"flip", 10}}}});
  ASSERT_TRUE(foretold);
  EXPECT_EQ(foretold->measured, 3u);
  EXPECT_EQ(foretold->pause_us_p50, 700u);
  EXPECT_EQ(foretold->pause_us_p99, 900u);
  EXPECT_EQ(foretold->pause_us_max, 900u);
  std::vector<HandoverFigures::Step> steps = {{"fence", 11}, {"flip", 20}, {"release", 5}};
  EXPECT_EQ(foretold->median_steps, steps);
}

}  // namespace
}  // namespace oxbow
