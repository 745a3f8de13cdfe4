#include "flow/apply/applier.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "flow/backfill/range_copy.hpp"
#include "support/one_table.hpp"

namespace oxbow {
namespace {

using test::key_of;
using test::kTableRelation;
using test::old_key_of;
using test::row_of;

class ApplierTest : public testing::Test {
 protected:
  ApplierTest() { restart({}); }

  void restart(StreamPosition position) {
    applier.emplace(std::vector{MirroredTable{&mapping, &cohorts, false}}, ApplyLimits{}, Protections{},
                    "oxbow:payments:");
    applier->restore(position, {});
    EXPECT_TRUE(applier->on_event(test::one_table_relation(), {}));
  }

  void add_range(RangePhase phase) {
    applier->fences(0).add_job(0, {CohortId(0)}, {{.id = applier->next_range_id(), .phase = phase}}, {});
  }

  void transaction(std::uint32_t xid, std::vector<LogEvent> changes) {
    Lsn commit(100 * xid), end(100 * xid + 10);
    EXPECT_TRUE(applier->on_event(Begin{commit, {}, xid}, {}));
    for (const auto& change : changes) EXPECT_TRUE(applier->on_event(change, {}));
    EXPECT_TRUE(applier->on_event(Commit{commit, end, {}}, {}));
  }

  // "+1=10 ~2=20 -3": what would be written, in order.
  std::string written(const std::vector<WriteStep>& steps) {
    std::string out;
    for (const auto& step : steps) {
      if (auto* write = std::get_if<RowWrite>(&step)) {
        for (std::size_t i = 0; i < write->batch.rows; ++i) {
          auto tuple = std::string_view(write->batch.tuples).substr(write->batch.offsets[i]);
          out += "-~+"[static_cast<int>(write->batch.op)];
          out += std::to_string(read_big_endian<std::int64_t>(field_at(tuple, 0).bytes.data()));
          if (write->batch.op != RowOp::remove)
            out += "=" + std::to_string(read_big_endian<std::int64_t>(field_at(tuple, 1).bytes.data()));
          out += " ";
        }
      }
      if (std::holds_alternative<TruncateWrite>(step)) out += "truncate ";
      if (auto* record = std::get_if<RangeRecord>(&step))
        out += record->range.is_point() ? "point " : "range ";
      if (auto* record = std::get_if<QuarantineRecord>(&step)) out += "quarantine(" + record->key + ") ";
      if (auto* release = std::get_if<QuarantineRelease>(&step))
        out += release->key_tuple.empty() ? "release all " : "release ";
    }
    return out;
  }

  std::string commit() {
    auto steps = written(applier->take_steps());
    applier->group_committed();
    return steps;
  }

