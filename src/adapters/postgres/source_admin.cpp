#include "adapters/postgres/source_admin.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "adapters/postgres/leaf_identity.hpp"
#include "adapters/postgres/locked_change.hpp"
#include "adapters/postgres/names.hpp"
#include "adapters/postgres/parts_reader.hpp"
#include "adapters/postgres/range_planner.hpp"
#include "adapters/postgres/schema.hpp"
#include "adapters/postgres/session.hpp"
#include "model/course.hpp"
#include "runtime/failpoint.hpp"

namespace oxbow::postgres {
namespace {

// A new slot waits for every transaction that runs at that moment.
constexpr Duration kSilenceWhileSlotIsMade = std::chrono::minutes(15);

constexpr std::string_view kMarkerPrefix = "oxbow";

// The table itself and, where it is partitioned, its leaves: an old row is logged by the identity of the leaf
// it is in. For each the index that corresponds to the one named on the root.
constexpr std::string_view kIdentitiesSql = R"sql(
  SELECT n.nspname, c.relname, c.relreplident, coalesce(old.relname, ''), coalesce(new.relname, '')
  FROM (SELECT $1::regclass::oid AS oid UNION
        SELECT p.relid FROM pg_partition_tree($1::regclass) p WHERE p.isleaf) t
  JOIN pg_class c ON c.oid = t.oid JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_index oi ON oi.indrelid = c.oid AND oi.indisreplident
  LEFT JOIN pg_class old ON old.oid = oi.indexrelid
  LEFT JOIN LATERAL (
    SELECT x.relname FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
    WHERE i.indrelid = c.oid AND $2 <> '' AND ($2::text = x.relname AND c.oid = $1::regclass
      OR i.indexrelid IN (
      SELECT tree.relid FROM pg_index ri JOIN pg_class rx ON rx.oid = ri.indexrelid,
        LATERAL pg_partition_tree(ri.indexrelid) tree WHERE ri.indrelid = $1::regclass AND rx.relname = $2))
    LIMIT 1) new ON true
)sql";

std::string identity_clause(ReplicaIdentity identity, std::string_view index) {
  switch (identity) {
    case ReplicaIdentity::default_key:
      return "DEFAULT";
    case ReplicaIdentity::nothing:
      return "NOTHING";
    case ReplicaIdentity::full:
      return "FULL";
    case ReplicaIdentity::index:
      return "USING INDEX " + quote_identifier(index);
  }
  return "DEFAULT";
}

}  // namespace

Task<Connection*> PgSourceAdmin::session() {
  CO_TRY(co_await ensure_open(connection_, settings_, "SET synchronous_commit = local"));
  connection_->set_silence_max(settings_.silence_max);
  co_return connection_.get();
}

Task<SourceHealth> PgSourceAdmin::read_health() {
  auto* connection = CO_TRY(co_await session());
  Rows rows = CO_TRY(co_await connection->exec_params(
      "WITH others AS (SELECT * FROM pg_stat_activity WHERE backend_type = 'client backend' "
      "AND NOT starts_with(application_name, $2)) "
      "SELECT pg_current_wal_insert_lsn(), "
      "greatest(pg_wal_lsn_diff(pg_current_wal_insert_lsn(), s.restart_lsn), 0)::bigint, s.wal_status, "
      "(SELECT count(*) FROM others WHERE state = 'active'), "
      "(SELECT extract(epoch FROM clock_timestamp() - min(since)) * 1000000 FROM "
      "(SELECT xact_start AS since FROM others UNION ALL SELECT prepared FROM pg_prepared_xacts) "
      "open)::bigint, "
      "NOT pg_is_in_recovery() AND NOT current_setting('default_transaction_read_only')::bool "
      "FROM (SELECT) one LEFT JOIN pg_replication_slots s ON s.slot_name = $1",
      {{slot_name(migration_)}, {application_name(migration_, "")}}));
  SourceHealth health;
  health.log_end = CO_TRY(parse_lsn(rows.view(0, 0)));
  health.retained_wal_bytes = rows.number<std::uint64_t>(0, 1);
  health.slot_wal_status = rows.text(0, 2);
  health.active_sessions = rows.number<std::uint64_t>(0, 3);
  health.oldest_transaction = std::chrono::microseconds(rows.number(0, 4));
  health.takes_writes = rows.view(0, 5) == "t";
  co_return health;
}

