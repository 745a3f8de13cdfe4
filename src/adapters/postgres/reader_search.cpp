#include "adapters/postgres/reader_search.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "adapters/postgres/array_text.hpp"
#include "adapters/postgres/names.hpp"
#include "adapters/postgres/schema.hpp"
#include "adapters/postgres/session.hpp"

namespace oxbow::postgres {
namespace {

// The tables asked for, with all their parts. $1: schemas, $2: names.
constexpr std::string_view kTreeSql = R"sql(
  WITH asked AS (
    SELECT a.schema, a.name, to_regclass(format('%I.%I', a.schema, a.name)) AS root
    FROM unnest($1::text[], $2::text[]) AS a(schema, name)),
  tree AS (
    SELECT schema, name, root::oid AS relid FROM asked WHERE root IS NOT NULL
    UNION SELECT a.schema, a.name, p.relid::oid FROM asked a, pg_partition_tree(a.root) p)
)sql";

// A statement may quote what is nobody's business.
constexpr std::string_view kWithoutLiterals =
    "regexp_replace(regexp_replace(left({}, 300), '''([^'']|'''')*''?', '?', 'g'), '\\m[0-9]+\\M', '?', 'g')";

constexpr std::string_view kSessionsSql = R"sql(
  SELECT DISTINCT t.schema, t.name, coalesce(nullif(a.application_name, ''), 'a session'), a.usename,
         coalesce(' from ' || host(a.client_addr), ''), coalesce({statement}, '')
  FROM tree t
  JOIN pg_locks l ON l.locktype = 'relation' AND l.relation = t.relid AND l.granted
                 AND l.mode IN ('AccessShareLock', 'RowShareLock')
                 AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  JOIN pg_stat_activity a ON a.pid = l.pid AND a.backend_type = 'client backend'
  WHERE NOT starts_with(a.application_name, 'oxbow:') AND a.pid <> pg_backend_pid()
  ORDER BY 1, 2, 3, 4, 5, 6
)sql";

// A part that came later was counted from its beginning; one that went says nothing of the others.
constexpr std::string_view kCountsSql = R"sql(
  , counted AS (
    SELECT t.schema, t.name, t.relid, (coalesce(s.seq_scan, 0) + coalesce(s.idx_scan, 0))::bigint AS scans
    FROM tree t JOIN pg_stat_all_tables s ON s.relid = t.relid),
  before AS (SELECT relid, scans, since, looked_at FROM oxbow.reader_count WHERE migration = $3),
  known AS (
    SELECT c.schema, c.name, min(b.since) AS since, min(b.looked_at) AS looked_at
    FROM counted c JOIN before b USING (relid) GROUP BY 1, 2),
  kept AS (
    INSERT INTO oxbow.reader_count SELECT $3, relid, scans, clock_timestamp(), clock_timestamp() FROM counted
    ON CONFLICT (migration, relid) DO UPDATE SET scans = excluded.scans, looked_at = excluded.looked_at)
  SELECT c.schema, c.name,
         sum(greatest(c.scans - coalesce(b.scans, CASE WHEN k.since IS NULL THEN c.scans ELSE 0 END),
                      0))::bigint,
         coalesce(bool_or(c.scans < b.scans), false),
         to_char(k.looked_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
         (extract(epoch FROM coalesce(k.since, clock_timestamp())) * 1000000)::bigint
  FROM counted c LEFT JOIN known k USING (schema, name) LEFT JOIN before b USING (relid)
  GROUP BY c.schema, c.name, k.looked_at, k.since ORDER BY 1, 2
)sql";

constexpr std::string_view kStatementsSql = R"sql(
  SELECT t.schema, t.name, r.rolname, {statement}, s.userid || '/' || s.queryid, s.calls
  FROM (SELECT DISTINCT schema, name FROM tree) t
  JOIN {view} s ON s.query ~* ('\m' || regexp_replace(t.name, '(\W)', '\\\1', 'g') || '\M')
  JOIN pg_roles r ON r.oid = s.userid
  WHERE s.dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND s.queryid IS NOT NULL
    AND s.query !~* '^\s*(create|alter|drop|grant|revoke|comment)\M'
)sql";

