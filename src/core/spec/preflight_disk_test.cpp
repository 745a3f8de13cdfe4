#include "core/spec/preflight_disk.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace oxbow {
namespace {

using enum PreflightItem::Verdict;
using testing::HasSubstr;

constexpr std::uint64_t kGiB = 1ull << 30;

// 100 GiB to be copied, 10 GiB of log to be kept, and room for both.
struct Scene {
  Spec spec;
  ServerFacts legacy{.host = "old-host", .data_directory = "/data", .wal_disk_free_bytes = 50 * kGiB};
  ServerFacts fresh{.host = "new-host", .data_directory = "/fast", .data_disk_free_bytes = 101 * kGiB};

  Scene() {
    legacy.bytes_in_scope = 100 * kGiB;
    fresh.wal_size_max_bytes = kGiB;
  }
  PreflightItem log() const { return judge_disks(spec, legacy, fresh)[0]; }
  PreflightItem copy() const { return judge_disks(spec, legacy, fresh)[1]; }
};

TEST(PreflightDisk, TheCopyNeedsRoomForTablesIndexesAndLog) {
  Scene scene;
  EXPECT_EQ(scene.copy().verdict, ok);
  scene.fresh.data_disk_free_bytes = 101 * kGiB - 1;
  EXPECT_EQ(scene.copy().verdict, refusal);
  EXPECT_EQ(scene.copy().side, Side::new_side);
  EXPECT_THAT(
      scene.copy().sentence,
      HasSubstr("the disk of /fast has 101.0 GiB free, and the copy needs about 101.0 GiB free (100.0 "
                "GiB of tables and indexes, 1.0 GiB of log by max_wal_size)"));
}

TEST(PreflightDisk, WhatIsCopiedAlreadyNeedsNoRoomAgain) {
  Scene scene;
  scene.fresh.bytes_in_scope = 60 * kGiB;
  scene.fresh.data_disk_free_bytes = 41 * kGiB;
  EXPECT_EQ(scene.copy().verdict, ok);
  scene.fresh.bytes_in_scope = 160 * kGiB;
  scene.fresh.data_disk_free_bytes = kGiB;
  EXPECT_EQ(scene.copy().verdict, ok);
}

TEST(PreflightDisk, RoomThatNobodyKnowsIsUnknownWithTheAmountAndThePlaceToLook) {
  Scene scene;
  scene.fresh.data_disk_free_bytes.reset();
  EXPECT_EQ(scene.copy().verdict, unknown);
  EXPECT_THAT(scene.copy().sentence, HasSubstr("needs about 101.0 GiB free"));
  EXPECT_THAT(scene.copy().sentence, HasSubstr("new-host is not on this machine; look at /fast there"));
  scene.legacy.wal_disk_free_bytes.reset();
  scene.legacy.data_directory.clear();
  scene.legacy.user = "ox";
  EXPECT_EQ(scene.log().verdict, unknown);
  EXPECT_THAT(scene.log().sentence, HasSubstr("old-host may keep 10.0 GiB of log"));
  EXPECT_THAT(scene.log().sentence, HasSubstr("GRANT pg_read_all_settings TO \"ox\";"));
}

TEST(PreflightDisk, TheLogKeptForUsMustNotFillTheDiskBeforeItsBudgetActs) {
  Scene scene;
  EXPECT_EQ(scene.log().verdict, ok);
  scene.legacy.wal_disk_free_bytes = 10 * kGiB - 1;
  EXPECT_EQ(scene.log().verdict, warning);
  EXPECT_EQ(scene.log().remedy, "make room there, or lower limits.retained_wal in the spec");
  scene.legacy.wal_keep_limit_bytes = 5ll << 30;
  EXPECT_EQ(scene.log().verdict, ok) << "the server lets go of it before";
}

TEST(PreflightDisk, ALogWithoutALimitIsAWarning) {
  Scene scene;
  scene.spec.limits.retained_wal_bytes_max = 0;
  EXPECT_EQ(scene.log().verdict, warning);
  scene.legacy.wal_keep_limit_bytes = 5ll << 30;
  EXPECT_EQ(scene.log().verdict, ok);
}

}  // namespace
}  // namespace oxbow
