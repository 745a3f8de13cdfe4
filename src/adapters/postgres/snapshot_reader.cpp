#include "adapters/postgres/snapshot_reader.hpp"

#include <fmt/format.h>

#include "adapters/postgres/session.hpp"
#include "core/cohort/cohorts.hpp"
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

// A row of several keys compares as the index does only if written as ROW(...); one key is written plainly.
std::string row_of(const std::vector<std::string>& parts) {
  if (parts.size() == 1) return parts.front();
  return fmt::format("ROW({})", fmt::join(parts, ", "));
}

std::string key_sql(const std::vector<KeyColumn>& key) {
  std::vector<std::string> columns;
  for (const auto& column : key) columns.push_back(quote_identifier(column.name));
  return row_of(columns);
}

std::string bound_sql(const std::vector<KeyColumn>& key, const KeyBound& bound) {
  std::vector<std::string> literals;
  for (std::size_t i = 0; i < key.size(); ++i)
    literals.push_back(fmt::format("{}::{}", quote_literal(bound.literals[i]), base_type(key[i].type).sql));
  return row_of(literals);
}

std::string key_predicate(const RangeRead& read) {
  std::vector<std::string> terms;
  auto key = [&] { return key_sql(read.key); };
  if (!read.keys.empty()) {
    std::vector<std::string> bounds;
    for (const auto& bound : read.keys) bounds.push_back(bound_sql(read.key, bound));
    return fmt::format("{} IN ({})", key(), fmt::join(bounds, ", "));
  }
  if (read.range.is_point()) return fmt::format("{} = {}", key(), bound_sql(read.key, read.range.lower));
  if (!read.range.lower.tuple.empty())
    terms.push_back(fmt::format("{} >= {}", key(), bound_sql(read.key, read.range.lower)));
  if (!read.range.upper.tuple.empty())
    terms.push_back(fmt::format("{} < {}", key(), bound_sql(read.key, read.range.upper)));
  return fmt::format("{}", fmt::join(terms, " AND "));
}

}  // namespace

std::string select_sql(const RangeRead& read) {
  std::vector<std::string> terms;
  if (auto keys = key_predicate(read); !keys.empty()) terms.push_back(keys);
  if (read.cohorts)
    terms.push_back(cohort_predicate_sql(*read.cohorts, quote_identifier(read.cohorts->table.key_column)));
  return fmt::format("SELECT {} FROM {}{}{}", fmt::join(read.select, ", "), quoted(read.table),
                     terms.empty() ? "" : " WHERE ", fmt::join(terms, " AND "));
}

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
