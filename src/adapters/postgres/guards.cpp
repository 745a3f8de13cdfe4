#include "adapters/postgres/guards.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "adapters/postgres/guard_sql.hpp"
#include "adapters/postgres/locked_change.hpp"
#include "adapters/postgres/schema.hpp"
#include "adapters/postgres/session.hpp"
#include "base/assert.hpp"
#include "base/text.hpp"
#include "runtime/failpoint.hpp"

namespace oxbow::postgres {
namespace {

// The lock of a prepared transaction shows no process. Our own sessions are waited for like any others: what
// a session calls itself proves nothing.
constexpr std::string_view kWritersSql = R"sql(
  SELECT DISTINCT l.virtualtransaction, coalesce(l.pid, 0), coalesce(a.application_name, ''),
         coalesce(a.usename, ''), coalesce(p.gid, ''),
         coalesce(extract(epoch FROM clock_timestamp() - coalesce(a.xact_start, p.prepared)) * 1000000,
                  0)::bigint,
         coalesce(starts_with(a.state, 'idle in transaction'), false)
  FROM pg_locks l
  LEFT JOIN pg_stat_activity a ON a.pid = l.pid
  LEFT JOIN pg_locks own ON l.pid IS NULL AND own.pid IS NULL AND own.locktype = 'transactionid'
                        AND own.virtualtransaction = l.virtualtransaction
  LEFT JOIN pg_prepared_xacts p ON p.transaction = own.transactionid
  WHERE l.granted AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND l.pid IS DISTINCT FROM pg_backend_pid()
    AND )sql";

constexpr std::string_view kHoldsTableSql = R"sql(
  l.locktype = 'relation'
  AND l.mode IN ('RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
  AND l.relation IN (SELECT coalesce(tree.relid, t.tgrelid) FROM pg_trigger t
                     LEFT JOIN LATERAL pg_partition_tree(t.tgrelid) tree ON true WHERE t.tgname = $1)
)sql";

constexpr std::string_view kHoldsLockSql = R"sql(
  l.locktype = 'advisory' AND l.mode = 'ShareLock' AND l.objsubid = 1
  AND (l.classid::bigint << 32) + l.objid::bigint = )sql";

constexpr std::string_view kLeavesSql =
    "SELECT format('%I.%I', n.nspname, c.relname), EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid "
    "AND t.tgname = $2) FROM (SELECT $1::regclass::oid AS oid UNION "
    "SELECT relid FROM pg_partition_tree($1::regclass)) tree "
    "JOIN pg_class c ON c.oid = tree.oid JOIN pg_namespace n ON n.oid = c.relnamespace";

constexpr std::string_view kGuardedTablesSql = R"sql(
  SELECT format('%I.%I', n.nspname, c.relname),
         string_agg(format('DROP TRIGGER %I ON %I.%I', t.tgname, n.nspname, c.relname), '; ')
  FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE starts_with(t.tgname, $1) AND t.tgparentid = 0
  GROUP BY 1 ORDER BY 1
)sql";

// Told by what they call, so that those are found, too, whose triggers are gone or were never made.
constexpr std::string_view kGuardFunctionsSql = R"sql(
  SELECT p.oid::regprocedure::text FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
  WHERE n.nspname = 'oxbow'
    AND (p.proname = $1 || '_judge' OR strpos(p.prosrc, 'oxbow.' || $1 || '_judge(') > 0)
  ORDER BY 1
)sql";

std::vector<WriterAtWork> writers_in(const Rows& rows) {
  std::vector<WriterAtWork> writers;
  for (int row = 0; row < rows.size(); ++row) {
    auto application = rows.text(row, 2), user = rows.text(row, 3), prepared = rows.text(row, 4);
    auto who = !prepared.empty()     ? "prepared transaction " + prepared
               : application.empty() ? user
                                     : application + " of " + user;
    writers.push_back({.transaction = rows.text(row, 0),
                       .who = std::move(who),
                       .pid = rows.number(row, 1),
                       .age = std::chrono::microseconds(rows.number(row, 5)),
                       .idle_in_transaction = rows.boolean(row, 6)});
  }
  return writers;
}

std::string cell_literal(const std::string& guard, CohortId cohort) {
  return quote_literal(guard_cell(guard, cohort.value())) + "::regclass";
}

}  // namespace

// A standby that lags must not hold a fence up; what it may lose is noticed by its position.
Task<Connection*> PgGuards::session() {
  CO_TRY(co_await ensure_open(connection_, settings_, "SET synchronous_commit = local"));
  co_return connection_.get();
}

std::string PgGuards::guard_of(const std::string& entity) const {
  return guard_name(migration_, side_, entity);
}

