#include "adapters/postgres/schema.hpp"

#include <fmt/format.h>

#include <array>
#include <set>

#include "adapters/postgres/array_text.hpp"
#include "adapters/postgres/names.hpp"
#include "model/course.hpp"

namespace oxbow::postgres {
namespace {

// Statements are idempotent one by one; the advisory lock keeps two migrations from creating the same thing
// at once.
constexpr std::string_view kInstallSql = R"sql(
BEGIN;
SELECT pg_advisory_xact_lock(hashtextextended('oxbow schema', 0));
CREATE SCHEMA IF NOT EXISTS oxbow;
CREATE TABLE IF NOT EXISTS oxbow.migration (
  name text, role text, installed_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (name, role));
COMMENT ON SCHEMA oxbow IS 'What oxbow keeps here while it migrates; `oxbow doctor --remove` takes it away.';
)sql";

constexpr std::string_view kInstallSourceSql = R"sql(
CREATE TABLE IF NOT EXISTS oxbow.identity (
  migration text, table_schema text, table_name text, identity text NOT NULL, index_name text NOT NULL,
  PRIMARY KEY (migration, table_schema, table_name));
COMMENT ON TABLE oxbow.identity IS 'Replica identities as they were before oxbow changed them.';
CREATE TABLE IF NOT EXISTS oxbow.leaf_identity (
  migration text, table_schema text, table_name text, identity text NOT NULL, index_name text NOT NULL,
  PRIMARY KEY (migration, table_schema, table_name));
COMMENT ON TABLE oxbow.leaf_identity IS 'Replica identities that new partitions of these tables need.';
CREATE TABLE IF NOT EXISTS oxbow.reader_count (
  migration text, relid oid, scans bigint NOT NULL, since timestamptz NOT NULL,
  looked_at timestamptz NOT NULL, PRIMARY KEY (migration, relid));
COMMENT ON TABLE oxbow.reader_count IS 'How often tables that nobody should read had been read.';
CREATE OR REPLACE FUNCTION oxbow.give_identity() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '100ms' AS $give$
DECLARE
  leaf record;
BEGIN
  FOR leaf IN
    SELECT w.migration, n.nspname, c.relname, w.identity, x.relname AS index_name
    FROM oxbow.leaf_identity w
    CROSS JOIN LATERAL pg_partition_tree(to_regclass(format('%I.%I', w.table_schema, w.table_name))) p
    JOIN pg_class c ON c.oid = p.relid AND p.isleaf AND c.relreplident = 'd'
    JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_class x ON x.oid IN (
      SELECT i.indexrelid FROM pg_index i
      JOIN pg_partition_tree(to_regclass(format('%I.%I', w.table_schema, w.index_name))) q
        ON q.relid = i.indexrelid
      WHERE i.indrelid = c.oid AND w.index_name <> '')
    WHERE w.identity = 'f' OR x.oid IS NOT NULL
  LOOP
    INSERT INTO oxbow.identity VALUES (leaf.migration, leaf.nspname, leaf.relname, 'd', '')
      ON CONFLICT DO NOTHING;
    EXECUTE format('ALTER TABLE %I.%I REPLICA IDENTITY ', leaf.nspname, leaf.relname) ||
      CASE leaf.identity WHEN 'f' THEN 'FULL' ELSE format('USING INDEX %I', leaf.index_name) END;
  END LOOP;
EXCEPTION WHEN OTHERS THEN
  -- Whatever goes wrong in here, the statement of the application must not fail because of it.
  RAISE WARNING 'oxbow could not set the replica identity of a new partition: %', SQLERRM;
END
$give$;
)sql";

constexpr std::string_view kInstallTargetSql = R"sql(
CREATE TABLE IF NOT EXISTS oxbow.stream (
  migration text PRIMARY KEY, lsn pg_lsn NOT NULL, unproven xid8[] NOT NULL);
