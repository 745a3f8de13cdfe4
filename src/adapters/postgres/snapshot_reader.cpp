#include "adapters/postgres/snapshot_reader.hpp"

#include <fmt/format.h>

#include "adapters/postgres/selection_sql.hpp"
#include "adapters/postgres/session.hpp"
#include "protocol/copy_binary.hpp"

namespace oxbow::postgres {
namespace {

constexpr std::size_t kChunkBytes = 256 << 10;

// A filter may reject everything in a long stretch of the table, and the server then says nothing for that
// long.
constexpr Duration kSilenceWhileFiltering = std::chrono::minutes(15);

class CopyReader final : public RowReader {
 public:
  explicit CopyReader(Connection& connection) : connection_(connection) {}

  Task<void> read(RowChunk& chunk) override {
    chunk.bytes.clear();
    chunk.rows = 0;
    while (!ended_ && chunk.bytes.size() < kChunkBytes) {
      auto message = CO_TRY(co_await connection_.copy_out_next());
      if (!message) {
        ended_ = true;
        if (!frame_.complete()) co_return Err(ErrorCode::malformed, "a COPY ended without its trailer");
        break;
      }
      chunk.rows += CO_TRY(frame_.read(*message, chunk.bytes));
    }
    co_return Status{};
  }

 private:
  Connection& connection_;
  CopyBinaryReader frame_;
  bool ended_ = false;
};

}  // namespace

Task<Snapshot> PgSnapshotReader::begin(std::vector<TableName> tables) {
  CO_TRY(co_await ensure_open(connection_, settings_, "SET max_parallel_workers_per_gather = 0"));
  std::string sql = std::exchange(in_transaction_, false) ? "COMMIT; " : "";
  sql += "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; ";
  // LOCK takes no snapshot itself, so the one below is younger than every lock.
  for (const auto& table : tables) sql += fmt::format("LOCK TABLE {} IN ACCESS SHARE MODE; ", quoted(table));
  auto rows = co_await connection_->exec(sql + "SELECT pg_current_snapshot()");
  if (!rows) {
    connection_.reset();
    co_return std::unexpected(std::move(rows).error());
  }
  in_transaction_ = true;
  co_return CO_TRY(parse_snapshot(rows->view(0, 0)));
}

Task<void> PgSnapshotReader::end() {
  if (!std::exchange(in_transaction_, false) || !connection_) co_return Status{};
  CO_TRY(co_await connection_->exec("COMMIT"));
  co_return Status{};
}

Task<Lsn> PgSnapshotReader::log_position() {
  // A visible transaction has inserted its commit record, but may not have flushed it: ask for the insert
  // position.
  Rows rows = CO_TRY(co_await connection_->exec("SELECT pg_current_wal_insert_lsn()"));
  co_return CO_TRY(parse_lsn(rows.view(0, 0)));
}

Task<std::unique_ptr<RowReader>> PgSnapshotReader::open(RangeRead read) {
  connection_->set_silence_max(read.cohorts ? kSilenceWhileFiltering : settings_.silence_max);
  CO_TRY(co_await connection_->copy_out_begin(
      fmt::format("COPY ({}) TO STDOUT (FORMAT binary)", select_sql(read))));
  co_return std::unique_ptr<RowReader>(new CopyReader(*connection_));
}

// The server ends a COPY whose reader is gone, and a fresh session costs less than asking it politely and
// draining.
Task<void> PgSnapshotReader::cancel() {
  connection_.reset();
  in_transaction_ = false;
  co_return Status{};
}

}  // namespace oxbow::postgres
