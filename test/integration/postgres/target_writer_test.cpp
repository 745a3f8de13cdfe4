#include "adapters/postgres/target_writer.hpp"

#include <fmt/core.h>

#include "adapters/postgres/schema.hpp"
#include "integration/postgres/fixture.hpp"
#include "model/tuple.hpp"

namespace oxbow::postgres {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class TargetWriterTest : public DatabaseTest {
 protected:
  TargetWriterTest() {
    must(install_schema(*other_, "shop", Role::target));
    sql("SELECT pg_replication_origin_create(o) FROM unnest(ARRAY['oxbow:shop:fwd:0', 'oxbow:shop:fwd:1']) o "
        "WHERE NOT EXISTS (SELECT FROM pg_replication_origin WHERE roname = o)");
  }

  TargetTable user_table() {
    sql("CREATE TABLE public.users (id int PRIMARY KEY, email text UNIQUE, age int, extra text DEFAULT "
        "'kept')");
    return {.name = {"public", "users"},
            .columns = {{.name = "id", .sql_type = "integer", .in_key = true},
                        {.name = "email", .sql_type = "text"},
                        {.name = "age", .sql_type = "integer"}}};
  }

  static std::string user(int id, std::optional<std::string> email, std::optional<int> age) {
    return tuple({int4(id), std::move(email), age ? std::optional(int4(*age)) : std::nullopt});
  }

  BatchOutcome apply(const RowBatch& batch) { return must(writer_.apply(batch)); }

  void commit() { must(writer_.commit(std::nullopt)); }

  std::vector<std::string> users() { return sql("SELECT id, email, age FROM public.users ORDER BY id"); }