Task<void> PgGuards::install(GuardedEntity entity, std::vector<GuardState> initial) {
  OXBOW_ASSERT(initial.size() == entity.cohort_names.size(), "{} states for {} cohorts", initial.size(),
               entity.cohort_names.size());
  auto* connection = CO_TRY(co_await session());
  CO_TRY(
      co_await install_schema(*connection, migration_, side_ == Side::legacy ? Role::source : Role::target));
  auto guard = guard_of(entity.name);
  CO_TRY(co_await make_cells(*connection, guard, entity, initial));
  CO_TRY(co_await make_functions(*connection, guard, entity));
  for (const auto& table : entity.tables) CO_TRY(co_await make_triggers(*connection, guard, table));
  co_return Status{};
}

// Every session compiles a function anew that was replaced, so what is the same stays.
Task<void> PgGuards::make_functions(Connection& connection, const std::string& guard,
                                    const GuardedEntity& entity) {
  auto sql = guard_functions_sql(guard, entity);
  for (const auto& table : entity.tables) sql += guard_table_functions_sql(guard, entity, table);
  auto judge = fmt::format("oxbow.{}_judge(int, text)", guard);
  Rows same = CO_TRY(co_await connection.exec_params(
      "SELECT coalesce(obj_description(to_regprocedure($1), 'pg_proc') = md5($2), false)", {{judge}, {sql}}));
  if (same.boolean(0, 0)) co_return Status{};
  CO_TRY(co_await connection.exec(sql));
  Rows sum = CO_TRY(co_await connection.exec_params("SELECT md5($1)", {{sql}}));
  CO_TRY(co_await connection.exec(
      fmt::format("COMMENT ON FUNCTION {} IS {}", judge, quote_literal(sum.view(0, 0)))));
  co_return Status{};
}

// Everybody who writes reads the cells, by whatever role.
Task<void> PgGuards::make_cells(Connection& connection, const std::string& guard, const GuardedEntity& entity,
                                const std::vector<GuardState>& initial) {
  std::string sql = "BEGIN; GRANT USAGE ON SCHEMA oxbow TO PUBLIC; ";
  for (std::size_t i = 0; i < entity.cohort_names.size(); ++i) {
    auto cell = guard_cell(guard, i);
    auto word = guard_word(initial[i]);
    sql += fmt::format(
        "CREATE SEQUENCE IF NOT EXISTS {0} MINVALUE 0 START 0; GRANT SELECT ON SEQUENCE {0} TO PUBLIC; "
        "SELECT setval('{0}', {1}) WHERE pg_sequence_last_value('{0}') IS NULL; ",
        cell, word);
  }
  auto made = co_await connection.exec(sql + "COMMIT");
  if (made) co_return Status{};
  if (connection.is_open()) CO_TRY(co_await connection.exec("ROLLBACK"));
  co_return std::unexpected(std::move(made).error());
}

// Such a trigger could still give a row that was let through to another cohort.
Task<void> PgGuards::refuse_triggers_behind(Connection& connection, const std::string& guard,
                                            const GuardedTable& table) {
  Rows behind = CO_TRY(co_await connection.exec_params(
      "SELECT tgname FROM pg_trigger WHERE tgrelid = $1::regclass AND NOT tgisinternal AND tgtype & 3 = 3 "
      "AND tgname > $2::name AND NOT starts_with(tgname, $2) ORDER BY 1",
      {{quoted(table.name)}, {guard_trigger(guard, "")}}));
  if (behind.empty()) co_return Status{};
  co_return Err(
      ErrorCode::preflight_failed,
      "trigger {} of {} would fire behind the guard and could change what the guard has seen: give it "
      "a name that begins with a letter",
      behind.view(0, 0), to_string(table.name));
}

// Triggers of rows come to the parts of a table by themselves; those of TRUNCATE do not.
Task<void> PgGuards::make_triggers(Connection& connection, const std::string& guard,
                                   const GuardedTable& table) {
  auto truncate = guard_trigger(guard, "truncate");
  CO_TRY(co_await refuse_triggers_behind(connection, guard, table));
  Rows leaves = CO_TRY(
      co_await query_giving_way(connection, std::string(kLeavesSql), {{quoted(table.name)}, {truncate}}));
  Rows guarded = CO_TRY(
      co_await connection.exec_params("SELECT 1 FROM pg_trigger WHERE tgrelid = $1::regclass AND tgname = $2",
                                      {{quoted(table.name)}, {guard_trigger(guard, "insert")}}));
  if (guarded.empty()) CO_TRY(co_await change_under_lock(connection, guard_row_triggers_sql(guard, table)));
  for (int row = 0; row < leaves.size(); ++row) {
    if (leaves.boolean(row, 1)) continue;
    CO_TRY(co_await change_under_lock(connection, guard_truncate_trigger_sql(guard, leaves.text(row, 0))));
  }
  co_return Status{};
}