Task<Snapshot> PgSourceAdmin::current_snapshot() {
  auto* connection = CO_TRY(co_await session());
  Rows rows = CO_TRY(co_await connection->exec("SELECT pg_current_snapshot()"));
  co_return CO_TRY(parse_snapshot(rows.view(0, 0)));
}

Task<void> PgSourceAdmin::change_identity(IdentityChange change) {
  auto* connection = CO_TRY(co_await session());
  CO_TRY(co_await install_schema(*connection, migration_, Role::source));
  CO_TRY(co_await keep_leaf_identity(*connection, migration_, change));
  Rows tables = CO_TRY(co_await query_giving_way(*connection, std::string(kIdentitiesSql),
                                                 {{quoted(change.table)}, {change.index}}));
  for (int row = 0; row < tables.size(); ++row) {
    TableName table{tables.text(row, 0), tables.text(row, 1)};
    bool by_index = change.identity == ReplicaIdentity::index;
    if (by_index && tables.view(row, 4).empty())
      co_return Err(ErrorCode::not_found, "{} has no index that corresponds to {}", to_string(table),
                    change.index);
    bool is_so_already = to_replica_identity(tables.view(row, 2).front()) == change.identity &&
                         (!by_index || tables.view(row, 3) == tables.view(row, 4));
    if (is_so_already) continue;
    CO_TRY(co_await change_under_lock(
        *connection,
        fmt::format("INSERT INTO oxbow.identity VALUES ({}, {}, {}, {}, {}) ON CONFLICT DO NOTHING; "
                    "ALTER TABLE {} REPLICA IDENTITY {}",
                    quote_literal(migration_), quote_literal(table.schema), quote_literal(table.name),
                    quote_literal(tables.view(row, 2)), quote_literal(tables.view(row, 3)), quoted(table),
                    identity_clause(change.identity, tables.view(row, 4)))));
  }
  co_return Status{};
}

Task<Lsn> PgSourceAdmin::ensure_stream(std::vector<TableName> tables) {
  auto* connection = CO_TRY(co_await session());
  CO_TRY(co_await install_schema(*connection, migration_, Role::source));
  CO_TRY(co_await connection->exec(
      fmt::format("CREATE SEQUENCE IF NOT EXISTS {} MINVALUE 0 START 0", beat_name(migration_))));
  CO_TRY(co_await ensure_publication(*connection, std::move(tables)));
  failpoint("set_up_before_slot");
  co_return co_await ensure_slot(*connection);
}

Task<void> PgSourceAdmin::ensure_publication(Connection& connection, std::vector<TableName> tables) {
  auto publication = slot_name(migration_);
  Rows exists = CO_TRY(
      co_await connection.exec_params("SELECT 1 FROM pg_publication WHERE pubname = $1", {{publication}}));
  Rows rows = CO_TRY(co_await connection.exec_params(
      "SELECT n.nspname, c.relname FROM pg_publication p JOIN pg_publication_rel r ON r.prpubid = p.oid "
      "JOIN pg_class c ON c.oid = r.prrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE p.pubname = "
      "$1",
      {{publication}}));
  for (int row = 0; row < rows.size(); ++row)
    std::erase(tables, TableName{rows.text(row, 0), rows.text(row, 1)});
  if (!exists.empty() && tables.empty()) co_return Status{};
  std::vector<std::string> names;
  for (const auto& table : tables) names.push_back(quoted(table));
  auto list = fmt::format("{}", fmt::join(names, ", "));
  if (!exists.empty())
    co_return co_await change_under_lock(connection,
                                         fmt::format("ALTER PUBLICATION {} ADD TABLE {}", publication, list));
  co_return co_await change_under_lock(
      connection, fmt::format("CREATE PUBLICATION {} {}{} WITH (publish_via_partition_root = true)",
                              publication, tables.empty() ? "" : "FOR TABLE ", list));
}

