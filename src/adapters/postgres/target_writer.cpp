#include "adapters/postgres/target_writer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <numeric>

#include "adapters/postgres/array_text.hpp"
#include "adapters/postgres/names.hpp"
#include "adapters/postgres/range_placer.hpp"
#include "adapters/postgres/schema.hpp"
#include "adapters/postgres/selection_sql.hpp"
#include "adapters/postgres/session.hpp"
#include "base/assert.hpp"
#include "protocol/copy_binary.hpp"
#include "runtime/real_clock.hpp"
#include "runtime/sleep.hpp"

namespace oxbow::postgres {

using namespace std::chrono_literals;

namespace {

// Every batch is a list of keys to look up, so the only good plan is: for each row, the key's index. The
// planner may not have statistics yet, and must not change its mind in the middle of a migration.
constexpr std::string_view kSessionSql =
    "SET session_replication_role = replica; SET plan_cache_mode = force_generic_plan; SET enable_hashjoin = "
    "off; "
    "SET enable_mergejoin = off; SET enable_seqscan = off; SET work_mem = '64MB'; SET synchronous_commit = "
    "on; "
    // Somebody's DDL may wait for a copy that waits for the stream, which waits for the DDL: no server sees
    // that.
    "SET lock_timeout = '10s'";

// Rows without a key are found by comparing whole tables, which only a hash join does in one pass.
constexpr std::string_view kScanOn =
    "SELECT set_config('enable_hashjoin', 'on', true), set_config('enable_seqscan', 'on', true)";
constexpr std::string_view kScanOff =
    "SELECT set_config('enable_hashjoin', 'off', true), set_config('enable_seqscan', 'off', true)";

constexpr Duration kSilenceWhileScanning = 15min;  // whole tables; everything else is quick
// Of one message to the server: it works on the first while we make the second, and its copies stay in the
// cache.
constexpr std::size_t kPieceBytes = 512 << 10;
constexpr std::size_t kWholeBytes = 900 << 20;  // as much as one message may hold
constexpr std::size_t kStatementsMax = 500;     // prepared ones per table
constexpr Duration kOriginBusyMax = 10s;  // the server needs a moment to notice that our last session is dead
constexpr Duration kOriginBusyRetry = 100ms;

constexpr std::string_view kKeep = "RELEASE SAVEPOINT oxbow";
constexpr std::string_view kUndo = "ROLLBACK TO SAVEPOINT oxbow; RELEASE SAVEPOINT oxbow";

std::vector<std::size_t> all_rows(const RowBatch& batch) {
  std::vector<std::size_t> rows(batch.rows);
  std::iota(rows.begin(), rows.end(), 0);
  return rows;
}

std::string_view tuple_of(const RowBatch& batch, std::size_t row) {
  auto begin = batch.offsets[row];
  auto end = row + 1 < batch.rows ? batch.offsets[row + 1] : batch.tuples.size();
  return std::string_view(batch.tuples).substr(begin, end - begin);
}

std::string columns_of(const TargetTable& table) {
  std::vector<std::string> names;
  for (const auto& column : table.columns) names.push_back(quote_identifier(column.name));
  return fmt::format("{}", fmt::join(names, ", "));
}

// Identity columns that are GENERATED ALWAYS take a given value on INSERT only.
bool sets_identity(const TargetTable& table, const std::vector<bool>& sent) {
  for (std::size_t i = 0; i < table.columns.size(); ++i)
    if (sent[i] && table.columns[i].identity_always && !table.columns[i].in_key) return true;
  return false;
}

}  // namespace

PgTargetWriter::PgTargetWriter(ConnectionSettings settings, std::string migration, int lane)
    : settings_(std::move(settings)),
      migration_(std::move(migration)),
      origin_(origin_name(migration_, lane)) {}

void PgTargetWriter::Share::judge(const std::vector<bool>& found, const std::vector<bool>& clashes,
                                  bool final) {
  std::vector<std::size_t> left;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (clashes[i]) {
      outcome.clashing.push_back(rows[i]);
    } else if (!final) {
      left.push_back(rows[i]);
    } else if (found[i]) {
      ++outcome.matched;
    } else {
      outcome.missing.push_back(rows[i]);
    }
  }
  rows = std::move(left);
}

