#include "services/preflight/row_check.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <set>

#include "model/tuple.hpp"
#include "protocol/copy_binary.hpp"
#include "support/catalog_builder.hpp"

namespace oxbow {
namespace {

std::string row(std::int32_t id) {
  std::string bytes;
  append_big_endian(bytes, id);
  std::vector<Field> fields = {Field::value(bytes), Field::value("name")};
  return make_tuple_bytes(fields);
}

std::int32_t id_of(std::string_view tuple) {
  return read_big_endian<std::int32_t>(field_at(tuple, 0).bytes.data());
}

// Legacy rows 1..count, given out in chunks of `per_chunk`.
class FakeRows : public SnapshotReader, public RowReader {
 public:
  FakeRows(std::int32_t count, std::int32_t per_chunk) : count_(count), per_chunk_(per_chunk) {}

  Task<Snapshot> begin(std::vector<TableName>) override { co_return Snapshot{}; }
  Task<void> end() override { co_return Status{}; }
  Task<Lsn> log_position() override { co_return Lsn{}; }
  Task<void> cancel() override {
    cancelled = true;
    co_return Status{};
  }
  Task<std::unique_ptr<RowReader>> open(RangeRead read) override {
    EXPECT_EQ(to_string(read.table), "public.payments");
    co_return std::make_unique<FakeRows>(*this);
  }
  Task<void> read(RowChunk& chunk) override {
    chunk = {};
    for (; given_ < count_ && chunk.rows < static_cast<std::uint64_t>(per_chunk_); ++chunk.rows)
      chunk.bytes += row(++given_);
    co_return Status{};
  }

  bool cancelled = false;

 private:
  std::int32_t count_;
  std::int32_t per_chunk_;
  std::int32_t given_ = 0;
};

class FakeTrial : public RowTrial {
 public:
  Task<void> begin(const TargetTable&) override { co_return Status{}; }
  Task<std::optional<std::string>> refusal(std::string_view tuples) override {
    ++asked;
    while (!tuples.empty()) {
      auto tuple = CO_TRY(next_tuple(tuples));
      if (refuses(id_of(tuple))) co_return fmt::format("{} is refused", id_of(tuple));
    }
    co_return std::optional<std::string>();
  }

  std::function<bool(std::int32_t)> refuses = [](std::int32_t) { return false; };
  int asked = 0;
};

class FakeSource : public SourceAdmin {
 public:
  Task<std::vector<KeyBound>> plan_ranges(TableName, std::vector<KeyColumn>, std::uint64_t) override {
    co_return std::vector<KeyBound>();
  }
  Task<Catalog> read_catalog() override { co_return Catalog{}; }
  Task<ServerFacts> read_facts(std::vector<TableName>) override { co_return ServerFacts{}; }
  Task<SourceHealth> read_health() override { co_return SourceHealth{}; }
  Task<Snapshot> current_snapshot() override { co_return Snapshot{}; }
  Task<void> change_identity(IdentityChange) override { co_return Status{}; }
  Task<PartsLook> look_at_parts(std::vector<TableName>) override { co_return PartsLook{}; }
  Task<OldRows> find_old_rows(TableName, std::uint32_t, std::uint32_t) override { co_return OldRows::none; }
  Task<void> give_up_stream() override { co_return Status{}; }
  Task<Lsn> ensure_stream(std::vector<TableName>) override { co_return Lsn{}; }
  Task<Lsn> emit_marker(std::string) override { co_return Lsn{}; }
  Task<void> beat(std::uint64_t) override { co_return Status{}; }
  Task<std::uint64_t> last_beat() override { co_return 0; }
  Task<std::vector<std::string>> remove() override { co_return std::vector<std::string>(); }
};

class RowCheckTest : public testing::Test {
 protected:
  RowCheckTest() {
    using namespace build;
    auto columns = std::vector{not_null("id", int4()), column("name", text())};
    auto legacy = with_primary_key(table("public", "payments", columns), {"id"});
    auto new_side = with_primary_key(table("ledger", "payment", columns), {"id"});
    TableSpec spec{.legacy = legacy.name, .new_side = new_side.name};
    EntitySpec entity{
        .name = "payment", .key = "id", .tables = {spec}, .cohorts = {{.name = "all", .rest = true}}};
    mapping_ = *compile_mapping(entity, spec, legacy, new_side).mapping;
  }

  RowCheck check(std::int32_t rows, std::int32_t per_chunk) {
    boost::asio::io_context context;
    FakeRows reader(rows, per_chunk);
    std::optional<Result<RowCheck>> result;
    auto keep = [&](std::exception_ptr, Result<RowCheck> ended) { result = std::move(ended); };
    auto note = [&](std::uint64_t tried) { progress.push_back(tried); };
    boost::asio::co_spawn(context, check_rows(mapping_, source, reader, trial, note), keep);
    context.run();
    EXPECT_TRUE(result && *result);
    stopped_early = reader.cancelled;
    return **result;
  }

  TableMapping mapping_;
  FakeSource source;
  FakeTrial trial;
  std::vector<std::uint64_t> progress;
  bool stopped_early = false;
};

TEST_F(RowCheckTest, AsksOncePerChunkWhileNothingIsRefused) {
  auto found = check(100, 40);
  EXPECT_EQ(found.tried, 100u);
  EXPECT_EQ(found.refused, 0u);
  EXPECT_EQ(trial.asked, 3);
  EXPECT_THAT(progress, testing::ElementsAre(40, 80, 100));
}

TEST_F(RowCheckTest, FindsEveryRefusedRowAmongItsNeighbours) {
  std::set<std::int32_t> bad = {1, 41, 64, 65, 99, 100};
  trial.refuses = [&](std::int32_t id) { return bad.contains(id); };
  auto found = check(100, 40);
  EXPECT_EQ(found.tried, 100u);
  EXPECT_EQ(found.refused, bad.size());
  ASSERT_EQ(found.samples.size(), 3u);
  EXPECT_EQ(found.samples[0].key, "id=1");
  EXPECT_EQ(found.samples[1].key, "id=41");
  EXPECT_EQ(found.samples[1].reason, "41 is refused");
}

TEST_F(RowCheckTest, GivesUpOnATableInWhichNothingFits) {
  trial.refuses = [](std::int32_t) { return true; };
  auto found = check(5000, 300);
  EXPECT_EQ(found.refused, kRefusalsCountedMax);
  EXPECT_LT(found.tried, 5000u);
  EXPECT_TRUE(stopped_early) << "the server need not send the rest";
}

}  // namespace
}  // namespace oxbow