ALTER TABLE oxbow.stream ADD COLUMN IF NOT EXISTS beat bigint NOT NULL DEFAULT 0;
COMMENT ON TABLE oxbow.stream IS 'How far the rows here follow the log of the other side.';
CREATE TABLE IF NOT EXISTS oxbow.range (
  migration text, id bigint, table_number bigint NOT NULL, job bigint NOT NULL,
  lower_tuple bytea NOT NULL, lower_literals text[] NOT NULL,
  upper_tuple bytea NOT NULL, upper_literals text[] NOT NULL,
  phase text NOT NULL, snapshot text NOT NULL, settled_at pg_lsn NOT NULL, row_count bigint NOT NULL,
  cohorts bigint[] NOT NULL,
  PRIMARY KEY (migration, id));
ALTER TABLE oxbow.range ADD COLUMN IF NOT EXISTS read_columns text[] NOT NULL DEFAULT '{}';
COMMENT ON TABLE oxbow.range IS 'Key ranges of the backfill and what has become of each.';
CREATE TABLE IF NOT EXISTS oxbow.quarantine (
  migration text, id bigint GENERATED ALWAYS AS IDENTITY, at timestamptz NOT NULL DEFAULT now(),
  table_number bigint NOT NULL, key text NOT NULL, key_tuple bytea NOT NULL,
  reason text NOT NULL, sqlstate text NOT NULL,
  tuple bytea NOT NULL, op text NOT NULL, lsn pg_lsn NOT NULL,
  PRIMARY KEY (migration, id));
CREATE INDEX IF NOT EXISTS quarantine_key ON oxbow.quarantine USING hash (key_tuple);
COMMENT ON TABLE oxbow.quarantine IS 'Rows that this side rejected, and later changes of their keys.';
CREATE TABLE IF NOT EXISTS oxbow.rogue_write (
  migration text, id bigint GENERATED ALWAYS AS IDENTITY, at timestamptz NOT NULL DEFAULT clock_timestamp(),
  table_schema text NOT NULL, table_name text NOT NULL, operation text NOT NULL, before text, after text,
  login text NOT NULL, application text NOT NULL, address text NOT NULL,
  PRIMARY KEY (migration, id));
COMMENT ON TABLE oxbow.rogue_write IS 'Writes by others on tables that only oxbow may write.';
CREATE TABLE IF NOT EXISTS oxbow.part (
  migration text, table_schema text, table_name text, table_oid bigint NOT NULL,
  oid bigint, parent bigint NOT NULL, part_schema text NOT NULL, part_name text NOT NULL,
  file bigint NOT NULL, linked_by bigint NOT NULL, columns bigint[] NOT NULL, seen_before xid8 NOT NULL,
  PRIMARY KEY (migration, table_schema, table_name, oid));
COMMENT ON TABLE oxbow.part IS 'What the tables of the other side consisted of when last seen.';
CREATE TABLE IF NOT EXISTS oxbow.truncation (
  migration text, table_number bigint, wanted_by xid8, PRIMARY KEY (migration, table_number, wanted_by));
COMMENT ON TABLE oxbow.truncation IS 'Transactions of the other side that emptied a whole table.';
CREATE OR REPLACE FUNCTION oxbow.watch() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $watch$
DECLARE
  old_image text;
  new_image text;
BEGIN
  -- Whatever goes wrong in here, the application's own write must not fail because of it.
  BEGIN
    IF TG_OP IN ('UPDATE', 'DELETE') THEN old_image := row_to_json(OLD)::text; END IF;
    IF TG_OP IN ('INSERT', 'UPDATE') THEN new_image := row_to_json(NEW)::text; END IF;
    INSERT INTO oxbow.rogue_write
      (migration, table_schema, table_name, operation, before, after, login, application, address)
    VALUES (TG_ARGV[0], TG_ARGV[1], TG_ARGV[2], TG_OP, old_image, new_image, session_user,
            coalesce(current_setting('application_name', true), ''), coalesce(host(inet_client_addr()), ''));
  EXCEPTION WHEN OTHERS THEN
    RAISE WARNING 'oxbow could not record a write on %.%: %', TG_TABLE_SCHEMA, TG_TABLE_NAME, SQLERRM;
  END;
  RETURN NULL;
END
$watch$;
)sql";