  PgTargetWriter writer_{settings(), "shop", 0};
};

TEST_F(TargetWriterTest, InsertsUpdatesAndRemovesByKey) {
  auto table = user_table();
  must(writer_.begin());
  EXPECT_EQ(apply(batch(table, RowOp::insert, {user(1, "a", 10), user(2, "b", {}), user(3, {}, 30)})).matched,
            3u);
  commit();
  must(writer_.begin());
  EXPECT_EQ(apply(batch(table, RowOp::remove, {user(2, {}, {})})).matched, 1u);
  EXPECT_EQ(apply(batch(table, RowOp::update, {user(1, "a2", 11), user(3, "c2", {})})).matched, 2u);
  commit();
  EXPECT_THAT(users(), ElementsAre("1|a2|11", "3|c2|NULL"));
}

TEST_F(TargetWriterTest, NothingIsThereBeforeCommitAndAfterRollback) {
  auto table = user_table();
  must(writer_.begin());
  apply(batch(table, RowOp::insert, {user(1, "a", 1)}));
  EXPECT_THAT(users(), IsEmpty());
  must(writer_.rollback());
  EXPECT_THAT(users(), IsEmpty());
  must(writer_.begin());
  apply(batch(table, RowOp::insert, {user(1, "a", 1)}));
  commit();
  EXPECT_THAT(users(), ElementsAre("1|a|1"));
}

TEST_F(TargetWriterTest, ColumnsThatWereNotSentKeepTheirValues) {
  auto table = user_table();
  sql("INSERT INTO public.users VALUES (1, 'a', 10), (2, 'b', 20)");
  auto update = batch(table, RowOp::update, {user(1, {}, 11), user(2, {}, {})});
  update.sent = {true, false, true};
  must(writer_.begin());
  EXPECT_EQ(apply(update).matched, 2u);
  commit();
  EXPECT_THAT(users(), ElementsAre("1|a|11", "2|b|NULL"));
}

TEST_F(TargetWriterTest, UniqueValuesCanChangePlacesAmongBatchesAppliedTogether) {
  auto table = user_table();
  sql("INSERT INTO public.users VALUES (1, 'a', 10, 'one'), (2, 'b', 20, 'two'), (3, 'c', 30, 'three')");
  auto some = batch(table, RowOp::update, {user(1, "b", {}), user(2, "c", {})});
  some.sent = {true, true, false};
  auto all = batch(table, RowOp::update, {user(3, "a", 33)});
  must(writer_.begin());
  EXPECT_EQ(sqlstate_of(run(writer_.apply(some)).error()), "23505");
  auto outcomes = must(writer_.apply_together({&some, &all}));
  EXPECT_EQ(outcomes[0].matched, 2u);
  EXPECT_EQ(outcomes[1].matched, 1u);
  commit();
  EXPECT_THAT(sql("SELECT * FROM public.users ORDER BY id"),
              ElementsAre("1|b|10|one", "2|c|20|two", "3|a|33|three"));
}

TEST_F(TargetWriterTest, ARowThatClashesWithAnOutsiderIsLeftOutTogetherWithWhoNeededItsPlace) {
  auto table = user_table();
  sql("INSERT INTO public.users VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3), (4, 'd', 4), (9, 'taken', 9)");
  // 1 wants what 9 keeps, 2 wants what 1 would have left; 3 and 4 change places.
  auto update = batch(table, RowOp::update,
                      {user(1, "taken", 11), user(2, "a", 12), user(3, "d", 13), user(4, "c", 14)});
  must(writer_.begin());
  auto outcomes = must(writer_.apply_together({&update}));
  EXPECT_EQ(outcomes[0].matched, 2u);
  EXPECT_THAT(outcomes[0].clashing, ElementsAre(0, 1));
  EXPECT_THAT(outcomes[0].missing, IsEmpty());
  commit();
  EXPECT_THAT(users(), ElementsAre("1|a|1", "2|b|2", "3|d|13", "4|c|14", "9|taken|9"));
}

TEST_F(TargetWriterTest, ReportsRowsThatWereMissing) {
  auto table = user_table();
  sql("INSERT INTO public.users VALUES (2, 'b', 20)");
  std::vector<std::string> rows = {user(1, "a", 1), user(2, "bb", 2), user(3, "c", 3)};
  must(writer_.begin());
  auto updated = apply(batch(table, RowOp::update, rows));
  EXPECT_EQ(updated.matched, 1u);
  EXPECT_THAT(updated.missing, ElementsAre(0, 2));
  auto removed = apply(batch(table, RowOp::remove, rows));
  EXPECT_EQ(removed.matched, 1u);
  EXPECT_THAT(removed.missing, ElementsAre(0, 2));
  commit();
  EXPECT_THAT(users(), IsEmpty());
}

TEST_F(TargetWriterTest, ReportsMissingRowsOfASwapToo) {
  auto table = user_table();
  sql("INSERT INTO public.users VALUES (1, 'a', 10), (3, 'c', 30)");
  must(writer_.begin());
  auto update = batch(table, RowOp::update, {user(1, "c", 1), user(2, "b", 2), user(3, "a", 3)});
  auto outcomes = must(writer_.apply_together({&update}));
  EXPECT_EQ(outcomes[0].matched, 2u);
  EXPECT_THAT(outcomes[0].missing, ElementsAre(1));
  commit();
  EXPECT_THAT(users(), ElementsAre("1|c|1", "3|a|3"));
}

// Both sides may have given out one key, each for a cohort that is at home there.
TEST_F(TargetWriterTest, RowsThatAreSparedAreNotTouchedAndCountAsMissing) {
  auto table = user_table();
  sql("INSERT INTO public.users VALUES (1, 'theirs', 10), (2, 'ours', 20), (3, NULL, 30)");
  auto spared = std::make_shared<const CohortFilter>(
      CohortFilter{{.key_column = "email",
                    .salt = {},
                    .named_keys = {{"theirs", CohortId(1)}},
                    .by_bucket = std::vector<CohortId>(kBucketCount, CohortId(0))},
                   {CohortId(1)}});
  auto change = [&](RowOp op, int age) {
    auto made = batch(table, op, {user(1, "a", age), user(2, "b", age), user(3, "c", age)});
    made.spared = spared;
    return made;
  };
  must(writer_.begin());
  EXPECT_THAT(apply(change(RowOp::update, 1)).missing, ElementsAre(0));
  auto together = change(RowOp::update, 2);
  EXPECT_THAT(must(writer_.apply_together({&together}))[0].missing, ElementsAre(0));
  commit();
  EXPECT_THAT(users(), ElementsAre("1|theirs|10", "2|b|2", "3|c|2"));
  must(writer_.begin());
  EXPECT_THAT(apply(change(RowOp::remove, 3)).missing, ElementsAre(0));
  commit();
  EXPECT_THAT(users(), ElementsAre("1|theirs|10"));
}

TEST_F(TargetWriterTest, ARejectedBatchLeavesNothingAndTheTransactionGoesOn) {
  auto table = user_table();
  sql("INSERT INTO public.users VALUES (7, 'taken', 70)");
  must(writer_.begin());
  apply(batch(table, RowOp::insert, {user(1, "a", 1)}));
  auto rejected = run(writer_.apply(batch(table, RowOp::insert, {user(2, "b", 2), user(3, "taken", 3)})));
  ASSERT_FALSE(rejected);
  EXPECT_EQ(rejected.error().code, ErrorCode::row_rejected);
  EXPECT_EQ(sqlstate_of(rejected.error()), "23505");
  EXPECT_THAT(rejected.error().detail, HasSubstr("(email)=(taken)"));
  auto collides = run(writer_.apply(batch(table, RowOp::update, {user(1, "taken", 1)})));
  ASSERT_FALSE(collides);
  EXPECT_EQ(sqlstate_of(collides.error()), "23505");
  apply(batch(table, RowOp::insert, {user(4, "d", 4)}));
  commit();
  EXPECT_THAT(users(), ElementsAre("1|a|1", "4|d|4", "7|taken|70"));
}

TEST_F(TargetWriterTest, WithoutAKeyRemovesAsManyEqualRowsAsAsked) {
  sql("CREATE TABLE public.notes (a int, place point, doc json, x xml);"
      "INSERT INTO public.notes SELECT 1, '(1,2)', '{\"k\": 1}', '<a/>' FROM generate_series(1, 3);"
      "INSERT INTO public.notes VALUES (2, NULL, NULL, NULL), (2, NULL, NULL, NULL)");
  TargetTable table{.name = {"public", "notes"},
                    .columns = {{.name = "a", .sql_type = "integer"},
                                {.name = "place", .sql_type = "point"},
                                {.name = "doc", .sql_type = "json"},
                                {.name = "x", .sql_type = "xml"}},
                    .has_key = false};
  std::string point;
  for (double part : {1.0, 2.0}) append_big_endian(point, std::bit_cast<std::uint64_t>(part));
  auto full = tuple({int4(1), point, "{\"k\": 1}", "<a/>"});
  auto empty = tuple({int4(2), {}, {}, {}});
  must(writer_.begin());
  auto outcome = apply(batch(table, RowOp::remove, {full, empty, full, tuple({int4(9), {}, {}, {}})}));
  EXPECT_EQ(outcome.matched, 3u);
  EXPECT_THAT(outcome.missing, ElementsAre(3));
  apply(batch(table, RowOp::insert, {empty, empty}));
  commit();
  EXPECT_THAT(sql("SELECT a, count(*) FROM public.notes GROUP BY a ORDER BY a"), ElementsAre("1|1", "2|3"));
}

TEST_F(TargetWriterTest, ColumnsCanBeComputedFromStagedValues) {
  sql("CREATE TABLE public.p (id int PRIMARY KEY, label text, total numeric)");
  TargetTable table{.name = {"public", "p"},
                    .columns = {{.name = "id", .sql_type = "integer", .in_key = true},
                                {.name = "label", .sql_type = "text", .sql = "upper(s.\"raw\")"},
                                {.name = "total", .sql_type = "numeric"}},
                    .staged_only = {{.name = "raw", .sql_type = "text"}}};
  std::string numeric_one("\0\1\0\0\0\0\0\0\0\1", 10);
  auto row = [&](int id, const std::string& raw) { return tuple({int4(id), {}, numeric_one, raw}); };
  must(writer_.begin());
  apply(batch(table, RowOp::insert, {row(1, "abc")}));
  apply(batch(table, RowOp::update, {row(1, "xyz")}));
  must(writer_.copy_begin(table));
  must(writer_.copy_rows({row(2, "two") + row(3, "three"), 2}));
  EXPECT_EQ(must(writer_.copy_end()), 2u);
  commit();
  EXPECT_THAT(sql("SELECT * FROM public.p ORDER BY id"), ElementsAre("1|XYZ|1", "2|TWO|1", "3|THREE|1"));
}

TEST_F(TargetWriterTest, WritesIdentityColumnsThatAreAlwaysGenerated) {
  sql("CREATE TABLE public.t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, b int, g int GENERATED ALWAYS "
      "AS (b * 2) STORED);"
      "CREATE TABLE public.u (id int PRIMARY KEY, n int GENERATED ALWAYS AS IDENTITY, g int GENERATED ALWAYS "
      "AS (n * 2) STORED)");
  TargetTable t{.name = {"public", "t"},
                .columns = {{.name = "id", .sql_type = "integer", .in_key = true, .identity_always = true},
                            {.name = "b", .sql_type = "integer"}}};
  TargetTable u{.id = 1,
                .name = {"public", "u"},
                .columns = {{.name = "id", .sql_type = "integer", .in_key = true},
                            {.name = "n", .sql_type = "integer", .identity_always = true}}};
  must(writer_.begin());
  apply(batch(t, RowOp::insert, {tuple({int4(100), int4(1)})}));
  apply(batch(t, RowOp::update, {tuple({int4(100), int4(2)})}));
  apply(batch(u, RowOp::insert, {tuple({int4(1), int4(50)})}));
  apply(batch(u, RowOp::update, {tuple({int4(1), int4(60)})}));
  must(writer_.copy_begin(t));
  must(writer_.copy_rows({tuple({int4(101), int4(3)}), 1}));
  must(writer_.copy_end());
  commit();
  EXPECT_THAT(sql("SELECT * FROM public.t ORDER BY id"), ElementsAre("100|2|4", "101|3|6"));
  EXPECT_THAT(sql("SELECT * FROM public.u"), ElementsAre("1|60|120"));
}

TEST_F(TargetWriterTest, CopiesStraightIntoTheTable) {
  auto table = user_table();
  must(writer_.begin());
  must(writer_.copy_begin(table));
  must(writer_.copy_rows({user(1, "a", 1) + user(2, "b", 2), 2}));
  must(writer_.copy_rows({user(3, "c", 3), 1}));
  EXPECT_EQ(must(writer_.copy_end()), 3u);
  commit();
  EXPECT_THAT(users(), ElementsAre("1|a|1", "2|b|2", "3|c|3"));
}

TEST_F(TargetWriterTest, ACopyCanBeGivenUp) {
  auto table = user_table();
  must(writer_.begin());
  must(writer_.copy_begin(table));
  must(writer_.copy_rows({user(1, "a", 1), 1}));
  must(writer_.rollback());
  must(writer_.begin());
  apply(batch(table, RowOp::insert, {user(1, "again", 1)}));
  commit();
  EXPECT_THAT(users(), ElementsAre("1|again|1"));
}

TEST_F(TargetWriterTest, ARefusedRowOfACopyIsNamed) {
  auto table = user_table();
  must(writer_.begin());
  must(writer_.copy_begin(table));
  must(writer_.copy_rows({user(1, "a", 1) + user(1, "b", 2), 2}));
  auto ended = run(writer_.copy_end());
  EXPECT_EQ(ended.error().code, ErrorCode::row_rejected);
  EXPECT_THAT(ended.error().detail, HasSubstr("(id)=(1)"));
  must(writer_.rollback());
  EXPECT_THAT(users(), IsEmpty());
}

TEST_F(TargetWriterTest, CarriesArraysOfEnumerations) {
  sql("CREATE TYPE public.mood AS ENUM ('sad', 'ok', 'happy'); CREATE TABLE public.t (id int PRIMARY KEY, m "
      "public.mood[])");
  TargetTable table{.name = {"public", "t"},
                    .columns = {{.name = "id", .sql_type = "integer", .in_key = true},
                                {.name = "m", .sql_type = "public.mood[]"}}};
  auto binary =
      must(other_->exec_params("SELECT '{happy,NULL,sad}'::public.mood[]", {}, Format::binary)).text(0, 0);
  must(writer_.begin());
  apply(batch(table, RowOp::insert, {tuple({int4(1), {}})}));
  apply(batch(table, RowOp::update, {tuple({int4(1), binary})}));
  commit();
  EXPECT_EQ(sql_value("SELECT m FROM public.t"), "{happy,NULL,sad}");
}

TEST_F(TargetWriterTest, CarriesRowsOf40Megabytes) {
  auto table = user_table();
  sql("ALTER TABLE public.users DROP CONSTRAINT users_email_key");
  std::string large(40 << 20, 'x');
  must(writer_.begin());
  apply(batch(table, RowOp::insert, {user(1, large, 1), user(2, "small", 2)}));
  apply(batch(table, RowOp::update, {user(1, large + "y", 1), user(2, large, 2)}));
  must(writer_.copy_begin(table));
  must(writer_.copy_rows({user(3, large, 3), 1}));
  must(writer_.copy_end());
  commit();
  EXPECT_THAT(sql("SELECT id, length(email) FROM public.users ORDER BY id"),
              ElementsAre("1|41943041", "2|41943040", "3|41943040"));
}

TEST_F(TargetWriterTest, CarriesTablesOf1600Columns) {
  TargetTable table{.name = {"public", "wide"}};
  std::string columns;
  std::vector<std::optional<std::string>> values;
  for (int i = 0; i < 1600; ++i) {
    auto name = fmt::format("c{}", i);
    columns += fmt::format("{}{} int2{}", i ? ", " : "", name, i ? "" : " PRIMARY KEY");
    table.columns.push_back({.name = name, .sql_type = "smallint", .in_key = i == 0});
    std::string value;
    append_big_endian(value, static_cast<std::int16_t>(i));
    values.emplace_back(value);
  }
  sql("CREATE TABLE public.wide (" + columns + ")");
  must(writer_.begin());
  apply(batch(table, RowOp::insert, {tuple(values)}));
  values[1599] = values[7];
  EXPECT_EQ(apply(batch(table, RowOp::update, {tuple(values)})).matched, 1u);
  commit();
  EXPECT_EQ(sql_value("SELECT c0, c1, c1598, c1599 FROM public.wide"), "0|1|1598|7");
  must(writer_.begin());
  EXPECT_EQ(apply(batch(table, RowOp::remove, {tuple(values)})).matched, 1u);
  commit();
}

TEST_F(TargetWriterTest, LargeBatchesTravelInPieces) {
  auto table = user_table();
  std::vector<std::string> rows;
  for (int i = 0; i < 40; ++i) rows.push_back(user(i, std::string(1 << 20, 'a') + std::to_string(i), i));
  sql("ALTER TABLE public.users DROP CONSTRAINT users_email_key");
  must(writer_.begin());
  EXPECT_EQ(apply(batch(table, RowOp::insert, rows)).matched, 40u);
  sql("SELECT 1");
  commit();
  sql("DELETE FROM public.users WHERE id IN (3, 39)");
  must(writer_.begin());
  EXPECT_THAT(apply(batch(table, RowOp::update, rows)).missing, ElementsAre(3, 39));
  EXPECT_THAT(apply(batch(table, RowOp::remove, rows)).missing, ElementsAre(3, 39));
  commit();
}

TEST_F(TargetWriterTest, TruncatesAlsoWhatForeignKeysPointAt) {
  auto table = user_table();
  sql("INSERT INTO public.users VALUES (1, 'a', 1); CREATE TABLE public.orders (u int REFERENCES "
      "public.users)");
  must(writer_.begin());
  must(writer_.truncate(table, false, Xid(7)));
  apply(batch(table, RowOp::insert, {user(2, "b", 2)}));
  commit();
  EXPECT_THAT(users(), ElementsAre("2|b|2"));
}

TEST_F(TargetWriterTest, BesideACopyATableIsEmptiedWithoutALockThatTheCopyWouldHoldUp) {
  auto table = user_table();
  sql("INSERT INTO public.users VALUES (1, 'a', 1)");
  PgTargetWriter copier(settings(), "shop", 1);
  must(copier.begin());
  must(copier.apply(batch(table, RowOp::insert, {user(2, "b", 2)})));
  must(writer_.begin());
  must(writer_.truncate(table, true, Xid(7)));
  commit();
  EXPECT_THAT(users(), IsEmpty());
  must(copier.rollback());
}

// --- the stage
// ------------------------------------------------------------------------------------------------------

class StageTest : public TargetWriterTest {
 protected:
  // Fills the stage with these rows and places them over the ids [lower, upper).
  std::vector<UnplacedRow> place(const TargetTable& table, const std::vector<std::string>& rows, int lower,
                                 int upper) {
    must(writer_.begin());
    const auto* stage = must(writer_.stage(table));
    RowChunk chunk;
    for (const auto& row : rows) chunk.bytes += row;
    chunk.rows = rows.size();
    must(writer_.copy_begin(*stage));
    must(writer_.copy_rows(chunk));
    must(writer_.copy_end());
    auto placed = run(writer_.place(table, ids(lower, upper)));
    if (placed) return commit(), std::vector<UnplacedRow>();
    EXPECT_EQ(placed.error().code, ErrorCode::row_rejected);
    auto unplaced = must(writer_.find_unplaced(table, ids(lower, upper)));
    must(writer_.rollback());
    return unplaced;
  }

