#include "adapters/postgres/target_admin.hpp"
#include "adapters/postgres/array_text.hpp"

#include <fmt/format.h>

#include "adapters/postgres/locked_change.hpp"
#include "adapters/postgres/names.hpp"
#include "adapters/postgres/schema.hpp"
#include "adapters/postgres/session.hpp"
#include "model/course.hpp"
#include "runtime/failpoint.hpp"
#include "runtime/real_clock.hpp"
#include "runtime/sleep.hpp"

namespace oxbow::postgres {

using namespace std::chrono_literals;

namespace {

constexpr Duration kLockBusyMax = 3s;  // the server needs a moment to notice that our last run is dead
constexpr Duration kLockBusyRetry = 100ms;
constexpr std::string_view kEndSessionMaxMs = "5000";

// Numbers are given out before their transactions commit, so a smaller one may appear after a larger one. How
// many behind the newest are looked at again.
constexpr std::uint64_t kLateWrites = 10'000;

// An advisory lock shows its number in two halves.
constexpr std::string_view kLockHolderSql = R"sql(
  SELECT l.pid, a.application_name, coalesce(host(a.client_addr), 'this machine'), a.backend_start
  FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
  WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND (l.classid::bigint << 32) + l.objid::bigint = hashtextextended('oxbow:' || $1, 0)
)sql";

std::string watch_sql(const TableName& table, const std::string& migration) {
  auto arguments = fmt::format("{}, {}, {}", quote_literal(migration), quote_literal(table.schema),
                               quote_literal(table.name));
  return fmt::format(
      "CREATE OR REPLACE TRIGGER {0} AFTER INSERT OR UPDATE OR DELETE ON {2} FOR EACH ROW EXECUTE FUNCTION "
      "oxbow.watch({3}); "
      "CREATE OR REPLACE TRIGGER {1} AFTER TRUNCATE ON {2} FOR EACH STATEMENT EXECUTE FUNCTION "
      "oxbow.watch({3})",
      watch_name(migration), watch_truncate_name(migration), quoted(table), arguments);
}

}  // namespace

Task<Connection*> PgTargetAdmin::session() {
  if (locked_ && !connection_->is_still_open())
    co_return Err(ErrorCode::connection_lost, "{}: the migration's lock went with its session",
                  to_string(connection_->endpoint()));
  CO_TRY(co_await ensure_open(connection_, settings_, ""));
  co_return connection_.get();
}

Task<void> PgTargetAdmin::lock() {
  if (locked_ && connection_->is_still_open()) co_return Status{};
  locked_ = false;
  auto* connection = CO_TRY(co_await session());
  auto give_up_at = monotonic_now() + kLockBusyMax;
  while (!CO_TRY(co_await try_lock(*connection))) {
    Rows holder = CO_TRY(co_await connection->exec_params(std::string(kLockHolderSql), {{migration_}}));
    if (monotonic_now() > give_up_at) co_return std::unexpected(who_has_the_lock(*connection, holder));
    if (is_ours(holder))
      CO_TRY(co_await connection->exec_params("SELECT pg_terminate_backend($1, $2)",
                                              {{holder.text(0, 0)}, {std::string(kEndSessionMaxMs)}}));
    CO_TRY(co_await sleep_for(kLockBusyRetry));
  }
  locked_ = true;
  co_return co_await end_lanes(*connection);  // what a dead run left behind
}

bool PgTargetAdmin::is_ours(const Rows& holder) const {
  return !holder.empty() && holder.view(0, 1) == settings_.application_name;
}

Error PgTargetAdmin::who_has_the_lock(const Connection& connection, const Rows& holder) const {
  auto where = to_string(connection.endpoint());
  if (holder.empty())
    return {ErrorCode::already_running,
            fmt::format("the lock of migration {} in {} is not free and no session holds it; if a prepared "
                        "transaction does, settle that",
                        migration_, where)};
  if (is_ours(holder))
    return {ErrorCode::already_running,
            fmt::format("session {0} of {1}, which this oxbow has lost, holds the lock of migration {2} and "
                        "does not end; see what it waits for, or end process {0} on that server",
                        holder.view(0, 0), where, migration_)};
  return {ErrorCode::already_running,
          fmt::format("migration {} is run by another oxbow: session {} of {}, from {}, since {}", migration_,
                      holder.view(0, 0), where, holder.view(0, 2), holder.view(0, 3))};
}

