#include "adapters/postgres/snapshot_reader.hpp"

#include <fmt/core.h>

#include "adapters/postgres/selection_sql.hpp"
#include "core/cohort/cohorts.hpp"
#include "integration/postgres/fixture.hpp"
#include "model/tuple.hpp"
#include "protocol/copy_binary.hpp"

namespace oxbow::postgres {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const Type kInt8{.oid = 20, .schema = "pg_catalog", .name = "int8", .sql = "bigint"};
const Type kText{.oid = 25, .schema = "pg_catalog", .name = "text", .sql = "text"};

class SnapshotReaderTest : public DatabaseTest {
 protected:
  struct Read {
    std::uint64_t rows = 0;
    std::string bytes;
    std::size_t largest_chunk = 0;
  };

  Task<Read> drain(RangeRead read) {
    auto reader = CO_TRY(co_await reader_.open(std::move(read)));
    Read all;
    RowChunk chunk;
    while (true) {
      CO_TRY(co_await reader->read(chunk));
      if (chunk.rows == 0) co_return all;
      all.rows += chunk.rows;
      all.bytes += chunk.bytes;
      all.largest_chunk = std::max(all.largest_chunk, chunk.bytes.size());
    }
  }

  // The first field of each row, as text.
  std::vector<std::string> texts(RangeRead read) {
    Read all = must(drain(std::move(read)));
    std::vector<std::string> out;
    for (std::string_view rest = all.bytes; !rest.empty();)
      out.emplace_back(field_at(next_tuple(rest).value(), 0).bytes);
    return out;
  }

  // The reader tells bounds apart by their tuples and never looks into them.
  static KeyBound bound(std::vector<std::string> literals) {
    std::string tuple;
    for (const auto& literal : literals) tuple += literal + "|";
    return {tuple, std::move(literals)};
  }