Task<void> PgTargetWriter::open_session() {
  if (connection_ && connection_->is_open()) co_return Status{};
  staging_.clear();
  stages_.clear();
  in_transaction_ = false;
  CO_TRY(co_await ensure_open(connection_, settings_, std::string(kSessionSql)));
  auto give_up_at = monotonic_now() + kOriginBusyMax;
  while (true) {
    auto set =
        co_await connection_->exec_params("SELECT pg_replication_origin_session_setup($1)", {{origin_}});
    if (set) co_return Status{};
    bool busy = set.error().code == ErrorCode::already_running;
    if (!busy || monotonic_now() > give_up_at) {
      connection_.reset();
      co_return std::unexpected(std::move(set).error());
    }
    CO_TRY(co_await sleep_for(kOriginBusyRetry));
  }
}

Task<void> PgTargetWriter::begin() {
  OXBOW_ASSERT(!in_transaction_ || !connection_ || !connection_->is_open(),
               "the transaction before is still open");
  CO_TRY(co_await open_session());
  CO_TRY(co_await connection_->exec("BEGIN"));
  in_transaction_ = true;
  co_return Status{};
}

Task<PgTargetWriter::Staging*> PgTargetWriter::staging_for(const TargetTable& table) {
  auto found = staging_.find(&table);
  if (found != staging_.end()) co_return &found->second;
  BatchSql sql{table, fmt::format("pg_temp.oxbow_{}_{}", table.id, ++names_made_), {}};
  std::string create = fmt::format(
      "{}; SELECT c.reltype, array_agg(a.atttypid ORDER BY a.attnum), "
      "ARRAY(SELECT t.attname::text FROM pg_attribute t WHERE t.attrelid = {}::regclass AND t.attnum > 0 "
      "AND NOT t.attisdropped AND t.attgenerated = '' ORDER BY t.attnum) "
      "FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 WHERE c.oid = "
      "'{}'::regclass "
      "GROUP BY c.reltype",
      sql.create_type(), quote_literal(quoted(table.name)), sql.rows_type);
  Rows rows = CO_TRY(co_await connection_->exec(create));
  RecordLayout layout;
  layout.record_oid = rows.number<std::uint32_t>(0, 0);
  for (const auto& oid : parse_text_array(rows.view(0, 1)))
    layout.field_oids.push_back(static_cast<std::uint32_t>(std::stoul(oid)));
  for (const auto& column : table.columns) layout.taken.push_back(column.sql.empty());
  layout.taken.resize(table.columns.size() + table.staged_only.size(), true);
  sql.all_columns = parse_text_array(rows.view(0, 2));
  Staging made{std::move(sql), std::move(layout), {}};
  co_return &staging_.emplace(&table, std::move(made)).first->second;
}

Task<std::string> PgTargetWriter::prepared(Staging& staging, std::string sql) {
  auto found = staging.prepared.find(sql);
  if (found != staging.prepared.end()) co_return found->second;
  if (staging.prepared.size() >= kStatementsMax) {
    for (const auto& [text, name] : staging.prepared)
      CO_TRY(co_await connection_->exec("DEALLOCATE " + name));
    staging.prepared.clear();
  }
  auto name = fmt::format("oxbow_{}", ++names_made_);
  CO_TRY(co_await connection_->prepare(name, sql));
  staging.prepared.emplace(std::move(sql), name);
  co_return name;
}

Task<std::vector<PgTargetWriter::Piece>> PgTargetWriter::run_in_pieces(Staging& staging, std::string sql,
                                                                       const std::string& tuples,
                                                                       std::size_t piece_bytes) {
  auto name = CO_TRY(co_await prepared(staging, std::move(sql)));
  bool scans = !staging.sql.table.has_key;
  std::deque<std::string_view> before = {"SAVEPOINT oxbow"};
  std::deque<std::string_view> after = {"RELEASE SAVEPOINT oxbow"};
  if (scans) {
    connection_->set_silence_max(kSilenceWhileScanning);
    before.push_back(kScanOn);
    after.push_front(kScanOff);
  }
  auto first_piece = before.size();
  std::string_view rest = tuples;
  std::vector<std::uint64_t> counts;
  auto take = [](std::deque<std::string_view>& sql) {
    Statement statement{std::string(sql.front())};
    sql.pop_front();
    return statement;
  };
  auto results = co_await connection_->pipeline([&]() -> std::optional<Statement> {
    if (!before.empty()) return take(before);
    if (rest.empty()) return after.empty() ? std::nullopt : std::optional(take(after));
    auto array = take_record_array(staging.layout, rest, piece_bytes, counts.emplace_back());
    return Statement{name, {{std::move(array), true}}, true};
  });
  connection_->set_silence_max(settings_.silence_max);
  if (!results) {
    if (results.error().code == ErrorCode::row_rejected)
      CO_TRY(co_await connection_->exec(std::string(kUndo)));
    co_return std::unexpected(std::move(results).error());
  }
  std::vector<Piece> pieces;
  std::uint64_t first = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    pieces.push_back({std::move((*results)[first_piece + i]), first});
    first += counts[i];
  }
  co_return pieces;
}