  TableMapping mapping = test::one_table_mapping();
  CohortTable cohorts = test::one_cohort();
  std::optional<Applier> applier;
};

TEST_F(ApplierTest, WritesWhatFollowsASettledRangeRemovesFirstInsertsLast) {
  add_range(RangePhase::settled);
  transaction(5, {Insert{kTableRelation, row_of(1, 10, "a")}, Update{kTableRelation, {}, row_of(2, 20, "b")},
                  Delete{kTableRelation, old_key_of(3)}});
  EXPECT_EQ(commit(), "-3 ~2=20 +1=10 ");
  EXPECT_EQ(applier->position().lsn, Lsn(510));
}

TEST_F(ApplierTest, AChangeOfKeyIsARemoveAndAnInsert) {
  add_range(RangePhase::settled);
  transaction(5, {Update{kTableRelation, old_key_of(1), row_of(2, 20, "b")}});
  EXPECT_EQ(commit(), "-1 +2=20 ");
}

TEST_F(ApplierTest, ANewKeyWhoseLargeValueIsNotInTheLogIsReadAgain) {
  add_range(RangePhase::settled);
  transaction(5, {Update{kTableRelation, old_key_of(1), row_of(2, 20, std::nullopt)}});
  transaction(6, {Update{kTableRelation, {}, row_of(2, 21, std::nullopt)}});
  EXPECT_EQ(commit(), "point -1 ");
}

TEST_F(ApplierTest, WhatTheTargetAlreadyHasIsNotAppliedAgain) {
  restart({Lsn(510), {}});
  add_range(RangePhase::settled);
  transaction(5, {Insert{kTableRelation, row_of(1, 10, "a")}});
  EXPECT_FALSE(applier->group_is_open());
  transaction(6, {Insert{kTableRelation, row_of(2, 20, "a")}});
  EXPECT_EQ(commit(), "+2=20 ");
}

// Else what was brought to one side would come back to the other for ever.
TEST_F(ApplierTest, WhatOurOwnStreamBackHasWrittenIsPassedOverAndTheStreamMovesOn) {
  add_range(RangePhase::settled);
  transaction(5, {Origin{"oxbow:payments:back:0"}, Insert{kTableRelation, row_of(1, 10, "a")},
                  Truncate{.relations = {kTableRelation}}});
  EXPECT_EQ(commit(), "");
  EXPECT_EQ(applier->position().lsn, Lsn(510));
  transaction(6, {Origin{"another:subscription"}, Insert{kTableRelation, row_of(2, 20, "a")}});
  EXPECT_EQ(commit(), "+2=20 ");
}

TEST_F(ApplierTest, WhoWritesACohortThatIsAtHomeElsewhereIsTold) {
  applier->look_for_strays([](std::uint32_t, CohortId) { return true; });
  transaction(5, {Origin{"oxbow:payments:back:0"}, Insert{kTableRelation, row_of(1, 10, "ours")}});
  transaction(6, {Update{kTableRelation, {}, row_of(2, 20, "b")}, Delete{kTableRelation, old_key_of(3)}});
  EXPECT_EQ(commit(), "");
  auto strays = applier->take_strays();
  ASSERT_EQ(strays.rows.size(), 2u) << "what our other stream has written is no stray";
  EXPECT_EQ(strays.rows[0].key, "key=2");
  EXPECT_EQ(strays.rows[0].commit_lsn, Lsn(600));
  EXPECT_EQ(strays.rows[1].key, "key=3");
  EXPECT_TRUE(applier->take_strays().rows.empty());
}

TEST_F(ApplierTest, WhatIsFollowedIsNoStray) {
  add_range(RangePhase::settled);
  applier->look_for_strays([](std::uint32_t, CohortId) { return true; });
  transaction(5, {Insert{kTableRelation, row_of(1, 10, "a")}});
  EXPECT_TRUE(applier->take_strays().rows.empty());
}

TEST_F(ApplierTest, OfManyStraysTheFirstAreNamedAndTheOthersCounted) {
  applier->look_for_strays([](std::uint32_t, CohortId) { return true; });
  std::vector<LogEvent> rows;
  for (int i = 0; i < 130; ++i) rows.push_back(Insert{kTableRelation, row_of(i, 1, "a")});
  transaction(5, rows);
  auto strays = applier->take_strays();
  EXPECT_EQ(strays.rows.size(), 100u);
  EXPECT_EQ(strays.more, 30u);
}

TEST_F(ApplierTest, AnEchoInPartsIsOneToItsLastPart) {
  add_range(RangePhase::settled);
  EXPECT_TRUE(applier->on_event(Begin{Lsn(400), {}, 5, true}, {}));
  EXPECT_TRUE(applier->on_event(Origin{"oxbow:payments:back:0"}, {}));
  EXPECT_TRUE(applier->on_event(Insert{kTableRelation, row_of(1, 10, "a")}, {}));
  EXPECT_TRUE(applier->on_event(PartEnd{}, {}));
  EXPECT_TRUE(applier->on_event(NextPart{5}, {}));
  EXPECT_TRUE(applier->on_event(Insert{kTableRelation, row_of(2, 10, "a")}, {}));
  EXPECT_TRUE(applier->on_event(Commit{Lsn(500), Lsn(510), {}}, {}));
  EXPECT_EQ(commit(), "");
}

TEST_F(ApplierTest, ATransactionInPartsAndThoseBetweenItAreOneGroup) {
  add_range(RangePhase::settled);
  EXPECT_TRUE(applier->on_event(Begin{Lsn(400), {}, 5, true}, {}));
  EXPECT_TRUE(applier->on_event(Insert{kTableRelation, row_of(1, 10, "a")}, {}));
  EXPECT_TRUE(applier->on_event(PartEnd{}, {}));
  transaction(6, {Insert{kTableRelation, row_of(2, 20, "b")}});
  EXPECT_FALSE(applier->between_transactions());
  EXPECT_FALSE(applier->group_is_due(Instant(std::chrono::hours(1)), true));
  EXPECT_FALSE(applier->confirmable());
  EXPECT_TRUE(applier->on_event(NextPart{5}, {}));
  EXPECT_TRUE(applier->on_event(Update{kTableRelation, {}, row_of(2, 21, "b")}, {}));
  EXPECT_TRUE(applier->on_event(PartEnd{}, {}));
  EXPECT_TRUE(applier->on_event(Commit{Lsn(900), Lsn(910), {}, 5}, {}));
  EXPECT_TRUE(applier->group_is_due({}, true));
  EXPECT_TRUE(applier->group_came_in_parts());
  EXPECT_EQ(commit(), "+1=10 +2=21 ");
  EXPECT_EQ(applier->position(), (StreamPosition{Lsn(910), {Xid(6), Xid(5)}}));
  EXPECT_FALSE(applier->group_came_in_parts());
}

TEST_F(ApplierTest, AFenceJudgesATransactionInPartsByItsId) {
  add_range(RangePhase::pending);
  RangeCopy copy(*applier, 0, RangeId(1));
  copy.start();
  EXPECT_TRUE(applier->on_event(Begin{Lsn(400), {}, 5, true}, {}));
  EXPECT_TRUE(applier->on_event(Insert{kTableRelation, row_of(1, 10, "a")}, {}));
  EXPECT_TRUE(applier->on_event(PartEnd{}, {}));
  transaction(6, {Insert{kTableRelation, row_of(2, 20, "b")}});
  EXPECT_TRUE(applier->on_event(Commit{Lsn(900), Lsn(910), {}, 5}, {}));
  EXPECT_EQ(commit(), "");
  EXPECT_EQ(copy.snapshot_taken(*parse_snapshot("6:7:6"), Lsn(1000)), RangeCopy::Next::copy_rows);
  EXPECT_EQ(copy.rows_copied(1), RangeCopy::Next::close_at_rest);
  EXPECT_EQ(copy.close(), RangeCopy::Next::write_and_commit);
  EXPECT_EQ(written(copy.take_steps()), "+2=20 range ");
}

TEST_F(ApplierTest, ALogThatPausesOrResumesWhatItDidNotBeginContradictsItself) {
  add_range(RangePhase::settled);
  EXPECT_FALSE(applier->on_event(PartEnd{}, {}));
  EXPECT_FALSE(applier->on_event(NextPart{5}, {}));
  EXPECT_FALSE(applier->on_event(Commit{Lsn(900), Lsn(910), {}, 5}, {}));
  EXPECT_TRUE(applier->on_event(Begin{Lsn(100), {}, 5}, {}));
  EXPECT_FALSE(applier->on_event(PartEnd{}, {}));
}

TEST_F(ApplierTest, ATransactionSkippedWhilePendingIsRememberedForTheNextRun) {
  add_range(RangePhase::pending);
  transaction(5, {Insert{kTableRelation, row_of(1, 10, "a")}});
  EXPECT_EQ(commit(), "");
  EXPECT_EQ(applier->position().unproven, std::vector{Xid(5)});
  applier->prove(*parse_snapshot("6:6:"));
  EXPECT_TRUE(applier->position().unproven.empty());
}

TEST_F(ApplierTest, HeldChangesThatTheSnapshotDoesNotSeeGoIntoTheCopysTransaction) {
  add_range(RangePhase::pending);
  RangeCopy copy(*applier, 0, RangeId(1));
  copy.start();
  transaction(5, {Insert{kTableRelation, row_of(1, 10, "a")}});
  transaction(6, {Insert{kTableRelation, row_of(2, 20, "a")}});
  EXPECT_EQ(commit(), "");
  EXPECT_EQ(copy.snapshot_taken(*parse_snapshot("6:7:6"), Lsn(700)), RangeCopy::Next::copy_rows);
  EXPECT_EQ(copy.rows_copied(1), RangeCopy::Next::close_at_rest);
  EXPECT_EQ(copy.close(), RangeCopy::Next::write_and_commit);
  EXPECT_EQ(written(copy.take_steps()), "+2=20 range ");
}

TEST_F(ApplierTest, ARangeThatHoldsTooMuchIsCopiedAgain) {
  ApplyLimits limits;
  limits.held_bytes_max = 1;
  applier.emplace(std::vector{MirroredTable{&mapping, &cohorts, false}}, limits);
  EXPECT_TRUE(applier->on_event(test::one_table_relation(), {}));
  add_range(RangePhase::pending);
  RangeCopy copy(*applier, 0, RangeId(1));
  copy.start();
  transaction(5, {Insert{kTableRelation, row_of(1, 10, "a")}});
  EXPECT_TRUE(copy.is_abandoned());
}

TEST_F(ApplierTest, RowsBetweenTruncatesOfOneTransactionAreWrittenInBatches) {
  ApplyLimits limits;
  limits.batch_rows_max = 3;
  applier.emplace(std::vector{MirroredTable{&mapping, &cohorts, false}}, limits);
  EXPECT_TRUE(applier->on_event(test::one_table_relation(), {}));
  add_range(RangePhase::settled);
  EXPECT_TRUE(applier->on_event(Begin{Lsn(500), {}, 5}, {}));
  for (int key = 1; key <= 3; ++key) {
    EXPECT_FALSE(applier->wants_write());
    EXPECT_TRUE(applier->on_event(Insert{kTableRelation, row_of(key, 10 * key, "a")}, {}));
    EXPECT_TRUE(applier->on_event(Truncate{.relations = {kTableRelation}}, {}));
  }
  EXPECT_TRUE(applier->wants_write());
  EXPECT_EQ(written(applier->take_steps()), "+1=10 truncate +2=20 truncate +3=30 truncate ");
  EXPECT_FALSE(applier->wants_write());
}

TEST_F(ApplierTest, TruncateDuringTheBackfillStartsItOver) {
  add_range(RangePhase::pending);
  RangeCopy copy(*applier, 0, RangeId(1));
  copy.start();
  transaction(5, {Truncate{.relations = {kTableRelation}}});
  EXPECT_EQ(commit(), "range truncate ");
  EXPECT_TRUE(copy.is_abandoned());
}

TEST_F(ApplierTest, LaterChangesOfAQuarantinedKeyWaitBehindIt) {
  add_range(RangePhase::settled);
  transaction(5, {Insert{kTableRelation, row_of(1, 10, "a")}, Insert{kTableRelation, row_of(2, 20, "a")}});
  auto steps = applier->take_steps();
  auto record =
      applier->quarantine(std::get<RowWrite>(steps.front()), 0, {ErrorCode::row_rejected, "too long"});
  EXPECT_EQ(record.key, "key=1");
  EXPECT_EQ(record.reason, "too long");
  applier->group_committed();
  transaction(
      6, {Update{kTableRelation, {}, row_of(1, 11, "a")}, Update{kTableRelation, {}, row_of(2, 21, "a")}});
  EXPECT_EQ(commit(), "quarantine(key=1) ~2=21 ");
}

// --- rows that leave quarantine
// ------------------------------------------------------------------------------------------

// One settled table in which key 1 waits in quarantine.
class QuarantineTest : public ApplierTest {
 protected:
  QuarantineTest() {
    add_range(RangePhase::settled);
    transaction(5, {Insert{kTableRelation, row_of(1, 10, "a")}});
    auto steps = applier->take_steps();
    applier->quarantine(std::get<RowWrite>(steps.front()), 0, {ErrorCode::row_rejected, "too long"});
    applier->group_committed();
  }