constexpr std::string_view kSlotsSql = R"sql(
  SELECT DISTINCT t.schema, t.name, s.slot_name, s.plugin,
         coalesce(a.application_name || ' of ' || a.usename, '')
  FROM tree t
  CROSS JOIN pg_replication_slots s
  LEFT JOIN pg_stat_activity a ON a.pid = s.active_pid
  WHERE s.slot_type = 'logical' AND s.database = current_database() AND s.slot_name <> $3
    AND (s.plugin <> 'pgoutput' OR EXISTS (
      SELECT FROM pg_publication p WHERE p.pubname <> $3 AND (p.puballtables OR EXISTS (
        SELECT FROM pg_publication_rel r WHERE r.prpubid = p.oid AND r.prrelid = t.relid))))
  ORDER BY 1, 2, 3
)sql";

constexpr std::string_view kViewsSql = R"sql(
  SELECT DISTINCT t.schema, t.name, format('%I.%I', n.nspname, v.relname)
  FROM tree t
  JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = t.relid
                  AND d.classid = 'pg_rewrite'::regclass
  JOIN pg_rewrite w ON w.oid = d.objid
  JOIN pg_class v ON v.oid = w.ev_class AND v.relkind IN ('v', 'm')
  JOIN pg_namespace n ON n.oid = v.relnamespace
  ORDER BY 1, 2, 3
)sql";

// Asked on the other side, where the tables of legacy have no oid.
constexpr std::string_view kForeignTablesSql = R"sql(
  SELECT a.schema, a.name, format('%I.%I', n.nspname, c.relname), s.srvname
  FROM unnest($1::text[], $2::text[]) AS a(schema, name)
  JOIN pg_foreign_table f ON true
  JOIN pg_class c ON c.oid = f.ftrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_foreign_server s ON s.oid = f.ftserver
  LEFT JOIN LATERAL pg_options_to_table(f.ftoptions) AS of_table ON of_table.option_name = 'table_name'
  LEFT JOIN LATERAL pg_options_to_table(f.ftoptions) AS of_schema ON of_schema.option_name = 'schema_name'
  WHERE a.name = coalesce(of_table.option_value, c.relname)
    AND a.schema = coalesce(of_schema.option_value, n.nspname)
  ORDER BY 1, 2, 3
)sql";

std::vector<Param> params_of(const std::vector<TableName>& tables) {
  std::vector<std::string> schemas, names;
  for (const auto& table : tables) {
    schemas.push_back(table.schema);
    names.push_back(table.name);
  }
  return {{to_text_array(schemas)}, {to_text_array(names)}};
}

std::string with_tree(std::string_view sql) {
  return std::string(kTreeSql) + std::string(sql);
}

TableName table_in(const Rows& rows, int row) {
  return {rows.text(row, 0), rows.text(row, 1)};
}

}  // namespace

Task<Connection*> PgReaderSearch::legacy() {
  bool is_new = !legacy_ || !legacy_->is_still_open();
  CO_TRY(co_await ensure_open(legacy_, legacy_settings_, ""));
  if (is_new) CO_TRY(co_await install_schema(*legacy_, migration_, Role::source));
  co_return legacy_.get();
}

Task<ReadersSeen> PgReaderSearch::look_at_sessions(std::vector<TableName> tables) {
  auto* connection = CO_TRY(co_await legacy());
  auto statement = fmt::format(kWithoutLiterals, "a.query");
  Rows rows = CO_TRY(co_await connection->exec_params(
      with_tree(fmt::format(fmt::runtime(kSessionsSql), fmt::arg("statement", statement))),
      params_of(tables)));
  ReadersSeen seen;
  for (int row = 0; row < rows.size(); ++row)
    seen.readers.push_back(
        {ReaderKind::session, table_in(rows, row),
         fmt::format("{} of {}{}", rows.view(row, 2), rows.view(row, 3), rows.view(row, 4)),
         rows.text(row, 5)});
  co_return seen;
}

