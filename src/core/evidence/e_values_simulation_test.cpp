// The statistics on made-up traffic with known truth: how often they raise a false alarm although somebody
// looks all the time, and whether they find what is there. Seeds are fixed, so the figures are, too.
#include <gtest/gtest.h>

#include <cmath>

#include "base/random.hpp"
#include "core/evidence/e_values.hpp"
#include "core/evidence/field_book.hpp"

namespace oxbow {
namespace {

struct Traffic {
  double odd = 0;         // probability that an answer differs from the usual one, on either side
  double regression = 0;  // of new, on top of it
  int requests = 10'000;
};

struct Counted {
  std::uint64_t raw = 0;    // new differed
  std::uint64_t noise = 0;  // the twin differed
  std::uint64_t only_new = 0;
  std::uint64_t only_twin = 0;
};

// Answers in the way of a service: legacy's first answer is sometimes the odd one.
void add_request(Counted& counted, const Traffic& traffic, Random& random) {
  bool legacy_odd = random.chance(traffic.odd);
  bool differed = random.chance(traffic.odd) != legacy_odd || random.chance(traffic.regression);
  bool twin_differed = random.chance(traffic.odd) != legacy_odd;
  counted.raw += differed;
  counted.noise += twin_differed;
  counted.only_new += differed && !twin_differed;
  counted.only_twin += twin_differed && !differed;
}

bool sign_test_alarms(const Counted& counted, int) {
  return log_e_value(counted.only_new, counted.only_twin) >= std::log(100);
}

// The rule that many know, as a peer to measure against.
bool diffy_alarms(const Counted& counted, int requests) {
  auto raw = static_cast<double>(counted.raw);
  auto noise = static_cast<double>(counted.noise);
  return raw > noise && 100 * (raw - noise) / (raw + noise) > 20 && 100 * (raw - noise) / requests > 0.03;
}

// The share of runs in which somebody who looks every ten requests ever sees an alarm.
template <class Alarms>
double share_of_runs_with_alarm(const Traffic& traffic, int runs, std::uint64_t seed, Alarms alarms) {
  Random random(seed);
  int alarmed = 0;
  for (int run = 0; run < runs; ++run) {
    Counted counted;
    for (int i = 1; i <= traffic.requests; ++i) {
      add_request(counted, traffic, random);
      if (i < 100 || i % 10 != 0 || !alarms(counted, i)) continue;
      ++alarmed;
      break;
    }
  }
  return static_cast<double>(alarmed) / runs;
}

constexpr int kRuns = 400;
constexpr double kLevel = 0.01;

class FalseAlarms : public testing::TestWithParam<double> {};

TEST_P(FalseAlarms, StayBelowTheirLevelHoweverOftenOneLooks) {
  Traffic same{.odd = GetParam(), .requests = 5'000};
  EXPECT_LE(share_of_runs_with_alarm(same, kRuns, 1, sign_test_alarms), kLevel);
}

INSTANTIATE_TEST_SUITE_P(Noise, FalseAlarms, testing::Values(1e-4, 1e-3, 1e-2, 1e-1, 0.5));

TEST(FalseAlarmsOfTheRuleOfDiffy, ExceedTheLevelManyTimes) {
  Traffic same{.odd = 1e-3};
  EXPECT_GE(share_of_runs_with_alarm(same, kRuns, 1, diffy_alarms), 20 * kLevel);
}

// 2000 discordant pairs, a look at each: the hardest case, where chance decides every pair.
TEST(FalseAlarmsOfFairCoins, StayBelowTheirLevelAtEveryLook) {
  Random random(7);
  int alarmed = 0;
  for (int run = 0; run < 2000; ++run) {
    std::uint64_t heads = 0;
    for (std::uint64_t i = 1; i <= 500; ++i) {
      heads += random.next() & 1;
      // Evidence needs a lead; without one the test is not worth its time.
      if (2 * heads < i + 9 || log_e_value(heads, i - heads) < std::log(100)) continue;
      ++alarmed;
      break;
    }
  }
  EXPECT_LE(alarmed, 20);
  EXPECT_GT(alarmed, 0) << "a level that is never used wastes requests";
}

TEST(Power, FindsRegressionsUnderNoise) {
  struct Case {
    double odd, regression, found_min;
  };
  for (auto [odd, regression, found_min] :
       {Case{.01, .005, 0.75}, {.05, .03, 1}, {.25, .05, 1}, {0, .001, 0.99}}) {
    Traffic worse{.odd = odd, .regression = regression, .requests = 20'000};
    EXPECT_GE(share_of_runs_with_alarm(worse, 100, 3, sign_test_alarms), found_min)
        << "noise " << odd << ", regression " << regression;
  }
}

TEST(PowerOfTheRuleOfDiffy, SeesNoneOfTheSmallerOnesAtTheEnd) {
  Random random(3);
  for (auto [odd, regression] : {std::pair(.05, .01), {.25, .05}}) {
    int found = 0;
    for (int run = 0; run < 50; ++run) {
      Counted counted;
      Traffic worse{.odd = odd, .regression = regression};
      for (int i = 0; i < 20'000; ++i) add_request(counted, worse, random);
      found += diffy_alarms(counted, 20'000);
    }
    EXPECT_EQ(found, 0) << "noise " << odd << ", regression " << regression;
  }
}

TEST(EqualityTest, RarelyCallsARealExcessNoise) {
  Random random(11);
  int cleared = 0;
  for (int run = 0; run < kRuns; ++run) {
    std::uint64_t only_new = 0, only_twin = 0;
    for (std::uint64_t i = 1; i <= 5'000; ++i) {
      double toss = static_cast<double>(random.below(1'000'000)) / 1e6;
      only_new += toss < 0.06;
      only_twin += toss >= 0.06 && toss < 0.11;
      if (i % 10 != 0) continue;
      auto log_e = log_e_value_of_equality(only_new, only_twin, i - only_new - only_twin, 0.01);
      if (log_e < std::log(20)) continue;
      ++cleared;
      break;
    }
  }
  EXPECT_LE(cleared, kRuns / 20);
}

// Fifty noisy fields on one route, judged together every day for a month.
TEST(FalseAlarmsOfABook, StayBelowTheLevelWithManyFieldsAndDailyLooks) {
  constexpr int kFields = 50, kDays = 30, kRequestsPerDay = 20, kBooks = 60;
  std::vector<std::string> paths;
  for (int i = 0; i < kFields; ++i) paths.push_back("$.field" + std::to_string(i));
  Random random(5);
  int alarmed = 0;
  for (int run = 0; run < kBooks; ++run) {
    FieldBook book;
    bool alarm = false;
    for (int day = 0; day < kDays && !alarm; ++day) {
      for (int i = 0; i < kRequestsPerDay; ++i) {
        std::vector<FieldDifference> differences, twin;
        for (const auto& path : paths) {
          if (random.chance(0.2)) differences.push_back({path, "value"});
          if (random.chance(0.2)) twin.push_back({path, "value"});
        }
        book.record({.route = "GET /a", .differences = differences, .twin_differences = twin});
      }
      for (const auto& field : book.report({}).fields) alarm |= field.verdict.state == FieldState::difference;
    }
    alarmed += alarm;
  }
  EXPECT_LE(alarmed, kBooks * kLevel);
}

// Both sides are the same, and say another thing once in so many answers: seldom enough that the few twins
// rarely show it.
TEST(FalseAlarmsOfABook, StayBelowTheLevelWhereNoiseIsRareAndTwinsAreFew) {
  constexpr int kBooks = 200, kRequests = 10'000, kRequestsPerLook = 500;
  for (double noise : {0.0005, 0.002, 0.01}) {
    Random random(17);
    int alarmed = 0;
    for (int run = 0; run < kBooks; ++run) {
      FieldCounts counts;
      bool alarm = false;
      for (int i = 1; i <= kRequests && !alarm; ++i) {
        bool differs = random.chance(noise);
        ++counts.compared;
        counts.differed += differs;
        if (random.chance(0.05)) {
          bool twin_differs = random.chance(noise);
          ++counts.twins;
          counts.twin_differed += twin_differs;
          counts.only_new += differs && !twin_differs;
          counts.only_twin += twin_differs && !differs;
        }
        if (i % kRequestsPerLook == 0)
          alarm = judge_fields(std::span(&counts, 1), {}).front().state == FieldState::difference;
      }
      alarmed += alarm;
    }
    EXPECT_LE(alarmed, kBooks * 0.01) << "noise " << noise;
  }
}

}  // namespace
}  // namespace oxbow
