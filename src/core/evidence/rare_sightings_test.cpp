#include "core/evidence/rare_sightings.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.hpp"

namespace oxbow {
namespace {

TEST(Sightings, AreCountedForEachThing) {
  RareSightings seen;
  Random random(1);
  auto one = random.next(), other = random.next();
  EXPECT_EQ(seen.add(one), 1u);
  EXPECT_EQ(seen.add(one), 2u);
  EXPECT_EQ(seen.add(other), 1u);
  EXPECT_EQ(seen.add(one), 3u);
}

TEST(Sightings, AreNeverTooFewAndHardlyTooManyAmongThousands) {
  RareSightings seen;
  Random random(2);
  auto frequent = random.next();
  std::uint64_t rare_most = 0;
  for (std::uint64_t i = 1; i <= 500; ++i) {
    EXPECT_GE(seen.add(frequent), i);
    for (int k = 0; k < 31; ++k) rare_most = std::max(rare_most, seen.add(random.next()));
  }
  EXPECT_LE(rare_most, 4u);
  EXPECT_LE(seen.add(frequent), 505u);
}

TEST(Sightings, ThatWereMadeElsewhereCountToo) {
  RareSightings seen;
  seen.raise(7, 40);
  EXPECT_EQ(seen.add(7), 41u);
  seen.raise(7, 10);
  EXPECT_EQ(seen.add(7), 42u);
}

TEST(Sightings, FadeByHalf) {
  RareSightings seen;
  seen.fade();
  seen.raise(7, 40);
  seen.fade();
  EXPECT_EQ(seen.add(7), 21u);
}

TEST(Sightings, WithoutEndStayAtTheMost) {
  RareSightings seen;
  seen.raise(7, 1'000'000);
  EXPECT_EQ(seen.add(7), 65'536u);
  EXPECT_EQ(seen.add(7), 65'536u);
}

}  // namespace
}  // namespace oxbow