Task<Lsn> PgSourceAdmin::ensure_slot(Connection& connection) {
  auto slot = slot_name(migration_);
  Rows found = CO_TRY(co_await connection.exec_params(
      "SELECT confirmed_flush_lsn, wal_status, database = current_database() AND plugin = 'pgoutput', "
      "database, "
      "active_pid, (SELECT application_name FROM pg_stat_activity a WHERE a.pid = s.active_pid) "
      "FROM pg_replication_slots s WHERE slot_name = $1",
      {{slot}}));
  if (found.empty()) {
    connection.set_silence_max(kSilenceWhileSlotIsMade);
    Rows made = CO_TRY(co_await connection.exec_params(
        "SELECT lsn FROM pg_create_logical_replication_slot($1, 'pgoutput')", {{slot}}));
    co_return CO_TRY(parse_lsn(made.view(0, 0)));
  }
  if (!found.boolean(0, 2))
    co_return Err(ErrorCode::already_running,
                  "replication slot {} belongs to database {}; give this migration another name", slot,
                  found.view(0, 3));
  if (found.view(0, 1) == "lost")
    co_return Err(ErrorCode::lost_position,
                  "replication slot {} was invalidated because it kept more log than max_slot_wal_keep_size "
                  "allows; run "
                  "`oxbow doctor --remove` and mirror again",
                  slot);
  // Who calls this holds the migration's lock, so a session of ours that still reads, or still makes the
  // slot, is what a dead run left behind.
  if (found.is_null(0, 0)) {
    if (!found.is_null(0, 4))
      CO_TRY(co_await connection.exec_params("SELECT pg_terminate_backend($1, 5000)", {{found.text(0, 4)}}));
    co_return Err(ErrorCode::already_running, "replication slot {} was still being made by an earlier run",
                  slot);
  }
  if (found.view(0, 5) == application_name(migration_, "log"))
    CO_TRY(co_await connection.exec_params("SELECT pg_terminate_backend($1, 5000)", {{found.text(0, 4)}}));
  co_return CO_TRY(parse_lsn(found.view(0, 0)));
}

Task<void> PgSourceAdmin::give_up_stream() {
  auto* connection = CO_TRY(co_await session());
  std::vector<std::string> done;
  co_return co_await drop_slot(*connection, done);
}

Task<Lsn> PgSourceAdmin::emit_marker(std::string content) {
  auto* connection = CO_TRY(co_await session());
  // The flushed position and not the inserted one: the stream reaches it even if nothing is ever written
  // again.
  Rows rows = CO_TRY(co_await connection->exec(fmt::format(
      "BEGIN; SELECT pg_logical_emit_message(true, '{}', {}); COMMIT; SELECT pg_current_wal_flush_lsn()",
      kMarkerPrefix, quote_literal(content))));
  co_return CO_TRY(parse_lsn(rows.view(0, 0)));
}

// The number is in the log before the message that tells of it.
Task<void> PgSourceAdmin::beat(std::uint64_t number) {
  auto* connection = CO_TRY(co_await session());
  CO_TRY(co_await connection->exec(fmt::format(
      "BEGIN; SELECT setval('{}', {}); SELECT pg_logical_emit_message(true, '{}', {}); COMMIT",
      beat_name(migration_), number, kMarkerPrefix, quote_literal(beat_marker(migration_, number)))));
  co_return Status{};
}

Task<std::uint64_t> PgSourceAdmin::last_beat() {
  auto* connection = CO_TRY(co_await session());
  Rows rows = CO_TRY(co_await connection->exec_params(
      "SELECT coalesce(pg_sequence_last_value(to_regclass($1)), 0)", {{beat_name(migration_)}}));
  co_return rows.number<std::uint64_t>(0, 0);
}