Task<bool> PgTargetAdmin::try_lock(Connection& connection) {
  Rows got = CO_TRY(co_await connection.exec_params(
      "SELECT pg_try_advisory_lock(hashtextextended('oxbow:' || $1, 0))", {{migration_}}));
  co_return got.boolean(0, 0);
}

// REQUIRES: we hold the lock, so no other oxbow can miss them.
Task<void> PgTargetAdmin::end_lanes(Connection& connection) {
  CO_TRY(co_await connection.exec_params(
      "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
      "WHERE datname = current_database() AND usename = session_user AND starts_with(application_name, $1)",
      {{application_name(migration_, "lane ")}}));
  co_return Status{};
}

Task<void> PgTargetAdmin::install(std::vector<TableName> tables, int lanes) {
  auto* connection = CO_TRY(co_await session());
  CO_TRY(co_await install_schema(*connection, migration_, Role::target));
  std::vector<std::string> origins;
  for (int lane = 0; lane < lanes; ++lane) origins.push_back(origin_name(migration_, lane));
  CO_TRY(co_await connection->exec_params(
      "SELECT pg_replication_origin_create(name) FROM unnest($1::text[]) name WHERE NOT EXISTS "
      "(SELECT FROM pg_replication_origin WHERE roname = name)",
      {{to_text_array(origins)}}));
  for (const auto& table : tables) {
    Rows watched = CO_TRY(co_await connection->exec_params(
        "SELECT 1 FROM pg_trigger WHERE tgrelid = $1::regclass AND tgname = $2",
        {{quoted(table)}, {watch_name(migration_)}}));
    if (!watched.empty()) continue;
    if (CO_TRY(co_await holds_rows(table))) {
      co_return Err(ErrorCode::rows_unexpected,
                    "{} in {} holds rows that oxbow did not write; empty it before it becomes a projection",
                    to_string(table), to_string(connection->endpoint()));
    }
    CO_TRY(co_await change_under_lock(*connection, watch_sql(table, migration_)));
  }
  co_return Status{};
}

Task<bool> PgTargetAdmin::holds_rows(TableName table) {
  auto* connection = CO_TRY(co_await session());
  Rows row = CO_TRY(co_await connection->exec("SELECT 1 FROM " + quoted(table) + " LIMIT 1"));
  co_return !row.empty();
}

Task<void> PgTargetAdmin::watch(std::vector<TableName> tables) {
  return set_watching(std::move(tables), true);
}

Task<void> PgTargetAdmin::stop_watching(std::vector<TableName> tables) {
  return set_watching(std::move(tables), false);
}

// Disabled and not dropped: that it is there says that the rows are ours.
Task<void> PgTargetAdmin::set_watching(std::vector<TableName> tables, bool watching) {
  auto* connection = CO_TRY(co_await session());
  std::vector<std::string> names;
  for (const auto& table : tables) names.push_back(quoted(table));
  Rows changes = CO_TRY(co_await connection->exec_params(
      "SELECT string_agg(format('ALTER TABLE %s %s TRIGGER %I', name, $4::text, tgname), '; ') "
      "FROM unnest($1::text[]) AS named (name) JOIN pg_trigger ON tgrelid = to_regclass(name) "
      "WHERE tgname IN ($2, $3) AND (tgenabled = 'D') = ($4 = 'ENABLE') GROUP BY name ORDER BY name",
      {{to_text_array(names)},
       {watch_name(migration_)},
       {watch_truncate_name(migration_)},
       {watching ? "ENABLE" : "DISABLE"}}));
  for (int row = 0; row < changes.size(); ++row)
    CO_TRY(co_await change_under_lock(*connection, changes.text(row, 0)));
  co_return Status{};
}

Task<StoredStream> PgTargetAdmin::load_stream() {
  auto* connection = CO_TRY(co_await session());
  StoredStream stored;
  stored.position = CO_TRY(co_await load_position(*connection, migration_));
  stored.ranges = CO_TRY(co_await load_ranges(*connection, migration_));
  stored.quarantine = CO_TRY(co_await load_quarantine(*connection, migration_));
  co_return stored;
}