constexpr std::array kPhases = {std::string_view("pending"), std::string_view("copied"),
                                std::string_view("settled")};
constexpr std::array kOps = {std::string_view("remove"), std::string_view("update"),
                             std::string_view("insert")};

template <class Enum, std::size_t N>
std::string word(const std::array<std::string_view, N>& words, Enum value) {
  return std::string(words[static_cast<std::size_t>(value)]);
}

template <class Enum, std::size_t N>
Enum parse_word(const std::array<std::string_view, N>& words, std::string_view text) {
  for (std::size_t i = 0; i < N; ++i)
    if (words[i] == text) return static_cast<Enum>(i);
  return Enum{};
}

std::string_view name(Role role) {
  return role == Role::source ? "source" : "target";
}

Param bytes(const std::string& value) {
  return {value, true};
}

// Of ids and the like.
template <class Strong>
std::vector<std::string> numbers_of(const std::vector<Strong>& values) {
  std::vector<std::string> numbers;
  for (auto value : values) numbers.push_back(std::to_string(value.value()));
  return numbers;
}

template <class Strong>
std::vector<Strong> parse_numbers(std::string_view array) {
  using Value = decltype(Strong().value());
  std::vector<Strong> values;
  for (const auto& number : parse_text_array(array))
    values.emplace_back(static_cast<Value>(std::stoull(number)));
  return values;
}

KeyBound bound_at(const Rows& rows, int row, int column) {
  return {rows.text(row, column), parse_text_array(rows.view(row, column + 1))};
}

}  // namespace

Task<bool> has_schema(Connection& connection) {
  Rows rows = CO_TRY(co_await connection.exec("SELECT 1 FROM pg_namespace WHERE nspname = 'oxbow'"));
  co_return !rows.empty();
}

Task<void> install_schema(Connection& connection, std::string migration, Role role) {
  std::string sql(kInstallSql);
  sql += role == Role::source ? kInstallSourceSql : kInstallTargetSql;
  sql +=
      fmt::format("INSERT INTO oxbow.migration (name, role) VALUES ({}, '{}') ON CONFLICT DO NOTHING; COMMIT",
                  quote_literal(migration), name(role));
  auto done = co_await connection.exec(sql);
  if (done) co_return Status{};
  if (connection.is_open()) CO_TRY(co_await connection.exec("ROLLBACK"));
  co_return std::unexpected(std::move(done).error());
}

Task<std::vector<std::string>> remove_schema(Connection& connection, std::string migration, Role role) {
  std::vector<std::string> done;
  if (!CO_TRY(co_await has_schema(connection))) co_return done;
  auto ours = quote_literal(migration);
  Rows tables = CO_TRY(co_await connection.exec(
      "SELECT relname FROM pg_class WHERE relnamespace = 'oxbow'::regnamespace AND relkind = 'r'"));
  std::set<std::string, std::less<>> present;
  for (int row = 0; row < tables.size(); ++row) present.insert(tables.text(row, 0));
  auto forget = [&](std::string& sql, std::string_view table) {
    if (present.contains(table))
      sql += fmt::format("DELETE FROM oxbow.{} WHERE migration = {};", table, ours);
  };
  std::string sql = "BEGIN; SELECT pg_advisory_xact_lock(hashtextextended('oxbow schema', 0));";
  if (role == Role::source) {
    for (auto table : {"identity", "leaf_identity", "reader_count"}) forget(sql, table);
    sql += fmt::format("DROP SEQUENCE IF EXISTS {};", beat_name(migration));
  } else {
    for (auto table : {"stream", "range", "quarantine", "rogue_write", "part", "truncation"})
      forget(sql, table);
  }
  sql += fmt::format(
      "DELETE FROM oxbow.migration WHERE name = {} AND role = '{}'; SELECT name FROM oxbow.migration", ours,
      name(role));
  Rows left = CO_TRY(co_await connection.exec(sql));
  bool others_use_it = false;
  for (int row = 0; row < left.size(); ++row)
    others_use_it = others_use_it || migration_of(left.view(row, 0)) != migration_of(migration);
  if (left.empty()) {
    CO_TRY(co_await connection.exec("DROP SCHEMA oxbow CASCADE"));
    done.push_back("dropped schema oxbow");
  } else if (others_use_it) {
    done.push_back("kept schema oxbow: other migrations use it");
  }
  CO_TRY(co_await connection.exec("COMMIT"));
  co_return done;
}

