#include "adapters/postgres/guards.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "adapters/postgres/array_text.hpp"
#include "adapters/postgres/guard_sql.hpp"
#include "adapters/postgres/locked_change.hpp"
#include "adapters/postgres/schema.hpp"
#include "adapters/postgres/session.hpp"
#include "adapters/postgres/writers.hpp"
#include "base/assert.hpp"
#include "base/text.hpp"
#include "runtime/failpoint.hpp"

namespace oxbow::postgres {
namespace {

constexpr std::string_view kHoldsTableSql = R"sql(
  l.locktype = 'relation'
  AND l.mode IN ('RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
  AND l.relation IN (SELECT coalesce(tree.relid, t.tgrelid) FROM pg_trigger t
                     LEFT JOIN LATERAL pg_partition_tree(t.tgrelid) tree ON true WHERE t.tgname = $1)
)sql";

constexpr std::string_view kHoldsLockSql = R"sql(
  l.locktype = 'advisory' AND l.mode = 'ShareLock' AND l.objsubid = 1
  AND (l.classid::bigint << 32) + l.objid::bigint = )sql";

// Triggers that are missing or do not fire, in tables $2 and their parts, looked up without locks: this must
// never wait. Triggers of rows come to a partition from above, and cannot be dropped there alone.
constexpr std::string_view kGapsSql = R"sql(
  WITH RECURSIVE tree (oid, root) AS (
    SELECT to_regclass(name)::oid, place FROM unnest($2::text[]) WITH ORDINALITY AS t (name, place)
    UNION SELECT i.inhrelid, root FROM pg_inherits i JOIN tree ON i.inhparent = tree.oid)
  SELECT format('%I.%I', n.nspname, c.relname) AS part, root, operation, t.oid IS NOT NULL AS is_off,
         tree.oid <> to_regclass(($2::text[])[root])::oid AS is_below
  FROM tree JOIN pg_class c ON c.oid = tree.oid JOIN pg_namespace n ON n.oid = c.relnamespace
       CROSS JOIN unnest('{insert,update,delete,truncate}'::text[]) WITH ORDINALITY AS o (operation, nth)
       LEFT JOIN pg_trigger t ON t.tgrelid = c.oid AND t.tgname = $1 || operation
  WHERE CASE WHEN t.oid IS NULL THEN operation = 'truncate' OR NOT c.relispartition
             ELSE t.tgenabled NOT IN ('O', 'A') END
  ORDER BY root, is_below, part, nth
)sql";

constexpr std::string_view kWordsSql =
    "SELECT coalesce(pg_sequence_last_value(oid), 3) AS word, substring(relname FROM '[0-9]+$')::int AS nth "
    "FROM pg_class WHERE relnamespace = to_regnamespace('oxbow') AND relkind = 'S' "
    "AND relname ~ ('^' || $3 || '_[0-9]+$')";

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

// Of each table that has a guard, also where its triggers are gone: what its rows meet, and the table.
constexpr std::string_view kTableFunctionsSql = R"sql(
  SELECT 'oxbow.' || p.proname,
         coalesce((SELECT min(format('%s.%s', n.nspname, c.relname)) FROM pg_trigger t
                   JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
                   WHERE t.tgfoid = p.oid AND t.tgparentid = 0), 'a table that is gone')
  FROM pg_proc p JOIN pg_namespace s ON s.oid = p.pronamespace
  WHERE s.nspname = 'oxbow' AND p.proname ~ '_insert$'
    AND strpos(p.prosrc, 'oxbow.' || $1 || '_judge(') > 0
  ORDER BY 2
)sql";

// No row where the schema is missing; a cell counts if everybody may read it and it has a value. One of a
// cohort that the spec has not any more does no harm. {} asks for gaps, of $1 and $2.
constexpr std::string_view kStandsSql = R"sql(
  SELECT coalesce(obj_description(to_regprocedure($3), 'pg_proc') = md5($4), false)
     AND has_schema_privilege('public', n.oid, 'USAGE')
     AND has_function_privilege('public', to_regprocedure($3), 'EXECUTE')
     AND coalesce(has_function_privilege('public', to_regprocedure($7), 'EXECUTE'), false)
     AND (SELECT count(*) FROM (SELECT to_regclass('oxbow.' || $5 || '_' || cohort)::oid AS cell
                                FROM generate_series(0, $6::int - 1) cohort) cells
          WHERE has_sequence_privilege('public', cell, 'SELECT')
            AND pg_sequence_last_value(cell) IS NOT NULL) = $6::int,
     NOT EXISTS (SELECT FROM ({}) AS gaps)
     AND NOT EXISTS (SELECT FROM unnest($2::text[]) AS t (name) JOIN pg_trigger behind
       ON behind.tgrelid = to_regclass(name) AND NOT behind.tgisinternal AND behind.tgtype & 3 = 3
          AND behind.tgname > $1::name AND NOT starts_with(behind.tgname, $1))
  FROM pg_namespace n WHERE n.nspname = 'oxbow'
)sql";