  // The copy that a retry asks for, with its row read under this snapshot.
  RangeCopy copied(std::string_view snapshot, Lsn snapshot_at) {
    EXPECT_TRUE(applier->retry(0, key_of(1)));
    RangeCopy copy(*applier, 0, applier->fences(0).find_point(key_of(1))->record.id);
    copy.start();
    EXPECT_EQ(copy.snapshot_taken(*parse_snapshot(snapshot), snapshot_at), RangeCopy::Next::copy_rows);
    copy.rows_copied(1);
    return copy;
  }

  bool waits() const { return applier->quarantined(0).contains(key_of(1)); }
};

TEST_F(QuarantineTest, ARetriedKeyLeavesItInTheTransactionThatBringsItsRow) {
  auto copy = copied("6:6:", Lsn(600));
  EXPECT_TRUE(waits());
  EXPECT_EQ(copy.close(), RangeCopy::Next::write_and_commit);
  EXPECT_EQ(written(copy.take_steps()), "release point ");
  EXPECT_FALSE(waits());
  transaction(6, {Update{kTableRelation, {}, row_of(1, 11, "a")}});
  EXPECT_EQ(commit(), "~1=11 ");
}

TEST_F(QuarantineTest, ARetriedKeyIsReadUnderASnapshotThatSeesWhatWaitedInQuarantine) {
  transaction(6, {Update{kTableRelation, {}, row_of(1, 11, "a")}});
  EXPECT_EQ(commit(), "quarantine(key=1) ");
  EXPECT_TRUE(applier->on_event(Begin{Lsn(700), {}, 7}, {}));
  EXPECT_TRUE(applier->on_event(Update{kTableRelation, {}, row_of(1, 12, "a")}, {}));
  ASSERT_TRUE(applier->retry(0, key_of(1)));
  const auto& fence = applier->fences(0).find_point(key_of(1))->fence;
  EXPECT_FALSE(fence.admits(*parse_snapshot("6:8:6"))) << "its commit is in the log and not visible yet";
  EXPECT_FALSE(fence.admits(*parse_snapshot("7:8:7"))) << "the transaction under way was half passed over";
  EXPECT_TRUE(fence.admits(*parse_snapshot("8:8:")));
}

TEST_F(QuarantineTest, AChangeBetweenTheReadOfARetriedKeyAndItsReleaseIsAppliedWithIt) {
  auto copy = copied("6:6:", Lsn(600));
  transaction(6, {Update{kTableRelation, {}, row_of(1, 11, "a")}});
  EXPECT_EQ(commit(), "");
  EXPECT_EQ(copy.close(), RangeCopy::Next::write_and_commit);
  EXPECT_EQ(written(copy.take_steps()), "release ~1=11 point ");
}

TEST_F(QuarantineTest, ARetriedKeyThatIsRefusedOnceMoreStays) {
  auto copy = copied("6:6:", Lsn(600));
  copy.row_rejected(row_of(1, 10, "a"), "still too long");
  EXPECT_EQ(copy.close(), RangeCopy::Next::write_and_commit);
  EXPECT_EQ(written(copy.take_steps()), "quarantine(key=1) point ");
  EXPECT_TRUE(waits());
}

TEST_F(QuarantineTest, AReleaseThatCouldNotBeWrittenIsUndone) {
  auto copy = copied("6:6:", Lsn(600));
  EXPECT_EQ(copy.close(), RangeCopy::Next::write_and_commit);
  copy.take_steps();
  copy.reopen();
  EXPECT_TRUE(waits());
  EXPECT_NE(applier->fences(0).find_point(key_of(1)), nullptr);
}

TEST_F(QuarantineTest, ARetryWaitsUntilTheRestOfItsTableIsSettled) {
  applier->fences(0).add_job(1, {CohortId(0)}, {{.id = applier->next_range_id(), .job = 1}}, {});
  ASSERT_TRUE(applier->retry(0, key_of(1)));
  auto* next = applier->fences(0).next_pending();
  ASSERT_NE(next, nullptr);
  EXPECT_FALSE(next->record.range.is_point());
}

TEST_F(QuarantineTest, ADeleteOnTheSourceReleasesItsKeyBecauseNothingIsLeftToRefuse) {
  transaction(6, {Delete{kTableRelation, old_key_of(1)}, Insert{kTableRelation, row_of(1, 20, "b")}});
  EXPECT_EQ(commit(), "release -1 +1=20 ");
  EXPECT_FALSE(waits());
}

TEST_F(QuarantineTest, ATruncateReleasesEveryKeyOfItsTable) {
  transaction(6, {Truncate{.relations = {kTableRelation}}, Insert{kTableRelation, row_of(1, 20, "b")}});
  EXPECT_EQ(commit(), "truncate release all +1=20 ");
  EXPECT_FALSE(waits());
}

TEST_F(QuarantineTest, ACrashForgetsARetryAndNothingElse) {
  ASSERT_TRUE(applier->retry(0, key_of(1)));
  auto position = applier->position();
  applier.emplace(std::vector{MirroredTable{&mapping, &cohorts, false}}, ApplyLimits{});
  applier->restore(position, {{.table = 0, .key = "key=1", .key_tuple = key_of(1)}});
  EXPECT_TRUE(applier->on_event(test::one_table_relation(), {}));
  add_range(RangePhase::settled);
  EXPECT_TRUE(waits());
  transaction(6, {Update{kTableRelation, {}, row_of(1, 11, "a")}});
  EXPECT_EQ(commit(), "quarantine(key=1) ");
}

TEST_F(ApplierTest, AKeyThatIsReadAgainDoesNotFollowItsRowIntoACohortThatNobodyMirrors) {
  add_range(RangePhase::settled);
  transaction(5, {Update{kTableRelation, old_key_of(1), row_of(2, 20, std::nullopt)}});
  commit();
  int asked = 0;
  auto count = [&](FenceBook::Range*) { ++asked; };
  applier->fences(0).for_each(key_of(2), CohortId(1), count);
  EXPECT_EQ(asked, 0);
  applier->fences(0).for_each(key_of(2), CohortId(0), count);
  EXPECT_EQ(asked, 1);
}

// The log has changes of the table from when its rows did not fit the mapping.
class MisfitTest : public ApplierTest {
 protected:
  // A relation of the table whose column `name` is called `as` or has another type.
  Relation with(std::string_view name, std::string as, std::uint32_t type = 0) {
    auto relation = test::one_table_relation();
    auto column = std::ranges::find(relation.columns, name, &Relation::Column::name);
    if (type != 0) column->type_oid = type;
    column->name = std::move(as);
    return relation;
  }

