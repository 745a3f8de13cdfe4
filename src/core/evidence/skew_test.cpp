#include "core/evidence/skew.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "base/random.hpp"

namespace oxbow {
namespace {

constexpr CohortId kPilot(0);
constexpr CohortId kRest(1);

TEST(DistinctKeysSeen, AreEstimatedFromOneToAMillion) {
  DistinctKeys keys;
  std::uint64_t added = 0;
  for (std::uint64_t wanted : {1, 10, 100, 1'000, 5'000, 10'000, 100'000, 1'000'000}) {
    for (; added < wanted; ++added) keys.add(hash_of_key(std::to_string(added)));
    auto error = static_cast<double>(keys.estimate()) / static_cast<double>(wanted) - 1;
    EXPECT_LT(std::abs(error), 0.06) << wanted << " keys";
  }
}

TEST(DistinctKeysSeen, RepeatsDoNotCount) {
  DistinctKeys keys;
  EXPECT_EQ(keys.estimate(), 0u);
  for (int i = 0; i < 100'000; ++i) keys.add(hash_of_key(std::to_string(i % 20)));
  EXPECT_EQ(keys.estimate(), 20u);
}

TEST(HeavyKeysSeen, TheHottestIsFoundAmongManyRareOnes) {
  HeavyKeys keys;
  Random random(1);
  std::uint64_t hot = 0;
  for (int i = 0; i < 100'000; ++i) {
    bool is_hot = random.chance(0.05);
    hot += is_hot;
    auto key = is_hot ? std::string("4711") : "rare-" + std::to_string(random.below(50'000));
    keys.add(hash_of_key(key), key);
  }
  auto hottest = keys.hottest();
  ASSERT_TRUE(hottest);
  EXPECT_EQ(hottest->key, "4711");
  EXPECT_GE(hottest->count, hot);
  EXPECT_LE(hottest->count - hottest->count_error, hot);
}

TEST(HeavyKeysSeen, ANewcomerIsNotTakenForTheHottest) {
  HeavyKeys keys;
  for (int i = 0; i < 10; ++i) keys.add(hash_of_key("true"), "true");
  for (int i = 0; i < 10'000; ++i) {
    auto key = std::to_string(i);
    keys.add(hash_of_key(key), key);
    if (i == 300) EXPECT_EQ(keys.hottest()->key, "true");
  }
}

TEST(HeavyKeysSeen, OfNothingThereIsNone) {
  EXPECT_FALSE(HeavyKeys().hottest());
}

TEST(Skew, SaysThatFewKeysAreMuchLoad) {
  SkewBook book(2);
  for (int i = 0; i < 400; ++i) book.record(kPilot, "4711", true);
  for (int i = 0; i < 600; ++i) book.record(kRest, std::to_string(i % 99), true);
  for (int i = 0; i < 1000; ++i) book.record(kRest, std::to_string(i % 99), false);
  auto report = book.report();
  EXPECT_EQ(report[0].keys, 1u);
  EXPECT_DOUBLE_EQ(report[0].writes_share, 0.4);
  EXPECT_EQ(describe_skew(report[0]),
            "1 % of keys = 40 % of writes, 20 % of requests; hottest key 4711: 20 % of requests");
}

TEST(Skew, WithoutRequestsNothingIsClaimed) {
  SkewBook book(2);
  book.record(kRest, "1", false);
  auto report = book.report();
  EXPECT_EQ(describe_skew(report[0]), "no requests yet");
  EXPECT_EQ(describe_skew(report[1]), "100 % of keys = 100 % of requests; hottest key 1: 100 % of requests");
}

TEST(Skew, AKeyWithoutEndIsCutWhenItIsShown) {
  SkewBook book(1);
  book.record(kPilot, std::string(1'000'000, 'x'), false);
  EXPECT_EQ(book.report()[0].hottest->key.size(), HeavyKeys::kKeyBytesMax);
}

}  // namespace
}  // namespace oxbow