std::vector<std::string> quoted_names(const std::vector<TableName>& tables) {
  std::vector<std::string> names;
  for (const auto& table : tables) names.push_back(quoted(table));
  return names;
}

std::string judge_of(const std::string& guard, std::string_view arguments = "int, text") {
  return fmt::format("oxbow.{}_judge({})", guard, arguments);
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
  auto guard = guard_of(entity.name);
  auto functions = guard_functions_sql(guard, entity);
  for (const auto& table : entity.tables) functions += guard_table_functions_sql(guard, entity, table);
  auto standing = CO_TRY(co_await standing_of(*connection, guard, entity, functions));
  if (!standing.functions) {
    auto role = side_ == Side::legacy ? Role::source : Role::target;
    CO_TRY(co_await install_schema(*connection, migration_, role));
    CO_TRY(co_await make_cells(*connection, guard, entity, initial));
    CO_TRY(co_await make_functions(*connection, guard, entity, functions));
  }
  if (standing.triggers) co_return Status{};
  for (const auto& table : entity.tables) CO_TRY(co_await make_triggers(*connection, guard, table));
  co_return Status{};
}

// What is there as it should be. Asked first, because a catalog that is written makes
// every session of the server plan its statements anew, even where what was written is the same as before.
Task<PgGuards::Standing> PgGuards::standing_of(Connection& connection, const std::string& guard,
                                               const GuardedEntity& entity, const std::string& functions) {
  std::vector<TableName> tables;
  for (const auto& table : entity.tables) tables.push_back(table.name);
  Rows rows = CO_TRY(co_await connection.exec_params(fmt::format(kStandsSql, kGapsSql),
                                                     {{guard_trigger(guard, "")},
                                                      {to_text_array(quoted_names(tables))},
                                                      {judge_of(guard)},
                                                      {functions},
                                                      {guard},
                                                      {std::to_string(entity.cohort_names.size())},
                                                      {judge_of(guard, "text")}}));
  if (rows.empty()) co_return Standing{};
  co_return Standing{rows.boolean(0, 0), rows.boolean(0, 1)};
}