Statement save_position_statement(const std::string& migration, const StreamPosition& position) {
  return {
      "INSERT INTO oxbow.stream (migration, lsn, unproven, beat) VALUES ($1, $2, $3, $4) "
      "ON CONFLICT (migration) DO UPDATE SET lsn = excluded.lsn, unproven = excluded.unproven, beat = "
      "excluded.beat",
      {{migration},
       {to_string(position.lsn)},
       {to_text_array(numbers_of(position.unproven))},
       {std::to_string(position.beat)}}};
}

Statement save_range_statement(const std::string& migration, const RangeRecord& record) {
  return {
      "INSERT INTO oxbow.range VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) "
      "ON CONFLICT (migration, id) DO UPDATE SET phase = excluded.phase, snapshot = excluded.snapshot, "
      "settled_at = excluded.settled_at, row_count = excluded.row_count, read_columns = "
      "excluded.read_columns",
      {{migration},
       {std::to_string(record.id.value())},
       {std::to_string(record.table)},
       {std::to_string(record.job)},
       bytes(record.range.lower.tuple),
       {to_text_array(record.range.lower.literals)},
       bytes(record.range.upper.tuple),
       {to_text_array(record.range.upper.literals)},
       {word(kPhases, record.phase)},
       {to_string(record.snapshot)},
       {to_string(record.settled_at)},
       {std::to_string(record.rows)},
       {to_text_array(numbers_of(record.cohorts))},
       {to_text_array(record.read_columns)}}};
}

Statement quarantine_statement(const std::string& migration, const QuarantineRecord& record) {
  return {
      "INSERT INTO oxbow.quarantine (migration, table_number, key, key_tuple, reason, sqlstate, tuple, op, "
      "lsn) "
      "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
      {{migration},
       {std::to_string(record.table)},
       {record.key},
       bytes(record.key_tuple),
       {record.reason},
       {record.sqlstate},
       bytes(record.row),
       {word(kOps, record.op)},
       {to_string(record.lsn)}}};
}

Statement save_truncation_statement(const std::string& migration, std::uint32_t table, Xid wanted_by) {
  return {"INSERT INTO oxbow.truncation VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
          {{migration}, {std::to_string(table)}, {std::to_string(wanted_by.value())}}};
}

Statement save_part_statement(const std::string& migration, const TableParts& table, const TablePart& part) {
  std::vector<std::string> columns;
  for (auto column : part.columns) columns.push_back(std::to_string(column));
  return {"INSERT INTO oxbow.part VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
          {{migration},
           {table.table.schema},
           {table.table.name},
           {std::to_string(table.oid)},
           {std::to_string(part.oid)},
           {std::to_string(part.parent)},
           {part.name.schema},
           {part.name.name},
           {std::to_string(part.file)},
           {std::to_string(part.linked_by)},
           {to_text_array(columns)},
           {std::to_string(part.seen_before.value())}}};
}

Task<std::vector<TableParts>> load_parts(Connection& connection, std::string migration) {
  Rows rows = CO_TRY(co_await connection.exec_params(
      "SELECT table_schema, table_name, table_oid, oid, parent, part_schema, part_name, file, linked_by, "
      "columns, seen_before FROM oxbow.part WHERE migration = $1 ORDER BY table_schema, table_name, oid",
      {{migration}}));
  std::vector<TableParts> tables;
  for (int row = 0; row < rows.size(); ++row) {
    TableName name{rows.text(row, 0), rows.text(row, 1)};
    if (tables.empty() || tables.back().table != name)
      tables.push_back({std::move(name), rows.number<std::uint32_t>(row, 2), {}});
    TablePart part{.oid = rows.number<std::uint32_t>(row, 3),
                   .parent = rows.number<std::uint32_t>(row, 4),
                   .name = {rows.text(row, 5), rows.text(row, 6)},
                   .file = rows.number<std::uint32_t>(row, 7),
                   .linked_by = rows.number<std::uint32_t>(row, 8),
                   .seen_before = Xid(rows.number<std::uint64_t>(row, 10))};
    for (const auto& column : parse_text_array(rows.view(row, 9)))
      part.columns.push_back(std::stoull(column));
    tables.back().parts.push_back(std::move(part));
  }
  co_return tables;
}