  Status change(std::uint32_t xid, const LogEvent& change) {
    EXPECT_TRUE(applier->on_event(Begin{Lsn(100 * xid), {}, xid}, {}));
    auto fed = applier->on_event(change, {});
    if (fed) EXPECT_TRUE(applier->on_event(Commit{Lsn(100 * xid), Lsn(100 * xid + 10), {}}, {}));
    return fed;
  }

  void stops(const Status& fed, std::string_view word) {
    ASSERT_FALSE(fed);
    EXPECT_EQ(fed.error().code, ErrorCode::schema_drift);
    EXPECT_NE(fed.error().detail.find(word), std::string::npos) << fed.error().detail;
  }

  FenceBook::Range& range() { return *applier->fences(0).find(RangeId(1)); }
};

TEST_F(MisfitTest, AColumnThatTheSpecDoesNotKnowStopsTheStreamByNameOnceARowOfItMustBeApplied) {
  add_range(RangePhase::settled);
  auto relation = test::one_table_relation();
  relation.columns.push_back({"surprise", 25, -1, false});
  EXPECT_TRUE(applier->on_event(relation, {}));
  stops(change(5, Delete{kTableRelation, old_key_of(3)}), "surprise");
}

TEST_F(MisfitTest, AColumnOfAnotherTypeThanTheMappingKnowsStopsTheStreamAtItsFirstRow) {
  add_range(RangePhase::settled);
  EXPECT_TRUE(applier->on_event(with("value", "value", 1700), {}));
  stops(change(5, Insert{kTableRelation, row_of(1, 10, "a")}), "value");
}

TEST_F(MisfitTest, RowsThatLackAColumnDoNotMatterWhereNobodyFollowsThem) {
  EXPECT_TRUE(applier->on_event(with("value", "amount"), {}));
  EXPECT_TRUE(change(5, Insert{kTableRelation, row_of(1, 10, "a")}));
  EXPECT_TRUE(change(6, Update{kTableRelation, old_key_of(1), row_of(2, 10, "a")}));
  EXPECT_TRUE(change(7, Delete{kTableRelation, old_key_of(2)}));
  EXPECT_EQ(commit(), "");
  EXPECT_EQ(applier->position().lsn, Lsn(710));
}

TEST_F(MisfitTest, RowsThatLackAColumnArePassedOverWhileTheirRangeIsPendingAndTheCopyMustSeeThem) {
  add_range(RangePhase::pending);
  EXPECT_TRUE(applier->on_event(with("value", "amount"), {}));
  EXPECT_TRUE(change(5, Insert{kTableRelation, row_of(1, 10, "a")}));
  EXPECT_EQ(commit(), "");
  EXPECT_FALSE(range().fence.admits(Snapshot{Xid(5), Xid(5), {}}));
  EXPECT_TRUE(range().fence.admits(Snapshot{Xid(6), Xid(6), {}}));
}

TEST_F(MisfitTest, ARowThatLacksAColumnBesideACopyUnderWayMakesThatBeginAgain) {
  add_range(RangePhase::pending);
  RangeCopy copy(*applier, 0, RangeId(1));
  copy.start();
  EXPECT_EQ(copy.snapshot_taken(Snapshot{Xid(5), Xid(5), {}}, Lsn(490)), RangeCopy::Next::copy_rows);
  EXPECT_TRUE(applier->on_event(with("value", "amount"), {}));
  EXPECT_TRUE(change(5, Insert{kTableRelation, row_of(1, 10, "a")}));
  EXPECT_EQ(commit(), "");
  EXPECT_TRUE(copy.is_abandoned());
  EXPECT_FALSE(range().fence.admits(Snapshot{Xid(5), Xid(5), {}}));
}

TEST_F(MisfitTest, RowsThatLackAColumnArePassedOverWhereTheCopySawThemAndNoFurther) {
  applier->fences(0).add_job(0, {CohortId(0)},
                             {{.id = applier->next_range_id(),
                               .phase = RangePhase::copied,
                               .snapshot = Snapshot{Xid(6), Xid(6), {}},
                               .settled_at = Lsn(550)}},
                             {});
  EXPECT_TRUE(applier->on_event(with("value", "amount"), {}));
  EXPECT_TRUE(change(5, Insert{kTableRelation, row_of(1, 10, "a")}));
  stops(change(6, Insert{kTableRelation, row_of(2, 10, "a")}), "value");
}

TEST_F(MisfitTest, ARowWhoseKeyIsNotThereMayBeInAnyRange) {
  applier->fences(0).add_job(
      0, {CohortId(0)},
      {{.id = applier->next_range_id(), .range = {{}, {key_of(100), {"100"}}}},
       {.id = applier->next_range_id(), .range = {{key_of(100), {"100"}}, {}}, .phase = RangePhase::pending}},
      {});
  EXPECT_TRUE(applier->on_event(with("key", "number"), {}));
  EXPECT_TRUE(change(5, Insert{kTableRelation, row_of(1, 10, "a")}));
  for (auto id : {RangeId(1), RangeId(2)})
    EXPECT_FALSE(applier->fences(0).find(id)->fence.admits(Snapshot{Xid(5), Xid(5), {}})) << id.value();
  applier->fences(0).add_job(1, {CohortId(1)},
                             {{.id = applier->next_range_id(), .phase = RangePhase::settled}}, {});
  EXPECT_TRUE(change(6, Insert{kTableRelation, row_of(1, 10, "a")})) << "all rows are of cohort 0";
  applier->fences(0).add_job(2, {CohortId(0)},
                             {{.id = applier->next_range_id(), .phase = RangePhase::settled}}, {});
  stops(change(7, Insert{kTableRelation, row_of(1, 10, "a")}), "key");
}

TEST_F(MisfitTest, RowsThatLackAColumnAreOfNoCohortThatIsToldByIt) {
  cohorts.by_bucket.back() = CohortId(1);
  EXPECT_TRUE(applier->on_event(with("key", "number"), {}));
  EXPECT_TRUE(change(5, Delete{kTableRelation, old_key_of(3)}));
  add_range(RangePhase::settled);
  stops(change(6, Delete{kTableRelation, old_key_of(3)}), "key");
}

TEST_F(MisfitTest, ATableThatHadAnotherNameForAWhileStopsTheStreamOnlyWhereItsRowsMustBeApplied) {
  applier.emplace(std::vector{MirroredTable{&mapping, &cohorts, false, 1, kTableRelation}}, ApplyLimits{});
  applier->restore({}, {});
  auto renamed = test::one_table_relation();
  renamed.name.name = "renamed";
  EXPECT_TRUE(applier->on_event(renamed, {}));
  EXPECT_TRUE(change(5, Insert{kTableRelation, row_of(1, 10, "a")}));
  add_range(RangePhase::settled);
  stops(change(6, Insert{kTableRelation, row_of(2, 10, "a")}), "public.renamed");
}

TEST_F(ApplierTest, ChangesUnderANameThatTheSpecDoesNotKnowStopTheStream) {
  auto renamed = test::one_table_relation();
  renamed.id = RelationId(7);
  renamed.name = {"public", "renamed"};
  EXPECT_TRUE(applier->on_event(renamed, {})) << "partitions are announced, too";
  EXPECT_TRUE(applier->on_event(Begin{Lsn(500), {}, 5}, {}));
  auto fed = applier->on_event(Insert{RelationId(7), row_of(1, 10, "a")}, {});
  ASSERT_FALSE(fed);
  EXPECT_EQ(fed.error().code, ErrorCode::schema_drift);
  EXPECT_NE(fed.error().detail.find("public.renamed"), std::string::npos);
}

TEST_F(ApplierTest, MarkersAreReachedAtTheEndOfTheirTransaction) {
  EXPECT_TRUE(applier->on_event(Begin{Lsn(500), {}, 5}, {}));
  EXPECT_TRUE(applier->on_event(Message{Lsn(450), true, "oxbow", "m1"}, {}));
  EXPECT_TRUE(applier->on_event(Message{Lsn(451), true, "somebody", "m2"}, {}));
  EXPECT_FALSE(applier->has_markers());
  EXPECT_TRUE(applier->on_event(Commit{Lsn(500), Lsn(510), {}}, {}));
  EXPECT_TRUE(applier->group_is_due({}, false));
  EXPECT_EQ(applier->take_markers(), std::vector<std::string>{"m1"});
}

// --- rows that exclude each other
// ------------------------------------------------------------------------------------

class UniqueValuesTest : public ApplierTest {
 protected:
  UniqueValuesTest() {
    mapping = test::one_table_mapping(true);
    restart({});
  }