  PgSnapshotReader reader_{settings()};
};

TEST_F(SnapshotReaderTest, SeesOneMomentUntilItTakesAnother) {
  sql("CREATE TABLE public.t (id bigint); INSERT INTO public.t VALUES (1)");
  RangeRead all{.table = {"public", "t"}, .select = {"id::text"}};
  auto first = must(reader_.begin({{"public", "t"}}));
  auto xid = Xid(std::stoull(sql_value("INSERT INTO public.t VALUES (2) RETURNING pg_current_xact_id()")));
  EXPECT_FALSE(first.sees(xid));
  EXPECT_THAT(texts(all), ElementsAre("1"));
  auto second = must(reader_.begin({{"public", "t"}}));
  EXPECT_TRUE(second.sees(xid));
  EXPECT_THAT(texts(all), ElementsAre("1", "2"));
  must(reader_.end());
}

TEST_F(SnapshotReaderTest, TheLogPositionLiesBehindEverythingVisible) {
  sql("CREATE TABLE public.t (id bigint); SET synchronous_commit = off; INSERT INTO public.t VALUES (1)");
  auto committed = parse_lsn(sql_value("SELECT pg_current_wal_insert_lsn()")).value();
  must(reader_.begin({}));
  EXPECT_GE(must(reader_.log_position()), committed);
}

TEST_F(SnapshotReaderTest, HoldsOffATruncateOfTheTablesItWillRead) {
  sql("CREATE TABLE public.t (id bigint); INSERT INTO public.t VALUES (1)");
  must(reader_.begin({{"public", "t"}}));
  auto blocked = run(other_->exec("SET lock_timeout = '50ms'; TRUNCATE public.t"));
  EXPECT_EQ(sqlstate_of(blocked.error()), "55P03");
  must(reader_.end());
  sql("TRUNCATE public.t");
}

TEST_F(SnapshotReaderTest, AMissingTableIsAnErrorAndTheReaderCanGoOn) {
  EXPECT_EQ(run(reader_.begin({{"public", "nowhere"}})).error().code, ErrorCode::schema_drift);
  must(reader_.begin({}));
}

TEST_F(SnapshotReaderTest, CutsByOneKey) {
  sql("CREATE TABLE public.t (id bigint PRIMARY KEY); INSERT INTO public.t SELECT generate_series(1, 10)");
  must(reader_.begin({}));
  RangeRead read{.table = {"public", "t"}, .select = {"id::text"}, .key = {{"id", kInt8}}};
  read.range = {bound({"9"}), {}};
  EXPECT_THAT(texts(read), ElementsAre("9", "10"));
  read.range = {{}, bound({"3"})};
  EXPECT_THAT(texts(read), ElementsAre("1", "2"));
  read.range = {bound({"4"}), bound({"6"})};
  EXPECT_THAT(texts(read), ElementsAre("4", "5"));
  read.range = {bound({"7"}), bound({"7"})};
  EXPECT_THAT(texts(read), ElementsAre("7"));
  read.keys = {bound({"2"}), bound({"8"}), bound({"99"})};
  EXPECT_THAT(texts(read), ElementsAre("2", "8"));
}

TEST_F(SnapshotReaderTest, CutsByKeysOfSeveralColumnsInTheirOrder) {
  sql("CREATE TABLE public.t (a bigint, b text COLLATE \"C\", PRIMARY KEY (a, b));"
      "INSERT INTO public.t SELECT a, b FROM generate_series(1, 3) a, unnest(ARRAY['x', 'y''s', 'z\\']) b");
  must(reader_.begin({}));
  RangeRead read{.table = {"public", "t"}, .select = {"a || b"}, .key = {{"a", kInt8}, {"b", kText}}};
  read.range = {bound({"1", "y's"}), bound({"2", "z\\"})};
  EXPECT_THAT(texts(read), ElementsAre("1y's", "1z\\", "2x", "2y's"));
  read.range = {bound({"3", "x"}), bound({"3", "x"})};
  EXPECT_THAT(texts(read), ElementsAre("3x"));
  read.keys = {bound({"1", "x"}), bound({"3", "z\\"})};
  EXPECT_THAT(texts(read), ElementsAre("1x", "3z\\"));
}

TEST_F(SnapshotReaderTest, ARangeIsReadThroughTheIndex) {
  sql("CREATE TABLE public.t (a bigint, b text COLLATE \"C\", PRIMARY KEY (a, b));"
      "INSERT INTO public.t SELECT i, 'v' FROM generate_series(1, 50000) i; ANALYZE public.t");
  RangeRead read{.table = {"public", "t"}, .select = {"a"}, .key = {{"a", kInt8}, {"b", kText}}};
  read.range = {bound({"100", "v"}), bound({"200", "v"})};
  EXPECT_THAT(sql_value("EXPLAIN " + select_sql(read)), HasSubstr("t_pkey"));
  read.keys = {bound({"1", "v"}), bound({"30000", "v"})};
  std::string plan;
  for (const auto& line : sql("EXPLAIN " + select_sql(read))) plan += line + "\n";
  EXPECT_THAT(plan, HasSubstr("t_pkey"));
}

TEST_F(SnapshotReaderTest, CutsByCohort) {
  sql("CREATE TABLE public.t (id bigint PRIMARY KEY); INSERT INTO public.t SELECT generate_series(1, 2000)");
  EntitySpec entity{.name = "e", .key = "id"};
  entity.cohorts = {
      {.name = "pilot", .keys = {"17"}}, {.name = "some", .buckets = 1000}, {.name = "rest", .rest = true}};
  CohortFilter filter{resolve_cohorts(entity, "shop"), {CohortId(0), CohortId(1)}};
  std::vector<std::string> expected;
  for (int i = 1; i <= 2000; ++i)
    if (cohort_of(filter.table, std::to_string(i)) != CohortId(2)) expected.push_back(std::to_string(i));
  must(reader_.begin({}));
  RangeRead read{.table = {"public", "t"}, .select = {"id::text"}, .cohorts = filter};
  EXPECT_EQ(texts(read), expected);
  EXPECT_GT(expected.size(), 100u);
}

TEST_F(SnapshotReaderTest, GivesChunksOfAboutAQuarterMegabyte) {
  sql("CREATE TABLE public.t AS SELECT i AS id, repeat('x', 1000) AS pad FROM generate_series(1, 5000) i");
  must(reader_.begin({}));
  auto all = must(drain({.table = {"public", "t"}, .select = {"id", "pad"}}));
  EXPECT_EQ(all.rows, 5000u);
  EXPECT_GT(all.largest_chunk, 256u << 10);
  EXPECT_LT(all.largest_chunk, 300u << 10);
}

TEST_F(SnapshotReaderTest, ReadsRowsOf40MegabytesAndTablesOf1600Columns) {
  sql("CREATE TABLE public.big (id int, pad text); INSERT INTO public.big VALUES (1, repeat('x', 40 << 20)), "
      "(2, 'y')");
  must(reader_.begin({}));
  auto big = must(drain({.table = {"public", "big"}, .select = {"id", "pad"}}));
  EXPECT_EQ(big.rows, 2u);
  EXPECT_GT(big.bytes.size(), 40u << 20);
  std::string columns;
  RangeRead wide{.table = {"public", "wide"}};
  for (int i = 0; i < 1600; ++i) {
    columns += fmt::format("{}c{} int2 DEFAULT {}", i ? ", " : "", i, i);
    wide.select.push_back(fmt::format("c{}", i));
  }
  sql("CREATE TABLE public.wide (" + columns + "); INSERT INTO public.wide DEFAULT VALUES");
  must(reader_.begin({}));
  auto row = must(drain(wide));
  EXPECT_EQ(row.rows, 1u);
  EXPECT_EQ(field_count(row.bytes), 1600);
}

TEST_F(SnapshotReaderTest, ACopyCanBeCancelledAndTheReaderUsedAgain) {
  sql("CREATE TABLE public.t AS SELECT i AS id, repeat('x', 1000) AS pad FROM generate_series(1, 100000) i");
  must(reader_.begin({}));
  RangeRead read{.table = {"public", "t"}, .select = {"id", "pad"}};
  auto part = [&]() -> Task<void> {
    auto reader = CO_TRY(co_await reader_.open(read));
    RowChunk chunk;
    CO_TRY(co_await reader->read(chunk));
    EXPECT_GT(chunk.rows, 0u);
    co_return co_await reader_.cancel();
  };
  must(part());
  must(reader_.begin({}));
  EXPECT_EQ(must(drain(read)).rows, 100000u);
}

TEST_F(SnapshotReaderTest, ATerminatedSessionIsALostConnectionAndTheReaderComesBack) {
  sql("CREATE TABLE public.t (id bigint)");
  auto named = settings();
  named.application_name = "oxbow:shop:victim";
  PgSnapshotReader reader(named);
  must(reader.begin({}));
  sql("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = "
      "'oxbow:shop:victim'");
  EXPECT_EQ(run(reader.log_position()).error().code, ErrorCode::connection_lost);
  must(reader.begin({}));
}

}  // namespace
}  // namespace oxbow::postgres