Statement release_statement(const std::string& migration, const QuarantineRelease& release) {
  Statement statement{"DELETE FROM oxbow.quarantine WHERE migration = $1 AND table_number = $2",
                      {{migration}, {std::to_string(release.table)}}};
  if (release.key_tuple.empty()) return statement;
  statement.sql += " AND key_tuple = $3";
  statement.params.push_back(bytes(release.key_tuple));
  return statement;
}

Task<std::optional<StreamPosition>> load_position(Connection& connection, std::string migration) {
  Rows rows = CO_TRY(co_await connection.exec_params(
      "SELECT lsn, unproven, beat FROM oxbow.stream WHERE migration = $1", {{migration}}));
  if (rows.empty()) co_return std::optional<StreamPosition>();
  StreamPosition position;
  position.lsn = CO_TRY(parse_lsn(rows.view(0, 0)));
  position.unproven = parse_numbers<Xid>(rows.view(0, 1));
  position.beat = rows.number<std::uint64_t>(0, 2);
  co_return position;
}

// Binary results, so that bytea arrives as it is; numbers are asked for as text.
Task<std::vector<RangeRecord>> load_ranges(Connection& connection, std::string migration) {
  Rows rows = CO_TRY(co_await connection.exec_params(
      "SELECT id::text, table_number::text, job::text, lower_tuple, lower_literals::text, upper_tuple, "
      "upper_literals::text, phase, snapshot, settled_at::text, row_count::text, cohorts::text, "
      "read_columns::text "
      "FROM oxbow.range r WHERE migration = $1 ORDER BY r.id",
      {{migration}}, Format::binary));
  std::vector<RangeRecord> records;
  for (int row = 0; row < rows.size(); ++row) {
    RangeRecord record;
    record.id = RangeId(rows.number<std::uint64_t>(row, 0));
    record.table = rows.number<std::uint32_t>(row, 1);
    record.job = rows.number<std::uint32_t>(row, 2);
    record.range = {bound_at(rows, row, 3), bound_at(rows, row, 5)};
    record.phase = parse_word<RangePhase>(kPhases, rows.view(row, 7));
    record.snapshot = CO_TRY(parse_snapshot(rows.view(row, 8)));
    record.settled_at = CO_TRY(parse_lsn(rows.view(row, 9)));
    record.rows = rows.number<std::uint64_t>(row, 10);
    record.cohorts = parse_numbers<CohortId>(rows.view(row, 11));
    record.read_columns = parse_text_array(rows.view(row, 12));
    records.push_back(std::move(record));
  }
  co_return records;
}

Task<std::vector<QuarantineRecord>> load_quarantine(Connection& connection, std::string migration) {
  Rows rows = CO_TRY(co_await connection.exec_params(
      "SELECT table_number::text, key, key_tuple, reason, sqlstate, tuple, op, lsn::text "
      "FROM oxbow.quarantine q WHERE migration = $1 ORDER BY q.id",
      {{migration}}, Format::binary));
  std::vector<QuarantineRecord> records;
  for (int row = 0; row < rows.size(); ++row) {
    QuarantineRecord record;
    record.table = rows.number<std::uint32_t>(row, 0);
    record.key = rows.text(row, 1);
    record.key_tuple = rows.text(row, 2);
    record.reason = rows.text(row, 3);
    record.sqlstate = rows.text(row, 4);
    record.row = rows.text(row, 5);
    record.op = parse_word<RowOp>(kOps, rows.view(row, 6));
    record.lsn = CO_TRY(parse_lsn(rows.view(row, 7)));
    records.push_back(std::move(record));
  }
  co_return records;
}

}  // namespace oxbow::postgres