  // A copy that has read its rows under a snapshot taken at this position, which sees everything below xid 7.
  RangeCopy copied(Lsn snapshot_at) {
    RangeCopy copy(*applier, 0, RangeId(1));
    copy.start();
    copy.snapshot_taken(*parse_snapshot("7:7:"), snapshot_at);
    copy.rows_copied(1);
    return copy;
  }
};

TEST_F(UniqueValuesTest, ACopyWaitsUntilTheStreamHasPassedItsSnapshot) {
  add_range(RangePhase::pending);
  auto copy = copied(Lsn(710));
  transaction(6, {});
  commit();
  EXPECT_EQ(copy.close(), RangeCopy::Next::close_later);
  transaction(7, {Update{kTableRelation, {}, row_of(1, 11, "a")}});
  commit();
  EXPECT_EQ(copy.close(), RangeCopy::Next::write_and_commit);
  EXPECT_EQ(written(copy.take_steps()), "~1=11 range ");
}

TEST_F(UniqueValuesTest, WithoutThatProtectionACopyIsAheadOfTheRowsAroundIt) {
  applier.emplace(std::vector{MirroredTable{&mapping, &cohorts, false}}, ApplyLimits{},
                  Protections{.close_behind_snapshot = false});
  add_range(RangePhase::pending);
  EXPECT_EQ(copied(Lsn(710)).close(), RangeCopy::Next::write_and_commit);
}

TEST_F(UniqueValuesTest, ACloseThatCouldNotBeWrittenIsUndone) {
  add_range(RangePhase::pending);
  auto copy = copied(Lsn(700));
  copy.row_rejected(row_of(3, 30, "a"), "the table refuses it");
  transaction(7, {Insert{kTableRelation, row_of(1, 10, "a")},
                  Update{kTableRelation, old_key_of(1), row_of(2, 20, std::nullopt)}});
  commit();
  EXPECT_EQ(copy.close(), RangeCopy::Next::write_and_commit);
  EXPECT_EQ(written(copy.take_steps()), "quarantine(key=3) point range ");
  copy.reopen();

  EXPECT_TRUE(copy.is_abandoned());
  EXPECT_EQ(applier->fences(0).find_point(key_of(2)), nullptr);
  EXPECT_EQ(applier->counters().quarantined, 0u);
  auto* range = applier->fences(0).next_pending();
  ASSERT_NE(range, nullptr);
  EXPECT_FALSE(range->fence.admits(*parse_snapshot("7:7:"))) << "what was held has to be seen now";
  EXPECT_TRUE(range->fence.admits(*parse_snapshot("8:8:")));
}

TEST_F(UniqueValuesTest, ARangeThatMetOthersInItsPlaceComesWhenTheRestIsSettled) {
  applier->fences(0).add_job(0, {CohortId(0)},
                             {{.id = applier->next_range_id()},
                              {.id = applier->next_range_id(), .range = {{key_of(50), {"50"}}, {}}}},
                             {});
  auto copy = copied(Lsn(0));
  copy.close();
  copy.reopen_after_others();
  auto* next = applier->fences(0).next_pending();
  ASSERT_NE(next, nullptr);
  EXPECT_EQ(next->record.id, RangeId(2));
  next->fence.open();
  EXPECT_EQ(applier->fences(0).next_pending(), nullptr);
  next->fence.close({}, Lsn(0));
  next->fence.settle(Lsn(0));
  next = applier->fences(0).next_pending();
  ASSERT_NE(next, nullptr);
  EXPECT_EQ(next->record.id, RangeId(1));
}

TEST_F(UniqueValuesTest, ARowThatAnUnsettledRangeExcludesIsReadAgainLater) {
  applier->fences(0).add_job(
      0, {CohortId(0)},
      {{.id = applier->next_range_id(), .phase = RangePhase::settled},
       {.id = applier->next_range_id(), .range = {{key_of(50), {"50"}}, {}}, .phase = RangePhase::pending}},
      {});
  transaction(5, {Insert{kTableRelation, row_of(1, 10, "a")}});
  auto steps = applier->take_steps();
  EXPECT_EQ(written(applier->read_again_later(std::get<RowWrite>(steps.front()), 0)), "-1 point ");
  applier->group_committed();
  auto* point = applier->fences(0).find_point(key_of(1));
  ASSERT_NE(point, nullptr);
  EXPECT_TRUE(point->after_others);
  EXPECT_FALSE(point->fence.admits(*parse_snapshot("5:6:5")));
}

TEST_F(UniqueValuesTest, ARowThatIsExcludedForGoodIsNotReadAgain) {
  add_range(RangePhase::settled);
  transaction(5, {Insert{kTableRelation, row_of(1, 10, "a")}});
  auto steps = applier->take_steps();
  EXPECT_TRUE(applier->read_again_later(std::get<RowWrite>(steps.front()), 0).empty());
}

// --- found by the simulation
// -----------------------------------------------------------------------------------------

TEST_F(ApplierTest, AnAbandonedCopyDoesNotTakeTheOneInItsPlaceForItsOwn) {
  add_range(RangePhase::pending);
  RangeCopy first(*applier, 0, RangeId(1)), second(*applier, 0, RangeId(1));
  first.start();
  first.failed();
  second.start();
  EXPECT_TRUE(first.is_abandoned());
  EXPECT_FALSE(second.is_abandoned());
}

TEST_F(ApplierTest, HeldChangesBehindOneThatIsReadAgainWaitForThatToo) {
  add_range(RangePhase::pending);
  RangeCopy copy(*applier, 0, RangeId(1));
  copy.start();
  transaction(5, {Update{kTableRelation, old_key_of(1), row_of(2, 20, std::nullopt)}});
  transaction(6, {Update{kTableRelation, {}, row_of(2, 21, "b")}});
  EXPECT_EQ(commit(), "");
  copy.snapshot_taken(*parse_snapshot("5:7:5,6"), Lsn(700));
  copy.rows_copied(1);
  EXPECT_EQ(copy.close(), RangeCopy::Next::write_and_commit);
  EXPECT_EQ(written(copy.take_steps()), "point -1 range ");
}

TEST_F(ApplierTest, TruncateTakesPointsAwayBecauseTheirRangeReadsThemToo) {
  add_range(RangePhase::settled);
  transaction(5, {Update{kTableRelation, old_key_of(1), row_of(2, 20, std::nullopt)}});
  EXPECT_EQ(commit(), "point -1 ");
  transaction(6, {Truncate{.relations = {kTableRelation}}});
  EXPECT_EQ(commit(), "point range truncate ");
  EXPECT_EQ(applier->fences(0).find_point(key_of(2)), nullptr);
}

TEST_F(ApplierTest, APointWhoseHeldChangeMustBeReadAgainItselfTakesAnotherSnapshot) {
  add_range(RangePhase::settled);
  transaction(5, {Update{kTableRelation, old_key_of(1), row_of(2, 20, std::nullopt)}});
  commit();
  RangeCopy copy(*applier, 0, RangeId(2));
  copy.start();
  transaction(7, {Update{kTableRelation, old_key_of(3), row_of(2, 30, std::nullopt)}});
  commit();
  copy.snapshot_taken(*parse_snapshot("7:8:7"), Lsn(800));
  copy.rows_copied(1);
  EXPECT_EQ(copy.close(), RangeCopy::Next::roll_back);
}

}  // namespace
}  // namespace oxbow