Task<BatchOutcome> PgTargetWriter::apply(const RowBatch& batch) {
  if (batch.rows == 0) co_return BatchOutcome{};
  Staging& staging = *CO_TRY(co_await staging_for(*batch.table));
  staging.sql.not_spared = not_spared_sql(batch.spared.get());
  switch (batch.op) {
    case RowOp::insert:
      co_return co_await apply_insert(staging, batch);
    case RowOp::update:
      co_return co_await apply_update(staging, batch);
    case RowOp::remove:
      co_return co_await apply_remove(staging, batch);
  }
  co_return BatchOutcome{};
}

Task<BatchOutcome> PgTargetWriter::apply_insert(Staging& staging, const RowBatch& batch) {
  auto pieces = CO_TRY(co_await run_in_pieces(staging, staging.sql.insert(), batch.tuples, kPieceBytes));
  BatchOutcome outcome;
  for (const auto& piece : pieces) outcome.matched += piece.result.affected();
  co_return outcome;
}

Task<BatchOutcome> PgTargetWriter::apply_update(Staging& staging, const RowBatch& batch) {
  OXBOW_ASSERT(batch.table->has_key, "{} has no key to update by", to_string(batch.table->name));
  if (sets_identity(*batch.table, batch.sent)) {
    std::vector<Share> shares = {{&batch, all_rows(batch), {}}};
    bool placed = CO_TRY(co_await rewrite(staging, shares));
    if (placed) co_return std::move(shares.front().outcome);
    co_return Err(ErrorCode::row_rejected, "23505 another row of {} has a unique value of this one",
                  to_string(batch.table->name));
  }
  auto pieces =
      CO_TRY(co_await run_in_pieces(staging, staging.sql.update(batch.sent), batch.tuples, kPieceBytes));
  BatchOutcome outcome;
  for (const auto& piece : pieces) outcome.matched += piece.result.affected();
  if (outcome.matched < batch.rows) outcome.missing = CO_TRY(co_await find_missing(staging, batch));
  co_return outcome;
}

// Who clashes with a row outside keeps its old row, and with it the old unique values; so whoever wanted one
// of those clashes in the next round. It ends because every round leaves rows out.
Task<std::vector<BatchOutcome>> PgTargetWriter::apply_together(std::vector<const RowBatch*> batches) {
  std::vector<Share> shares;
  for (const auto* batch : batches) shares.push_back({batch, all_rows(*batch), {}});
  if (shares.empty()) co_return std::vector<BatchOutcome>();
  Staging& staging = *CO_TRY(co_await staging_for(*batches.front()->table));
  staging.sql.not_spared = not_spared_sql(batches.front()->spared.get());
  while (!CO_TRY(co_await rewrite(staging, shares))) {
  }
  std::vector<BatchOutcome> outcomes;
  for (auto& share : shares) outcomes.push_back(std::move(share.outcome));
  co_return outcomes;
}

// True if every row found its place, or was not there at all. Else nothing has happened, and those that did
// not are taken out of `shares`.
Task<bool> PgTargetWriter::rewrite(Staging& staging, std::vector<Share>& shares) {
  std::vector<std::vector<bool>> sent;
  Statement statement{.prepared = true};
  for (const auto& share : shares) {
    sent.push_back(share.batch->sent);
    std::string tuples;
    for (auto row : share.rows) tuples += tuple_of(*share.batch, row);
    std::string_view rest = tuples;
    std::uint64_t count = 0;
    statement.params.push_back({take_record_array(staging.layout, rest, kWholeBytes, count), true});
    if (!rest.empty())
      co_return Err(ErrorCode::row_rejected, "54000 rows of more than 900 MiB change unique values");
  }
  statement.sql = CO_TRY(co_await prepared(staging, staging.sql.rewrite(sent)));
  std::vector<Statement> statements = {{"SAVEPOINT oxbow"}, {std::string(kScanOn)}};
  statements.push_back(std::move(statement));
  statements.push_back({std::string(kScanOff)});
  auto results = co_await connection_->pipeline(std::move(statements));
  if (!results) {
    if (results.error().code == ErrorCode::row_rejected)
      CO_TRY(co_await connection_->exec(std::string(kUndo)));
    co_return std::unexpected(std::move(results).error());
  }

  std::vector<std::vector<bool>> found;
  std::vector<std::vector<bool>> clashes;
  for (const auto& share : shares) {
    found.emplace_back(share.rows.size(), false);
    clashes.emplace_back(share.rows.size(), false);
  }
  const Rows& rows = (*results)[2];
  bool all_placed = true;
  for (int i = 0; i < rows.size(); ++i) {
    auto share = rows.number<std::size_t>(i, 0) - 1;
    auto row = rows.number<std::size_t>(i, 1) - 1;
    found[share][row] = true;
    clashes[share][row] = !rows.boolean(i, 2);
    all_placed = all_placed && rows.boolean(i, 2);
  }
  CO_TRY(co_await connection_->exec(std::string(all_placed ? kKeep : kUndo)));
  for (std::size_t i = 0; i < shares.size(); ++i) shares[i].judge(found[i], clashes[i], all_placed);
  co_return all_placed;
}