Task<ReadersSeen> PgReaderSearch::look(std::vector<TableName> tables) {
  ReadersSeen seen;
  CO_TRY(co_await compare_counts(tables, seen));
  CO_TRY(co_await compare_statements(tables, seen));
  auto* connection = CO_TRY(co_await legacy());
  auto params = params_of(tables);
  params.push_back({slot_name(migration_)});
  Rows slots = CO_TRY(co_await connection->exec_params(with_tree(kSlotsSql), params));
  for (int row = 0; row < slots.size(); ++row)
    seen.readers.push_back({ReaderKind::slot, table_in(slots, row), "replication slot " + slots.text(row, 2),
                            fmt::format("plugin {}{}{}", slots.view(row, 3),
                                        slots.view(row, 4).empty() ? "" : ", read by ", slots.view(row, 4))});
  Rows views = CO_TRY(co_await connection->exec_params(with_tree(kViewsSql), params_of(tables)));
  for (int row = 0; row < views.size(); ++row)
    seen.readers.push_back({ReaderKind::view, table_in(views, row), "view " + views.text(row, 2), ""});
  CO_TRY(co_await ensure_open(new_, new_settings_, ""));
  Rows foreign = CO_TRY(co_await new_->exec_params(std::string(kForeignTablesSql), params_of(tables)));
  for (int row = 0; row < foreign.size(); ++row)
    seen.readers.push_back({ReaderKind::foreign_table, table_in(foreign, row),
                            "foreign table " + foreign.text(row, 2),
                            "on the new side, by server " + foreign.text(row, 3)});
  co_return seen;
}

Task<void> PgReaderSearch::compare_counts(const std::vector<TableName>& tables, ReadersSeen& seen) {
  auto* connection = CO_TRY(co_await legacy());
  auto params = params_of(tables);
  params.push_back({migration_});
  Rows rows = CO_TRY(co_await connection->exec_params(with_tree(kCountsSql), params));
  for (int row = 0; row < rows.size(); ++row) {
    auto since = rows.text(row, 4);
    auto scans = rows.number<std::uint64_t>(row, 2);
    if (scans > 0)
      seen.readers.push_back(
          {ReaderKind::scan, table_in(rows, row), "somebody",
           fmt::format("{} since {}", scans == 1 ? "1 scan" : fmt::format("{} scans", scans), since)});
    if (rows.boolean(row, 3))
      seen.readers.push_back({ReaderKind::lost_count, table_in(rows, row), "perhaps somebody",
                              fmt::format("the server has lost its counts since {}", since)});
    WallTime counted{std::chrono::microseconds(rows.number(row, 5))};
    seen.counted_since = std::max(seen.counted_since.value_or(counted), counted);
  }
  co_return Status{};
}

// The statistics of statements are an extension, which may be anywhere or nowhere.
Task<void> PgReaderSearch::compare_statements(const std::vector<TableName>& tables, ReadersSeen& seen) {
  auto* connection = CO_TRY(co_await legacy());
  Rows where = CO_TRY(co_await connection->exec(
      "SELECT format('%I.pg_stat_statements', n.nspname) FROM pg_extension e JOIN pg_namespace n ON n.oid = "
      "e.extnamespace WHERE e.extname = 'pg_stat_statements'"));
  if (where.empty()) co_return Status{};
  auto sql = with_tree(fmt::format(fmt::runtime(kStatementsSql),
                                   fmt::arg("statement", fmt::format(kWithoutLiterals, "s.query")),
                                   fmt::arg("view", where.text(0, 0))));
  auto asked = co_await connection->exec_params(sql, params_of(tables));
  constexpr std::string_view kNotLoaded = "55000";  // installed, and not among the preloaded libraries
  if (!asked && sqlstate_of(asked.error()) == kNotLoaded) co_return Status{};
  Rows rows = CO_TRY(std::move(asked));
  std::map<std::string, std::uint64_t> calls;
  for (int row = 0; row < rows.size(); ++row) {
    auto id = rows.text(row, 4);
    auto count = rows.number<std::uint64_t>(row, 5);
    auto before = calls_.find(id);
    bool has_run = before == calls_.end() || count != before->second;
    if (knows_calls_ && has_run)
      seen.readers.push_back(
          {ReaderKind::statement, table_in(rows, row), "role " + rows.text(row, 2), rows.text(row, 3)});
    calls[id] = count;
  }
  calls_ = std::move(calls);
  knows_calls_ = true;
  co_return Status{};
}

}  // namespace oxbow::postgres