Task<void> PgTargetAdmin::forget_stream() {
  auto* connection = CO_TRY(co_await session());
  std::vector<Statement> statements;
  for (const char* table : {"stream", "range", "quarantine", "part", "truncation"})
    statements.push_back({fmt::format("DELETE FROM oxbow.{} WHERE migration = $1", table), {{migration_}}});
  CO_TRY(co_await connection->pipeline(std::move(statements)));
  co_return Status{};
}

// In one transaction, because a handover lets writes wait for it.
Task<void> PgTargetAdmin::forget_cohorts(std::vector<std::uint32_t> tables, std::vector<CohortId> cohorts) {
  auto* connection = CO_TRY(co_await session());
  std::vector<std::string> table_texts, cohort_texts;
  for (auto table : tables) table_texts.push_back(std::to_string(table));
  for (auto cohort : cohorts) cohort_texts.push_back(std::to_string(cohort.value()));
  std::vector<Statement> statements;
  statements.push_back(
      {"UPDATE oxbow.range SET cohorts = ARRAY(SELECT c FROM unnest(cohorts) c WHERE c <> ALL "
       "($3::bigint[])) "
       "WHERE migration = $1 AND table_number = ANY ($2::int[])",
       {{migration_}, {to_text_array(table_texts)}, {to_text_array(cohort_texts)}}});
  statements.push_back(
      {"DELETE FROM oxbow.range WHERE migration = $1 AND cohorts = '{}' "
       "AND (lower_tuple <> upper_tuple OR lower_tuple = '')",
       {{migration_}}});
  // A table that starts over has no row that waits for anything.
  statements.push_back(
      {"DELETE FROM oxbow.range p WHERE migration = $1 AND table_number = ANY ($2::int[]) AND NOT EXISTS "
       "(SELECT FROM oxbow.range r WHERE r.migration = p.migration AND r.table_number = p.table_number "
       "AND r.cohorts <> '{}')",
       {{migration_}, {to_text_array(table_texts)}}});
  statements.push_back(
      {"DELETE FROM oxbow.quarantine q WHERE migration = $1 AND table_number = ANY ($2::int[]) AND NOT "
       "EXISTS "
       "(SELECT FROM oxbow.range r WHERE r.migration = q.migration AND r.table_number = q.table_number)",
       {{migration_}, {to_text_array(table_texts)}}});
  CO_TRY(co_await connection->pipeline(std::move(statements)));
  co_return Status{};
}

Task<void> PgTargetAdmin::save_ranges(std::vector<RangeRecord> records) {
  auto* connection = CO_TRY(co_await session());
  std::vector<Statement> statements;
  for (const auto& record : records) statements.push_back(save_range_statement(migration_, record));
  CO_TRY(co_await connection->pipeline(std::move(statements)));
  co_return Status{};
}

// What was there before the first question was given out by an earlier run.
Task<void> PgTargetAdmin::remember_seen(Connection& connection, std::uint64_t id) {
  Rows rows = CO_TRY(co_await connection.exec_params(
      "SELECT id FROM oxbow.rogue_write WHERE migration = $1 AND id <= $2 AND id > $2 - $3::bigint",
      {{migration_}, {std::to_string(id)}, {std::to_string(kLateWrites)}}));
  seen_.emplace();
  for (int row = 0; row < rows.size(); ++row) seen_->insert(rows.number<std::uint64_t>(row, 0));
  co_return Status{};
}

Task<std::vector<RogueWrite>> PgTargetAdmin::rogue_writes_after(std::uint64_t id) {
  auto* connection = CO_TRY(co_await session());
  if (!seen_) CO_TRY(co_await remember_seen(*connection, id));
  Rows rows = CO_TRY(
      co_await connection->exec_params("SELECT id, (extract(epoch FROM at) * 1000000)::bigint, table_schema, "
                                       "table_name, operation, before, after, login, "
                                       "application, address FROM oxbow.rogue_write WHERE migration = $1 AND "
                                       "id > $2 - $3::bigint ORDER BY id LIMIT 20000",
                                       {{migration_}, {std::to_string(id)}, {std::to_string(kLateWrites)}}));
  std::vector<RogueWrite> writes;
  for (int row = 0; row < rows.size(); ++row) {
    RogueWrite write;
    write.id = rows.number<std::uint64_t>(row, 0);
    if (!seen_->insert(write.id).second) continue;
    write.at = WallTime(std::chrono::microseconds(rows.number(row, 1)));
    write.table = {rows.text(row, 2), rows.text(row, 3)};
    write.operation = rows.text(row, 4);
    write.before_json = rows.text(row, 5);
    write.after_json = rows.text(row, 6);
    write.user = rows.text(row, 7);
    write.application = rows.text(row, 8);
    write.address = rows.text(row, 9);
    writes.push_back(std::move(write));
  }
  if (id > kLateWrites) seen_->erase(seen_->begin(), seen_->lower_bound(id - kLateWrites));
  co_return writes;
}