Task<std::vector<GuardState>> PgGuards::read(std::string entity) {
  auto* connection = CO_TRY(co_await session());
  Rows rows =
      CO_TRY(co_await connection->exec_params("SELECT coalesce(pg_sequence_last_value(oid), 3) FROM pg_class "
                                              "WHERE relnamespace = to_regnamespace('oxbow') "
                                              "AND relkind = 'S' AND relname ~ ('^' || $1 || '_[0-9]+$') "
                                              "ORDER BY substring(relname FROM '[0-9]+$')::int",
                                              {{guard_of(entity)}}));
  std::vector<GuardState> states;
  for (int row = 0; row < rows.size(); ++row) states.push_back(parse_guard_word(rows.number(row, 0)));
  co_return states;
}

Task<void> PgGuards::set(std::string entity, CohortId cohort, GuardState state) {
  auto* connection = CO_TRY(co_await session());
  auto cell = cell_literal(guard_of(entity), cohort);
  auto word = guard_word(state);
  auto set = co_await connection->exec(fmt::format(
      "SELECT setval({0}, {1}) FROM (SELECT pg_sequence_last_value({0}) AS word) AS before WHERE {2}", cell,
      word, may_follow_sql("before.word", word)));
  constexpr std::string_view kNoSuchTable = "42P01", kNoSuchSchema = "3F000";
  bool is_missing =
      !set && (sqlstate_of(set.error()) == kNoSuchTable || sqlstate_of(set.error()) == kNoSuchSchema);
  if (is_missing) co_return Err(ErrorCode::not_found, "{} has no guard on the {} side", entity, name(side_));
  Rows done = CO_TRY(std::move(set));
  if (!done.empty()) co_return Status{};
  co_return Err(
      ErrorCode::illegal_transition,
      "the guard of {} on the {} side does not become {} by order {} of epoch {}: it has carried out "
      "a later one, or has lost the announcement",
      entity, name(side_), name(state.mode), state.order.value(), state.epoch);
}

Task<std::vector<WriterAtWork>> PgGuards::writers(std::string entity) {
  auto* connection = CO_TRY(co_await session());
  Rows rows = CO_TRY(co_await connection->exec_params(std::string(kWritersSql) + std::string(kHoldsTableSql),
                                                      {{guard_trigger(guard_of(entity), "insert")}}));
  co_return writers_in(rows);
}

Task<std::vector<WriterAtWork>> PgGuards::writers_of(std::string entity, CohortId cohort) {
  auto* connection = CO_TRY(co_await session());
  auto cell = cell_literal(guard_of(entity), cohort);
  Rows rows = CO_TRY(co_await connection->exec(std::string(kWritersSql) + std::string(kHoldsLockSql) +
                                               guard_lock_sql(cell)));
  co_return writers_in(rows);
}

// Writers only ever try for this lock, so waiting for it makes nobody wait for us.
Task<bool> PgGuards::drain(std::string entity, CohortId cohort, Duration patience) {
  auto* connection = CO_TRY(co_await session());
  auto patience_ms = std::chrono::duration_cast<std::chrono::milliseconds>(patience).count();
  auto drained = co_await connection->exec(fmt::format(
      "BEGIN; SET LOCAL lock_timeout = '{}ms'; SELECT pg_advisory_xact_lock({}); COMMIT",
      std::max<std::int64_t>(patience_ms, 1), guard_lock_sql(cell_literal(guard_of(entity), cohort))));
  if (drained) co_return true;
  if (connection->is_open()) CO_TRY(co_await connection->exec("ROLLBACK"));
  if (sqlstate_of(drained.error()) == "55P03") co_return false;
  co_return std::unexpected(std::move(drained).error());
}

Task<std::vector<std::string>> PgGuards::remove(std::string entity) {
  auto* connection = CO_TRY(co_await session());
  auto guard = guard_of(entity);
  std::vector<std::string> done;
  Rows tables =
      CO_TRY(co_await connection->exec_params(std::string(kGuardedTablesSql), {{guard_trigger(guard, "")}}));
  for (int row = 0; row < tables.size(); ++row) {
    CO_TRY(co_await change_under_lock(*connection, tables.text(row, 1)));
    done.push_back("dropped the guard of " + tables.text(row, 0));
    failpoint("remove_guards_after_table");
  }
  Rows functions = CO_TRY(co_await connection->exec_params(std::string(kGuardFunctionsSql), {{guard}}));
  auto states = CO_TRY(co_await read(entity));
  std::vector<std::string> drops;
  for (int row = 0; row < functions.size(); ++row) drops.push_back("DROP FUNCTION " + functions.text(row, 0));
  for (std::size_t i = 0; i < states.size(); ++i) drops.push_back("DROP SEQUENCE " + guard_cell(guard, i));
  if (drops.empty()) co_return done;
  CO_TRY(co_await change_under_lock(*connection, fmt::format("{}", fmt::join(drops, "; "))));
  done.push_back(fmt::format("dropped {} and {} of the guards of {}",
                             counted(static_cast<std::uint64_t>(functions.size()), "function", "functions"),
                             counted(states.size(), "sequence", "sequences"), entity));
  co_return done;
}

}  // namespace oxbow::postgres