Task<PartsLook> PgSourceAdmin::look_at_parts(std::vector<TableName> tables) {
  auto* connection = CO_TRY(co_await session());
  co_return co_await postgres::look_at_parts(*connection, std::move(tables));
}

Task<OldRows> PgSourceAdmin::find_old_rows(TableName part, std::uint32_t xid, std::uint32_t command) {
  auto* connection = CO_TRY(co_await session());
  co_return co_await postgres::find_old_rows(*connection, std::move(part), xid, command);
}

Task<std::vector<KeyBound>> PgSourceAdmin::plan_ranges(TableName table, std::vector<KeyColumn> key,
                                                       std::uint64_t rows_per_range) {
  auto* connection = CO_TRY(co_await session());
  co_return co_await postgres::plan_ranges(*connection, std::move(table), std::move(key), rows_per_range);
}

Task<void> PgSourceAdmin::restore_identities(Connection& connection, std::vector<std::string>& done) {
  Rows rows = CO_TRY(co_await connection.exec_params(
      "SELECT i.table_schema, i.table_name, i.identity, i.index_name FROM oxbow.identity i "
      "JOIN pg_namespace n ON n.nspname = i.table_schema "
      "JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = i.table_name WHERE i.migration = $1",
      {{migration_}}));
  for (int row = 0; row < rows.size(); ++row) {
    TableName table{rows.text(row, 0), rows.text(row, 1)};
    auto before = to_replica_identity(rows.view(row, 2).front()).value_or(ReplicaIdentity::default_key);
    CO_TRY(co_await change_under_lock(
        connection,
        fmt::format("ALTER TABLE {} REPLICA IDENTITY {}; DELETE FROM oxbow.identity WHERE migration = {} "
                    "AND table_schema = {} AND table_name = {}",
                    quoted(table), identity_clause(before, rows.view(row, 3)), quote_literal(migration_),
                    quote_literal(table.schema), quote_literal(table.name))));
    done.push_back(fmt::format("restored the replica identity of {}", to_string(table)));
  }
  co_return Status{};
}

Task<void> PgSourceAdmin::drop_slot(Connection& connection, std::vector<std::string>& done) {
  auto slot = slot_name(migration_);
  Rows found = CO_TRY(co_await connection.exec_params(
      "SELECT active_pid FROM pg_replication_slots WHERE slot_name = $1 AND database = current_database()",
      {{slot}}));
  if (found.empty()) co_return Status{};
  if (!found.is_null(0, 0))
    CO_TRY(co_await connection.exec_params("SELECT pg_terminate_backend($1, 5000)", {{found.text(0, 0)}}));
  // A slot that was still being made went with the session that made it.
  CO_TRY(co_await connection.exec_params(
      "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1", {{slot}}));
  done.push_back("dropped replication slot " + slot);
  co_return Status{};
}

Task<std::vector<std::string>> PgSourceAdmin::remove() {
  auto* connection = CO_TRY(co_await session());
  std::vector<std::string> done;
  CO_TRY(co_await drop_slot(*connection, done));
  failpoint("remove_after_slot");
  auto publication = slot_name(migration_);
  Rows found = CO_TRY(
      co_await connection->exec_params("SELECT 1 FROM pg_publication WHERE pubname = $1", {{publication}}));
  if (!found.empty()) {
    CO_TRY(co_await change_under_lock(*connection, "DROP PUBLICATION " + publication));
    done.push_back("dropped publication " + publication);
  }
  CO_TRY(co_await drop_leaf_identity(*connection, migration_, done));
  Rows identities = CO_TRY(co_await connection->exec("SELECT to_regclass('oxbow.identity') IS NOT NULL"));
  if (identities.boolean(0, 0)) CO_TRY(co_await restore_identities(*connection, done));
  failpoint("remove_after_identities");
  auto schema = CO_TRY(co_await remove_schema(*connection, migration_, Role::source));
  done.insert(done.end(), schema.begin(), schema.end());
  co_return done;
}

}  // namespace oxbow::postgres