// A table that the entity has no longer is nobody's to guard.
Task<void> PgGuards::make_functions(Connection& connection, const std::string& guard,
                                    const GuardedEntity& entity, const std::string& functions) {
  CO_TRY(co_await connection.exec(functions));
  Rows known = CO_TRY(co_await connection.exec_params(std::string(kTableFunctionsSql), {{guard}}));
  for (int row = 0; row < known.size(); ++row) {
    auto function = known.text(row, 0);
    bool is_wanted = std::ranges::any_of(entity.tables, [&](const GuardedTable& table) {
      return guard_function(guard, table.name, "insert") == function;
    });
    if (is_wanted) continue;
    auto base = function.substr(0, function.rfind('_'));
    CO_TRY(co_await change_under_lock(
        connection, fmt::format("DROP FUNCTION {0}_insert(), {0}_update(), {0}_delete() CASCADE", base)));
  }
  Rows sum = CO_TRY(co_await connection.exec_params("SELECT md5($1)", {{functions}}));
  CO_TRY(co_await connection.exec(
      fmt::format("COMMENT ON FUNCTION {} IS {}", judge_of(guard), quote_literal(sum.view(0, 0)))));
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

Task<std::vector<PgGuards::OpenPart>> PgGuards::find_gaps(Connection& connection, const std::string& guard,
                                                          const std::vector<TableName>& tables) {
  Rows rows = CO_TRY(co_await connection.exec_params(
      std::string(kGapsSql), {{guard_trigger(guard, "")}, {to_text_array(quoted_names(tables))}}));
  std::vector<OpenPart> parts;
  for (int row = 0; row < rows.size(); ++row) {
    auto part = rows.text(row, 0);
    const auto& table = tables[rows.number<std::size_t>(row, 1) - 1];
    auto operation = rows.view(row, 2);
    bool is_off = rows.boolean(row, 3), is_below = rows.boolean(row, 4);
    if (parts.empty() || parts.back().name != part)
      parts.push_back({.name = part, .sql = {}, .came_later = is_below});
    auto& open = parts.back();
    open.came_later = open.came_later && !is_off;
    open.sql += open.sql.empty() ? "" : "; ";
    open.sql += is_off ? fmt::format("ALTER TABLE {} ENABLE TRIGGER {}", part,
                                     quote_identifier(guard_trigger(guard, operation)))
                       : guard_trigger_sql(guard, table, operation, part);
  }
  co_return parts;
}

Task<void> PgGuards::make_triggers(Connection& connection, const std::string& guard,
                                   const GuardedTable& table) {
  CO_TRY(co_await refuse_triggers_behind(connection, guard, table));
  for (auto& part : CO_TRY(co_await find_gaps(connection, guard, {table.name})))
    CO_TRY(co_await change_under_lock(connection, std::move(part.sql)));
  co_return Status{};
}

Task<std::vector<GuardGap>> PgGuards::mend(std::string entity, std::vector<TableName> tables, Mend what) {
  auto* connection = CO_TRY(co_await session());
  std::vector<GuardGap> gaps;
  for (auto& part : CO_TRY(co_await find_gaps(*connection, guard_of(entity), tables))) {
    if (what == Mend::new_parts && !part.came_later) continue;
    auto& gap = gaps.emplace_back(GuardGap{std::move(part.name), part.came_later, std::nullopt});
    auto mended = co_await change_if_free(*connection, std::move(part.sql));
    bool goes_on = mended || connection->is_open();
    if (!goes_on) co_return std::unexpected(std::move(mended).error());
    if (!mended) gap.open = std::move(mended).error();
    if (mended && !*mended) gap.open = Error{ErrorCode::timeout, "somebody holds a lock on it"};
  }
  co_return gaps;
}

Task<GuardsSeen> PgGuards::look(std::string entity, std::vector<TableName> tables) {
  auto* connection = CO_TRY(co_await session());
  auto guard = guard_of(entity);
  auto sql = fmt::format(
      "SELECT ARRAY(SELECT word FROM ({}) AS cells ORDER BY nth)::text, "
      "ARRAY(SELECT DISTINCT part FROM ({}) AS gaps WHERE is_off OR NOT is_below ORDER BY part)::text",
      kWordsSql, kGapsSql);
  Rows rows = CO_TRY(co_await connection->exec_params(
      std::move(sql), {{guard_trigger(guard, "")}, {to_text_array(quoted_names(tables))}, {guard}}));
  GuardsSeen seen;
  for (const auto& word : parse_text_array(rows.view(0, 0)))
    seen.states.push_back(parse_guard_word(std::stoll(word)));
  seen.lost_at = parse_text_array(rows.view(0, 1));
  co_return seen;
}

Task<TableChanges> PgGuards::compare_tables(std::string entity, std::vector<TableName> tables) {
  auto* connection = CO_TRY(co_await session());
  auto guard = guard_of(entity);
  Rows rows = CO_TRY(co_await connection->exec_params(std::string(kTableFunctionsSql), {{guard}}));
  std::map<std::string, std::string> known;  // table by function
  for (int row = 0; row < rows.size(); ++row) known[rows.text(row, 0)] = rows.text(row, 1);
  TableChanges changes;
  if (known.empty()) co_return changes;
  for (const auto& table : tables)
    if (!known.extract(guard_function(guard, table, "insert"))) changes.taken_in.push_back(to_string(table));
  for (auto& [function, table] : known) changes.taken_out.push_back(std::move(table));
  co_return changes;
}

Task<std::vector<GuardState>> PgGuards::read(std::string entity) {
  auto seen = CO_TRY(co_await look(std::move(entity), {}));
  co_return std::move(seen.states);
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
  co_return co_await writers_where(*connection, std::string(kHoldsTableSql),
                                   {{guard_trigger(guard_of(entity), "insert")}});
}

Task<std::vector<WriterAtWork>> PgGuards::writers_of(std::string entity, CohortId cohort) {
  auto* connection = CO_TRY(co_await session());
  auto cell = cell_literal(guard_of(entity), cohort);
  co_return co_await writers_where(*connection, std::string(kHoldsLockSql) + guard_lock_sql(cell), {});
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