Task<BatchOutcome> PgTargetWriter::apply_remove(Staging& staging, const RowBatch& batch) {
  auto piece_bytes = batch.table->has_key ? kPieceBytes : kWholeBytes;
  auto pieces = CO_TRY(co_await run_in_pieces(staging, staging.sql.remove(), batch.tuples, piece_bytes));
  std::vector<bool> found(batch.rows, false);
  BatchOutcome outcome;
  for (const auto& piece : pieces) {
    outcome.matched += static_cast<std::uint64_t>(piece.result.size());
    for (int row = 0; row < piece.result.size(); ++row)
      found[piece.first + piece.result.number<std::uint64_t>(row, 0) - 1] = true;
  }
  for (std::size_t row = 0; row < found.size(); ++row)
    if (!found[row]) outcome.missing.push_back(row);
  co_return outcome;
}

Task<std::vector<std::size_t>> PgTargetWriter::find_missing(Staging& staging, const RowBatch& batch) {
  auto pieces = CO_TRY(co_await run_in_pieces(staging, staging.sql.missing(), batch.tuples, kPieceBytes));
  std::vector<std::size_t> missing;
  for (const auto& piece : pieces)
    for (int row = 0; row < piece.result.size(); ++row)
      missing.push_back(piece.first + piece.result.number<std::size_t>(row, 0) - 1);
  std::sort(missing.begin(), missing.end());
  co_return missing;
}

Task<void> PgTargetWriter::copy_begin(const TargetTable& table) {
  copying_ = &table;
  copied_rows_ = 0;
  if (needs_staging(table)) co_return Status{};
  CO_TRY(co_await connection_->copy_in_begin(
      fmt::format("COPY {} ({}) FROM STDIN (FORMAT binary)", quoted(table.name), columns_of(table))));
  co_return co_await connection_->copy_in_write(copy_binary_header());
}

Task<void> PgTargetWriter::copy_rows(const RowChunk& chunk) {
  if (!needs_staging(*copying_)) co_return co_await connection_->copy_in_write(chunk.bytes);
  Staging& staging = *CO_TRY(co_await staging_for(*copying_));
  auto pieces = CO_TRY(co_await run_in_pieces(staging, staging.sql.insert(), chunk.bytes, kPieceBytes));
  for (const auto& piece : pieces) copied_rows_ += piece.result.affected();
  co_return Status{};
}

Task<std::uint64_t> PgTargetWriter::copy_end() {
  bool staged = needs_staging(*std::exchange(copying_, nullptr));
  if (staged) co_return copied_rows_;
  CO_TRY(co_await connection_->copy_in_write(copy_binary_trailer()));
  co_return co_await connection_->copy_in_end();
}

// A table that foreign keys point at cannot be truncated alone, but it can be emptied.
Task<void> PgTargetWriter::truncate(const TargetTable& table, bool beside_copies, Xid wanted_by) {
  auto name = quoted(table.name);
  CO_TRY(co_await connection_->exec("SAVEPOINT oxbow"));
  auto done = co_await connection_->exec((beside_copies ? "DELETE FROM " : "TRUNCATE ") + name);
  connection_->set_silence_max(kSilenceWhileScanning);
  if (!done && done.error().code == ErrorCode::unsupported)
    done = co_await connection_->exec("ROLLBACK TO SAVEPOINT oxbow; DELETE FROM " + name);
  connection_->set_silence_max(settings_.silence_max);
  CO_TRY(std::move(done));
  CO_TRY(co_await connection_->exec("RELEASE SAVEPOINT oxbow"));
  auto record = save_truncation_statement(migration_, table.id, wanted_by);
  CO_TRY(co_await connection_->exec_params(record.sql, record.params));
  co_return Status{};
}