  static RangeRead ids(int lower, int upper) {
    Type int4_type{.oid = 23, .schema = "pg_catalog", .name = "int4", .sql = "integer"};
    KeyRange range{{tuple({int4(lower)}), {std::to_string(lower)}},
                   {tuple({int4(upper)}), {std::to_string(upper)}}};
    return {.table = {"public", "users"}, .select = {}, .key = {{"id", int4_type}}, .range = range};
  }

  std::vector<std::string> versions() { return sql("SELECT id, xmin FROM public.users ORDER BY id"); }
};

TEST_F(StageTest, AnEmptyPlaceReceivesTheRowsAsTheyAre) {
  auto table = user_table();
  EXPECT_THAT(place(table, {user(1, "a", 1), user(2, {}, {})}, 0, 10), IsEmpty());
  EXPECT_THAT(sql("SELECT * FROM public.users ORDER BY id"), ElementsAre("1|a|1|kept", "2|NULL|NULL|kept"));
}

TEST_F(StageTest, OnlyWhatDiffersIsWritten) {
  auto table = user_table();
  sql("INSERT INTO public.users VALUES (1, 'a', 1, 'mine'), (2, 'b', 2, 'mine'), (3, 'c', 3, 'mine'), "
      "(70, 'z', 7, 'mine')");
  auto before = versions();
  EXPECT_THAT(place(table, {user(1, "a", 1), user(2, "b", 22), user(4, "d", 4)}, 0, 10), IsEmpty());
  EXPECT_THAT(sql("SELECT * FROM public.users ORDER BY id"),
              ElementsAre("1|a|1|mine", "2|b|22|mine", "4|d|4|kept", "70|z|7|mine"));
  auto after = versions();
  EXPECT_EQ(after.front(), before.front());
  EXPECT_EQ(after.back(), before.back());
}

TEST_F(StageTest, UniqueValuesMayChangeHandsWithinTheRange) {
  auto table = user_table();
  sql("INSERT INTO public.users VALUES (1, 'a', 1), (2, 'b', 2), (3, 'c', 3)");
  EXPECT_THAT(place(table, {user(1, "b", 1), user(2, "a", 2), user(5, "c", 5)}, 0, 10), IsEmpty());
  EXPECT_THAT(users(), ElementsAre("1|b|1", "2|a|2", "5|c|5"));
}

TEST_F(StageTest, RowsThatTheTableRefusesAreNamedByTheirKeysWithTheReason) {
  auto table = user_table();
  sql("INSERT INTO public.users VALUES (70, 'taken', 7); ALTER TABLE public.users ADD CHECK (age < 100)");
  auto unplaced = place(table, {user(1, "a", 1), user(2, "taken", 2), user(3, "c", 3)}, 0, 10);
  ASSERT_EQ(unplaced.size(), 1u);
  EXPECT_EQ(unplaced[0].identity, tuple({int4(2)}));
  EXPECT_THAT(unplaced[0].reason, HasSubstr("users_email_key"));
  EXPECT_THAT(users(), ElementsAre("70|taken|7"));
}

TEST_F(StageTest, ConstraintsOfOneRowHoldInTheStageAlready) {
  auto table = user_table();
  sql("ALTER TABLE public.users ADD CHECK (age < 100), ADD CHECK (extra <> 'bad'), ALTER email SET NOT NULL");
  must(writer_.begin());
  const auto* stage = must(writer_.stage(table));
  for (const auto& row : {user(1, "a", 100), user(2, {}, 2)}) {
    auto applied = run(writer_.apply(batch(*stage, RowOp::insert, {row})));
    ASSERT_FALSE(applied);
    EXPECT_EQ(applied.error().code, ErrorCode::row_rejected);
  }
  EXPECT_EQ(apply(batch(*stage, RowOp::insert, {user(3, "c", 3)})).matched, 1u);
  must(writer_.rollback());
}

TEST_F(StageTest, ChangesOfTheLogReachRowsInTheStage) {
  auto table = user_table();
  must(writer_.begin());
  const auto* stage = must(writer_.stage(table));
  apply(batch(*stage, RowOp::insert, {user(1, "a", 1), user(2, "b", 2), user(3, "c", 3)}));
  auto change = batch(*stage, RowOp::update, {user(1, "changed", {})});
  change.sent = {true, true, false};
  EXPECT_EQ(apply(change).matched, 1u);
  EXPECT_EQ(apply(batch(*stage, RowOp::remove, {user(2, {}, {})})).matched, 1u);
  must(writer_.place(table, ids(0, 10)));
  commit();
  EXPECT_THAT(users(), ElementsAre("1|changed|1", "3|c|3"));
  EXPECT_THAT(place(table, {user(3, "c", 3)}, 2, 10), IsEmpty()) << "the stage is empty again";
  EXPECT_THAT(users(), ElementsAre("1|changed|1", "3|c|3"));
}

TEST_F(StageTest, WithoutAKeyEqualRowsArePairedByNumber) {
  sql("CREATE TABLE public.lines (word text, n int); INSERT INTO public.lines VALUES ('a', 1), ('a', 1), "
      "('a', 1), "
      "('b', 2)");
  TargetTable table{.name = {"public", "lines"},
                    .columns = {{.name = "word", .sql_type = "text"}, {.name = "n", .sql_type = "integer"}},
                    .has_key = false};
  must(writer_.begin());
  const auto* stage = must(writer_.stage(table));
  apply(batch(*stage, RowOp::insert,
              {tuple({"a", int4(1)}), tuple({"a", int4(1)}), tuple({"c", int4(3)}), tuple({"c", int4(3)})}));
  must(writer_.place(table, {.table = table.name}));
  commit();
  EXPECT_THAT(sql("SELECT * FROM public.lines ORDER BY 1"), ElementsAre("a|1", "a|1", "c|3", "c|3"));
}

TEST_F(StageTest, GeneratedAndIdentityColumnsStandNotInTheWay) {
  sql("CREATE TABLE public.users (id int PRIMARY KEY, email text UNIQUE, age int, "
      "twice int GENERATED ALWAYS AS (age * 2) STORED NOT NULL, number int GENERATED ALWAYS AS IDENTITY, "
      "CHECK (twice < 100))");
  TargetTable table{.name = {"public", "users"},
                    .columns = {{.name = "id", .sql_type = "integer", .in_key = true},
                                {.name = "email", .sql_type = "text"},
                                {.name = "age", .sql_type = "integer"}}};
  EXPECT_THAT(place(table, {user(1, "a", 10), user(2, "b", 60)}, 0, 10).size(), 1u);
  EXPECT_THAT(place(table, {user(1, "a", 10)}, 0, 10), IsEmpty());
  auto number = sql_value("SELECT number FROM public.users");
  EXPECT_THAT(place(table, {user(1, "a", 11)}, 0, 10), IsEmpty());
  EXPECT_THAT(sql("SELECT * FROM public.users"), ElementsAre("1|a|11|22|" + number));
}

TEST_F(TargetWriterTest, TriggersAndForeignKeysOfTheTargetDoNotAct) {
  auto table = user_table();
  sql("CREATE TABLE public.parents (id int PRIMARY KEY); ALTER TABLE public.users ADD FOREIGN KEY (age) "
      "REFERENCES public.parents");
  must(writer_.begin());
  apply(batch(table, RowOp::insert, {user(1, "a", 404)}));
  commit();
  EXPECT_THAT(users(), ElementsAre("1|a|404"));
}

TEST_F(TargetWriterTest, PositionRangesAndQuarantineAreCommittedWithTheRows) {
  auto table = user_table();
  StreamPosition position{Lsn(0x1234), {Xid(5), Xid(70'000'000'000)}};
  RangeRecord range{.id = RangeId(7),
                    .table = 3,
                    .job = 2,
                    .range = {{tuple({int4(1)}), {"1"}}, {}},
                    .phase = RangePhase::copied,
                    .snapshot = parse_snapshot("10:20:10,14").value(),
                    .rows = 9};
  QuarantineRecord record{.table = 3,
                          .key = "id=4",
                          .key_tuple = tuple({int4(4)}),
                          .reason = "no \"such\" thing",
                          .sqlstate = "23514",
                          .row = user(4, {}, {}),
                          .op = RowOp::update,
                          .lsn = Lsn(99)};
  must(writer_.begin());
  apply(batch(table, RowOp::insert, {user(1, "a", 1)}));
  must(writer_.save_range(range));
  must(writer_.quarantine(record));
  must(writer_.rollback());
  EXPECT_EQ(must(load_position(*other_, "shop")), std::nullopt);
  EXPECT_THAT(must(load_ranges(*other_, "shop")), IsEmpty());
  range.cohorts = {CohortId(2), CohortId(4)};
  must(writer_.begin());
  must(writer_.save_range(range));
  range.phase = RangePhase::settled;
  range.settled_at = Lsn(0x5678);
  must(writer_.save_range(range));
  must(writer_.quarantine(record));
  must(writer_.commit(position));
  EXPECT_EQ(must(load_position(*other_, "shop")), position);
  EXPECT_EQ(must(load_position(*other_, "another")), std::nullopt);
  auto ranges = must(load_ranges(*other_, "shop"));
  ASSERT_EQ(ranges.size(), 1u);
  EXPECT_EQ(ranges[0].id, RangeId(7));
  EXPECT_EQ(ranges[0].range, range.range);
  EXPECT_EQ(ranges[0].cohorts, range.cohorts);
  EXPECT_EQ(ranges[0].phase, RangePhase::settled);
  EXPECT_EQ(ranges[0].snapshot, range.snapshot);
  EXPECT_EQ(ranges[0].settled_at, Lsn(0x5678));
  auto held = must(load_quarantine(*other_, "shop"));
  ASSERT_EQ(held.size(), 1u);
  EXPECT_EQ(held[0].row, record.row);
  EXPECT_EQ(held[0].key_tuple, record.key_tuple);
  EXPECT_EQ(held[0].op, RowOp::update);
  EXPECT_EQ(held[0].reason, record.reason);
}

TEST_F(TargetWriterTest, AKeyThatIsReleasedTakesAllOfItsRecordsAlongAndNoOthers) {
  auto record_of = [&](std::uint32_t table, std::int32_t key) {
    return QuarantineRecord{.table = table, .key = "id", .key_tuple = tuple({int4(key)})};
  };
  must(writer_.begin());
  for (const auto& record :
       {record_of(1, 4), record_of(1, 4), record_of(1, 5), record_of(2, 4), record_of(2, 6)})
    must(writer_.quarantine(record));
  must(writer_.release({.table = 1, .key_tuple = tuple({int4(4)})}));
  must(writer_.commit(std::nullopt));
  EXPECT_EQ(must(load_quarantine(*other_, "shop")).size(), 3u);
  must(writer_.begin());
  must(writer_.release({.table = 2}));
  must(writer_.commit(std::nullopt));
  auto left = must(load_quarantine(*other_, "shop"));
  ASSERT_EQ(left.size(), 1u);
  EXPECT_EQ(left[0].table, 1u);
  EXPECT_EQ(left[0].key_tuple, tuple({int4(5)}));
}

TEST_F(TargetWriterTest, EveryTransactionCarriesItsOrigin) {
  auto table = user_table();
  sql("SELECT pg_create_logical_replication_slot('origins', 'test_decoding')");
  must(writer_.begin());
  apply(batch(table, RowOp::insert, {user(1, "copied", 1)}));
  must(writer_.commit(std::nullopt));
  must(writer_.begin());
  apply(batch(table, RowOp::insert, {user(2, "followed", 2)}));
  must(writer_.commit(StreamPosition{Lsn(0xffff77), {}}));
  sql("INSERT INTO public.users VALUES (3, 'foreign', 3)");
  auto local =
      sql("SELECT data FROM pg_logical_slot_get_changes('origins', NULL, NULL, 'only-local', 'true') "
          "WHERE data LIKE 'table public.users%'");
  sql("SELECT pg_drop_replication_slot('origins')");
  ASSERT_EQ(local.size(), 1u);
  EXPECT_THAT(local[0], HasSubstr("'foreign'"));
  EXPECT_EQ(
      sql_value("SELECT remote_lsn FROM pg_replication_origin_status WHERE external_id = 'oxbow:shop:fwd:0'"),
      "0/FFFF77");
}

TEST_F(TargetWriterTest, ALaneCannotBeTakenTwice) {
  must(writer_.begin());
  PgTargetWriter other_lane(settings(), "shop", 1);
  must(other_lane.begin());
  must(other_lane.rollback());
  PgTargetWriter same_lane(settings(), "shop", 0);
  EXPECT_EQ(run(same_lane.begin()).error().code, ErrorCode::already_running);
}

TEST_F(TargetWriterTest, ComesBackAfterItsSessionWasTerminated) {
  auto table = user_table();
  auto settings_here = settings();
  settings_here.application_name = "oxbow:shop:victim";
  PgTargetWriter writer(settings_here, "shop", 0);
  must(writer.begin());
  must(writer.apply(batch(table, RowOp::insert, {user(1, "a", 1)})));
  sql("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = "
      "'oxbow:shop:victim'");
  auto lost = run(writer.apply(batch(table, RowOp::insert, {user(2, "b", 2)})));
  EXPECT_EQ(lost.error().code, ErrorCode::connection_lost);
  must(writer.rollback());
  must(writer.begin());
  must(writer.apply(batch(table, RowOp::insert, {user(3, "c", 3)})));
  must(writer.commit(std::nullopt));
  EXPECT_THAT(users(), ElementsAre("3|c|3"));
}

}  // namespace
}  // namespace oxbow::postgres