Task<std::vector<TableParts>> PgTargetAdmin::load_parts() {
  auto* connection = CO_TRY(co_await session());
  co_return co_await postgres::load_parts(*connection, migration_);
}

// A transaction that had ended when its table was seen as it is remembered now explains nothing any more.
Task<void> PgTargetAdmin::save_parts(std::vector<TableParts> tables) {
  auto* connection = CO_TRY(co_await session());
  std::vector<Statement> statements{{"DELETE FROM oxbow.part WHERE migration = $1", {{migration_}}}};
  for (const auto& table : tables)
    for (const auto& part : table.parts) statements.push_back(save_part_statement(migration_, table, part));
  statements.push_back(
      {"DELETE FROM oxbow.truncation WHERE migration = $1 AND wanted_by < (SELECT seen_before FROM "
       "oxbow.part "
       "WHERE migration = $1 ORDER BY seen_before LIMIT 1)",
       {{migration_}}});
  CO_TRY(co_await connection->pipeline(std::move(statements)));
  co_return Status{};
}

Task<std::vector<std::uint32_t>> PgTargetAdmin::truncations_of(std::vector<std::uint32_t> tables) {
  auto* connection = CO_TRY(co_await session());
  std::vector<std::string> numbers;
  for (auto table : tables) numbers.push_back(std::to_string(table));
  Rows rows = CO_TRY(co_await connection->exec_params(
      "SELECT wanted_by::xid FROM oxbow.truncation WHERE migration = $1 AND table_number = ANY ($2::int[])",
      {{migration_}, {to_text_array(numbers)}}));
  std::vector<std::uint32_t> found;
  for (int row = 0; row < rows.size(); ++row) found.push_back(rows.number<std::uint32_t>(row, 0));
  co_return found;
}

Task<std::vector<std::string>> PgTargetAdmin::remove() {
  CO_TRY(co_await lock());
  auto* connection = CO_TRY(co_await session());
  CO_TRY(co_await end_lanes(*connection));  // a lane in use keeps its origin
  std::vector<std::string> done;
  Rows triggers = CO_TRY(co_await connection->exec_params(
      "SELECT n.nspname, c.relname, t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid "
      "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE t.tgname IN ($1, $2) AND t.tgparentid = 0 ORDER "
      "BY 1, 2, 3",
      {{watch_name(migration_)}, {watch_truncate_name(migration_)}}));
  for (int row = 0; row < triggers.size(); ++row) {
    TableName table{triggers.text(row, 0), triggers.text(row, 1)};
    auto trigger = triggers.text(row, 2);
    CO_TRY(co_await change_under_lock(*connection,
                                      fmt::format("DROP TRIGGER {} ON {}", trigger, quoted(table))));
    done.push_back(fmt::format("dropped trigger {} on {}", trigger, to_string(table)));
  }
  failpoint("remove_after_triggers");
  Rows origins = CO_TRY(co_await connection->exec_params(
      "SELECT roname FROM pg_replication_origin WHERE starts_with(roname, $1) ORDER BY 1",
      {{origin_prefix(migration_)}}));
  for (int row = 0; row < origins.size(); ++row) {
    auto origin = origins.text(row, 0);
    CO_TRY(co_await connection->exec_params("SELECT pg_replication_origin_drop($1)", {{origin}}));
    done.push_back("dropped replication origin " + origin);
  }
  failpoint("remove_after_origins");
  auto schema = CO_TRY(co_await remove_schema(*connection, migration_, Role::target));
  done.insert(done.end(), schema.begin(), schema.end());
  co_return done;
}

}  // namespace oxbow::postgres
