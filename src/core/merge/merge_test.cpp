#include <gtest/gtest.h>

#include "core/merge/fence.hpp"
#include "core/merge/fence_book.hpp"
#include "core/merge/key_order.hpp"
#include "core/merge/row_merger.hpp"
#include "model/tuple.hpp"

namespace oxbow {
namespace {

std::string row(std::string_view key, std::optional<std::string_view> value) {
  return make_tuple_bytes(std::vector{Field::value(key), value ? Field::value(*value) : Field::unsent()});
}

Snapshot snapshot(std::string_view text) {
  return *parse_snapshot(text);
}

std::string shown(RowMerger& merger) {
  std::string out;
  for (const auto& merged : merger.take()) {
    constexpr std::string_view marks = "-~+";
    out += marks[static_cast<std::size_t>(merged.op)];
    out += field_at(merged.tuple, 0).bytes;
    auto value = field_at(merged.tuple, 1);
    if (merged.op != RowOp::remove) out += "=" + std::string(value.is_unsent() ? "?" : value.bytes);
    if (merged.copies > 1) out += "x" + std::to_string(merged.copies);
    out += " ";
  }
  return out;
}

constexpr Lsn kLsn(1);

TEST(RowMerger, FoldsAHistoryIntoItsLastState) {
  RowMerger merger({0});
  EXPECT_TRUE(merger.insert(row("a", "1"), kLsn));
  EXPECT_TRUE(merger.update(row("a", "2"), kLsn));
  EXPECT_TRUE(merger.update(row("b", "3"), kLsn));
  EXPECT_TRUE(merger.update(row("b", std::nullopt), kLsn));
  EXPECT_TRUE(merger.remove(row("c", "4"), kLsn, false));
  EXPECT_EQ(shown(merger), "-c ~b=3 +a=2 ");
}

TEST(RowMerger, InsertAndRemoveLeaveNothingToDo) {
  RowMerger merger({0});
  EXPECT_TRUE(merger.insert(row("a", "1"), kLsn));
  EXPECT_TRUE(merger.remove(row("a", "1"), kLsn, false));
  EXPECT_EQ(shown(merger), "");
  EXPECT_TRUE(merger.insert(row("a", "1"), kLsn));
  EXPECT_TRUE(merger.remove(row("a", "1"), kLsn, false));
  EXPECT_TRUE(merger.insert(row("a", "2"), kLsn));
  EXPECT_EQ(shown(merger), "+a=2 ");
}

TEST(RowMerger, RemoveThenInsertOverwritesTheWholeRow) {
  RowMerger merger({0});
  EXPECT_TRUE(merger.update(row("a", "1"), kLsn));
  EXPECT_TRUE(merger.remove(row("a", "1"), kLsn, false));
  EXPECT_TRUE(merger.insert(row("a", "2"), kLsn));
  EXPECT_EQ(shown(merger), "~a=2 ");
}

TEST(RowMerger, ARemoveThatMayMissIsNeverTurnedIntoAnUpdate) {
  RowMerger merger({0});
  EXPECT_TRUE(merger.remove(row("a", "1"), kLsn, true));
  EXPECT_TRUE(merger.insert(row("a", "2"), kLsn));
  EXPECT_TRUE(merger.update(row("a", "3"), kLsn));
  EXPECT_EQ(shown(merger), "-a +a=3 ");
}

TEST(RowMerger, AnUnsentFieldKeepsTheEarlierValue) {
  RowMerger merger({0});
  EXPECT_TRUE(merger.insert(row("a", "large"), kLsn));
  EXPECT_TRUE(merger.update(row("a", std::nullopt), kLsn));
  EXPECT_TRUE(merger.update(row("b", std::nullopt), kLsn));
  EXPECT_EQ(shown(merger), "~b=? +a=large ");
}

TEST(RowMerger, RefusesHistoriesThatNoDatabaseProduces) {
  RowMerger merger({0});
  EXPECT_TRUE(merger.insert(row("a", "1"), kLsn));
  EXPECT_FALSE(merger.insert(row("a", "1"), kLsn));
  EXPECT_TRUE(merger.remove(row("b", "1"), kLsn, false));
  EXPECT_FALSE(merger.update(row("b", "1"), kLsn));
  EXPECT_FALSE(merger.remove(row("b", "1"), kLsn, false));
}

TEST(RowMerger, CountsEqualRowsWithoutAKey) {
  RowMerger merger({});
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(merger.insert(row("a", "1"), kLsn));
  EXPECT_TRUE(merger.remove(row("a", "1"), kLsn, false));
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(merger.remove(row("b", "1"), kLsn, false));
  EXPECT_TRUE(merger.insert(row("c", "1"), kLsn));
  EXPECT_TRUE(merger.remove(row("c", "1"), kLsn, false));
  EXPECT_EQ(shown(merger), "-bx2 +a=1x2 ");
}

TEST(Fence, SkipsWhatTheCopyWillHaveAndHoldsWhatItMayHave) {
  Fence fence;
  EXPECT_EQ(fence.judge(Xid(10), Lsn(1)), Fence::Verdict::skip);
  fence.open();
  EXPECT_EQ(fence.judge(Xid(11), Lsn(2)), Fence::Verdict::hold);
  fence.close(snapshot("11:12:11"), Lsn(5));
  EXPECT_EQ(fence.judge(Xid(10), Lsn(3)), Fence::Verdict::skip);
  EXPECT_EQ(fence.judge(Xid(11), Lsn(4)), Fence::Verdict::apply);
  EXPECT_FALSE(fence.settle(Lsn(4)));
  EXPECT_TRUE(fence.settle(Lsn(5)));
  EXPECT_EQ(fence.judge(Xid(10), Lsn(6)), Fence::Verdict::apply);
}

TEST(Fence, ASnapshotMustSeeWhatWasSkippedEvenIfItsCommitIsAlreadyInTheLog) {
  Fence fence, careless(Protections{.remember_skipped = false});
  for (Fence* each : {&fence, &careless}) {
    EXPECT_EQ(each->judge(Xid(10), Lsn(1)), Fence::Verdict::skip);
    each->open();
  }
  EXPECT_FALSE(fence.admits(snapshot("10:11:10")));
  EXPECT_TRUE(fence.admits(snapshot("11:11:")));
  EXPECT_TRUE(careless.admits(snapshot("10:11:10")));
}

TEST(Fence, HeldTransactionsNeedNotBeSeenUnlessTheRangeIsAbandoned) {
  Fence fence;
  fence.open();
  EXPECT_EQ(fence.judge(Xid(10), Lsn(1)), Fence::Verdict::hold);
  EXPECT_TRUE(fence.admits(snapshot("10:11:10")));
  fence.abandon();
  fence.open();
  EXPECT_FALSE(fence.admits(snapshot("10:11:10")));
}

TEST(Fence, ForgetsSkippedTransactionsOnceASnapshotSawThem) {
  Fence fence;
  for (std::uint64_t xid = 1; xid <= 4; ++xid) fence.judge(Xid(xid), Lsn(xid));
  fence.prove(snapshot("2:9:2"));
  EXPECT_EQ(fence.skipped(), std::vector{Xid(2)});
}

TEST(Fence, ANewerSnapshotSaysNothingAboutAnOlderOneThatArrivesLater) {
  Fence fence;
  fence.judge(Xid(5), kLsn);
  fence.open();
  auto of_this_range = snapshot("5:6:5"), of_another = snapshot("7:7:");
  fence.prove(of_another);
  EXPECT_FALSE(fence.admits(of_this_range));
  EXPECT_TRUE(fence.admits(of_another));
  fence.abandon();
  fence.prove(of_another);
  EXPECT_TRUE(fence.skipped().empty());
}

RangeRecord whole_table(std::uint64_t id, RangePhase phase) {
  return {.id = RangeId(id), .range = {}, .phase = phase};
}

TEST(FenceBook, ACohortHasSettledOnceAllRangesOfItsJobsHave) {
  FenceBook fences({}, {});
  EXPECT_FALSE(fences.has_settled(CohortId(0))) << "nobody copies it";
  fences.add_job(1, {CohortId(0), CohortId(1)}, {whole_table(1, RangePhase::settled)}, {});
  fences.add_job(2, {CohortId(2)}, {whole_table(2, RangePhase::pending)}, {});
  EXPECT_TRUE(fences.has_settled(CohortId(0)));
  EXPECT_TRUE(fences.has_settled(CohortId(1)));
  auto& fence = fences.find(RangeId(2))->fence;
  fence.open();
  fence.close(snapshot("10:10:"), Lsn(5));
  EXPECT_FALSE(fences.has_settled(CohortId(2))) << "the copy may still be undone";
  (void)fences.settle(Lsn(6));
  EXPECT_TRUE(fences.has_settled(CohortId(2)));
  (void)fences.restart(Xid(11));
  EXPECT_FALSE(fences.has_settled(CohortId(0))) << "a truncated table is copied again";
}

TEST(KeyOrder, ComparesAsTheDatabaseDoes) {
  Type int8{.schema = "pg_catalog", .name = "int8"}, text{.schema = "pg_catalog", .name = "text"};
  auto order = KeyOrder::of({{"id", int8, true}, {"code", text, true}});
  ASSERT_TRUE(order);
  auto key = [](std::int64_t id, std::string_view code) {
    std::string bytes;
    append_big_endian(bytes, id);
    return make_tuple_bytes(std::vector{Field::value(bytes), Field::value(code)});
  };
  EXPECT_LT(order->compare(key(-1, "z"), key(1, "a")), 0);
  EXPECT_LT(order->compare(key(1, "Z"), key(1, "a")), 0);
  EXPECT_EQ(order->compare(key(1, "a"), key(1, "a")), 0);
  KeyRange range{{key(1, "b"), {}}, {key(2, ""), {}}};
  EXPECT_FALSE(order->contains(range, key(1, "a")));
  EXPECT_TRUE(order->contains(range, key(1, "b")));
  EXPECT_FALSE(order->contains(range, key(2, "")));
}

TEST(KeyOrder, KnowsNoLocale) {
  Type text{.schema = "pg_catalog", .name = "text"};
  EXPECT_TRUE(KeyOrder::of({{"code", text, true}}));
  EXPECT_FALSE(KeyOrder::of({{"code", text, false}}));
}

}  // namespace
}  // namespace oxbow
