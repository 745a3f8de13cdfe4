#include "core/evidence/route_epoch.hpp"

#include <gtest/gtest.h>

namespace oxbow {
namespace {

using namespace std::chrono_literals;
using Seen = SideVersions::Seen;

TEST(SideVersions, TheFirstIsNoChange) {
  SideVersions versions;
  EXPECT_EQ(versions.see("1", Instant(1s)), Seen::present);
  EXPECT_EQ(versions.see("1", Instant(2s)), Seen::present);
  EXPECT_EQ(versions.present(), "1");
}

TEST(SideVersions, ANewOneIsAChangeOnce) {
  SideVersions versions;
  versions.see("1", Instant(1s));
  EXPECT_EQ(versions.see("2", Instant(2s)), Seen::changed);
  EXPECT_EQ(versions.see("2", Instant(3s)), Seen::present);
}

TEST(SideVersions, WhileADeploymentRollsOnTheOldOneIsAnEarlierOne) {
  SideVersions versions;
  versions.see("1", Instant(1s));
  versions.see("2", Instant(2s));
  for (auto at = 3s; at < 300s; at += 1s) {
    EXPECT_EQ(versions.see("1", Instant(at)), Seen::earlier);
    EXPECT_EQ(versions.see("2", Instant(at)), Seen::present);
  }
  EXPECT_EQ(versions.see("3", Instant(300s)), Seen::changed);
  EXPECT_EQ(versions.see("1", Instant(300s)), Seen::earlier);
  EXPECT_EQ(versions.see("2", Instant(300s)), Seen::earlier);
}

TEST(SideVersions, ADeploymentThatWasTakenBackIsAChange) {
  SideVersions versions;
  versions.see("1", Instant(1s));
  versions.see("2", Instant(2s));
  EXPECT_EQ(versions.see("1", Instant(61s)), Seen::earlier);
  EXPECT_EQ(versions.see("1", Instant(62s)), Seen::changed);
  EXPECT_EQ(versions.see("1", Instant(63s)), Seen::present);
  EXPECT_EQ(versions.see("2", Instant(64s)), Seen::earlier);
}

TEST(SideVersions, AnAnswerThatNamesNoneCountsAsThePresentOne) {
  SideVersions versions;
  versions.see("1", Instant(1s));
  EXPECT_EQ(versions.see("", Instant(2s)), Seen::present);
  EXPECT_EQ(versions.present(), "1");
}

TEST(SideVersions, OneThatChangesWithEachAnswerIsBounded) {
  SideVersions versions;
  for (int i = 0; i < 100; ++i) versions.see(std::string(1000, 'x') + std::to_string(i), Instant(1s));
  EXPECT_EQ(versions.present().size(), SideVersions::kVersionBytesMax);
  for (int i = 0; i < 100; ++i) versions.see(std::to_string(i), Instant(2s));
  EXPECT_EQ(versions.see("98", Instant(3s)), Seen::earlier);
  EXPECT_EQ(versions.see("1", Instant(3s)), Seen::changed) << "it was forgotten";
}

}  // namespace
}  // namespace oxbow