Task<bool> PgTargetWriter::holds_rows(RangeRead rows) {
  Rows found = CO_TRY(co_await connection_->exec(
      fmt::format("SELECT EXISTS (SELECT FROM {} WHERE {})", quoted(rows.table), selection_predicate(rows))));
  co_return found.boolean(0, 0);
}

Task<void> PgTargetWriter::remove_rows(RangeRead rows) {
  connection_->set_silence_max(kSilenceWhileScanning);
  auto removed = co_await connection_->exec(
      fmt::format("DELETE FROM {} WHERE {}", quoted(rows.table), selection_predicate(rows)));
  connection_->set_silence_max(settings_.silence_max);
  CO_TRY(std::move(removed));
  co_return Status{};
}

Task<const TargetTable*> PgTargetWriter::stage(const TargetTable& table) {
  auto found = stages_.find(&table);
  if (found != stages_.end()) co_return &found->second.table;
  auto made = table;
  made.name = {"pg_temp", fmt::format("oxbow_stage_{}", table.id)};
  for (auto& column : made.columns) column.identity_always = false;
  CO_TRY(co_await connection_->exec(create_stage_sql(table, quoted(made.name))));
  co_return &stages_.emplace(&table, Stage{std::move(made)}).first->second.table;
}

Task<RangePlacer> PgTargetWriter::placer(const TargetTable& table, RangeRead rows) {
  const auto& staging = *CO_TRY(co_await staging_for(table));
  co_return RangePlacer(*connection_, table, quoted(stages_.at(&table).table.name), staging.sql.all_columns,
                        rows);
}

Task<void> PgTargetWriter::place(const TargetTable& table, RangeRead rows) {
  auto range = CO_TRY(co_await placer(table, std::move(rows)));
  CO_TRY(co_await connection_->exec(std::string(kScanOn)));
  connection_->set_silence_max(kSilenceWhileScanning);
  auto placed = co_await range.place();
  connection_->set_silence_max(settings_.silence_max);
  CO_TRY(std::move(placed));
  CO_TRY(co_await connection_->exec(std::string(kScanOff)));
  co_return Status{};
}

Task<std::vector<UnplacedRow>> PgTargetWriter::find_unplaced(const TargetTable& table, RangeRead rows) {
  auto range = CO_TRY(co_await placer(table, std::move(rows)));
  connection_->set_silence_max(kSilenceWhileScanning);
  auto unplaced = co_await range.find_refused();
  connection_->set_silence_max(settings_.silence_max);
  co_return unplaced;
}

Task<void> PgTargetWriter::save_range(const RangeRecord& record) {
  CO_TRY(co_await connection_->pipeline({save_range_statement(migration_, record)}));
  co_return Status{};
}

Task<void> PgTargetWriter::quarantine(const QuarantineRecord& record) {
  CO_TRY(co_await connection_->pipeline({quarantine_statement(migration_, record)}));
  co_return Status{};
}

Task<void> PgTargetWriter::release(const QuarantineRelease& release) {
  CO_TRY(co_await connection_->pipeline({release_statement(migration_, release)}));
  co_return Status{};
}

Task<void> PgTargetWriter::commit(std::optional<StreamPosition> position) {
  std::vector<Statement> statements;
  if (position) {
    statements.push_back(
        {"SELECT pg_replication_origin_xact_setup($1, now())", {{to_string(position->lsn)}}});
    statements.push_back(save_position_statement(migration_, *position));
  }
  statements.push_back({"COMMIT"});
  auto results = CO_TRY(co_await connection_->pipeline(std::move(statements)));
  in_transaction_ = false;
  // The server answers COMMIT in a failed transaction with a friendly ROLLBACK.
  std::string_view tag = PQcmdStatus(const_cast<PGresult*>(results.back().get()));
  if (tag != "COMMIT") co_return Err(ErrorCode::internal, "a failed transaction was to be committed");
  for (auto& [table, staging] : staging_) staging.committed = true;
  for (auto& [table, stage] : stages_) stage.committed = true;
  co_return Status{};
}

Task<void> PgTargetWriter::rollback() {
  copying_ = nullptr;
  if (!std::exchange(in_transaction_, false) || !connection_ || !connection_->is_open()) co_return Status{};
  std::erase_if(staging_, [](const auto& entry) { return !entry.second.committed; });
  std::erase_if(stages_, [](const auto& entry) { return !entry.second.committed; });
  // A session that cannot even roll back, for example inside a COPY, is closed, which rolls back as well.
  auto done = co_await connection_->exec("ROLLBACK");
  if (!done) connection_->close();
  co_return Status{};
}

}  // namespace oxbow::postgres
