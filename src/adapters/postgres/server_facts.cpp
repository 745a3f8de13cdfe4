#include "adapters/postgres/server_facts.hpp"

#include <fmt/format.h>

#include "adapters/postgres/array_text.hpp"
#include "adapters/postgres/guard_sql.hpp"
#include "adapters/postgres/local_disk.hpp"
#include "adapters/postgres/locked_change.hpp"
#include "adapters/postgres/names.hpp"
#include "model/course.hpp"

namespace oxbow::postgres {
namespace {

// {} is how this version says whether a role may SET a parameter. $1 begins the names of our own sessions, $2
// and $3 are our slots, and $4 begins the sessions of the stream back: what is ours already is not taken from
// us. Sessions of other roles do not show what they are, so those that stream the log are told by
// pg_stat_replication.
constexpr std::string_view kServerSql = R"sql(
  WITH others AS MATERIALIZED (
    SELECT datname, usename FROM pg_stat_activity a
    WHERE datid IS NOT NULL AND coalesce(backend_type, 'client backend') = 'client backend'
      AND NOT starts_with(application_name, $1)
      AND NOT EXISTS (SELECT FROM pg_stat_replication s WHERE s.pid = a.pid)
  )
  SELECT current_user, pg_is_in_recovery(), current_setting('wal_level'),
         current_setting('max_replication_slots')::int
           - (SELECT count(*) FROM pg_replication_slots WHERE slot_name NOT IN ($2, $3)),
         current_setting('max_wal_senders')::int
           - (SELECT count(*) FROM pg_stat_replication
              WHERE NOT starts_with(application_name, $1) AND NOT starts_with(application_name, $4)),
         current_setting('max_connections')::int - (SELECT count(*) FROM others)
           - CASE WHEN r.rolsuper THEN 0 ELSE current_setting('superuser_reserved_connections')::int
                  + coalesce(current_setting('reserved_connections', true)::int, 0) END,
         (SELECT CASE WHEN setting = '-1' THEN -1 ELSE setting::bigint << 20 END
            FROM pg_settings WHERE name = 'max_slot_wal_keep_size'),
         r.rolsuper OR r.rolreplication,
         has_database_privilege(current_database(), 'CREATE'),
         (SELECT bool_and(has_function_privilege(f, 'EXECUTE')) FROM unnest(ARRAY[
            'pg_replication_origin_create(text)', 'pg_replication_origin_drop(text)',
            'pg_replication_origin_session_setup(text)',
            'pg_replication_origin_xact_setup(pg_lsn, timestamptz)']) f),
         {},
         CASE WHEN r.rolconnlimit >= 0 AND NOT r.rolsuper
              THEN r.rolconnlimit - (SELECT count(*) FROM others WHERE usename = r.rolname) END,
         CASE WHEN d.datconnlimit >= 0 AND NOT r.rolsuper
              THEN d.datconnlimit - (SELECT count(*) FROM others WHERE datname = d.datname) END,
         current_setting('max_replication_slots')::int,
         has_table_privilege('pg_replication_origin_status', 'SELECT')
           AND has_function_privilege('pg_show_replication_origin_status()', 'EXECUTE'),
         r.rolsuper
  FROM pg_roles r JOIN pg_database d ON d.datname = current_database() WHERE r.rolname = current_user
)sql";

constexpr std::string_view kTablesSql = R"sql(
  SELECT n.nspname, c.relname, has_table_privilege(c.oid, 'SELECT'),
         has_table_privilege(c.oid, 'INSERT') AND has_table_privilege(c.oid, 'UPDATE')
           AND has_table_privilege(c.oid, 'DELETE') AND has_table_privilege(c.oid, 'TRUNCATE'),
         pg_has_role(c.relowner, 'USAGE'), c.relpersistence = 'u', row_security_active(c.oid),
         (SELECT sum(pg_total_relation_size(part.oid))::bigint
          FROM (SELECT c.oid UNION SELECT p.relid FROM pg_partition_tree(c.oid) p) part),
         pg_get_userbyid(c.relowner),
         EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgname = $3),
         ARRAY(SELECT t.tgname::text FROM pg_trigger t
               WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgtype & 3 = 3 AND t.tgname > $4::name
                 AND NOT starts_with(t.tgname, $4) ORDER BY 1)
  FROM unnest($1::text[], $2::text[]) asked(schema_name, table_name)
  JOIN pg_namespace n ON n.nspname = asked.schema_name
  JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = asked.table_name
)sql";

// pg_settings leaves out what our role may not see. Two ends of one address are on one machine, or at the
// ends of a tunnel.
constexpr std::string_view kDisksSql = R"sql(
  SELECT coalesce((SELECT setting FROM pg_settings WHERE name = 'data_directory'), ''),
         (SELECT setting::bigint << 20 FROM pg_settings WHERE name = 'max_wal_size'),
         coalesce(inet_server_addr() = inet_client_addr(), inet_server_addr() IS NULL), pg_backend_pid()
)sql";

// Of the origins that exist, those that were used since the server's start take a place.
constexpr std::string_view kOriginsSql =
    "SELECT count(*) FROM pg_replication_origin_status WHERE NOT starts_with(external_id, $1) "
    "AND NOT starts_with(external_id, $2)";

constexpr int kParameterPrivileges = 150000;

Task<void> read_disks(Connection& connection, ServerFacts& facts) {
  Rows disks = CO_TRY(co_await connection.exec(std::string(kDisksSql)));
  facts.host = connection.endpoint().host;
  facts.data_directory = disks.text(0, 0);
  facts.wal_size_max_bytes = disks.number<std::uint64_t>(0, 1);
  bool here = disks.boolean(0, 2) && runs_here(disks.number<int>(0, 3));
  if (!here || facts.data_directory.empty()) co_return Status{};
  facts.data_disk_free_bytes = disk_free_bytes(facts.data_directory);
  // The log may be on a disk of its own, which not everybody can see.
  facts.wal_disk_free_bytes = disk_free_bytes(facts.data_directory + "/pg_wal");
  if (!facts.wal_disk_free_bytes) facts.wal_disk_free_bytes = facts.data_disk_free_bytes;
  co_return Status{};
}

}  // namespace

Task<ServerFacts> read_facts(Connection& connection, std::string migration, std::vector<TableName> tables) {
  Rows version = CO_TRY(co_await connection.exec("SELECT current_setting('server_version_num')"));
  bool has_parameter_privileges = version.number<int>(0, 0) >= kParameterPrivileges;
  auto may_set =
      has_parameter_privileges ? "has_parameter_privilege('session_replication_role', 'SET')" : "r.rolsuper";
  auto back = stream_name(migration, Course::back);
  Rows server = CO_TRY(co_await connection.exec_params(fmt::format(fmt::runtime(kServerSql), may_set),
                                                       {{application_name(migration, "")},
                                                        {slot_name(migration)},
                                                        {slot_name(back)},
                                                        {application_name(back, "")}}));
  ServerFacts facts;
  facts.user = server.text(0, 0);
  facts.in_recovery = server.boolean(0, 1);
  facts.wal_level = server.text(0, 2);
  facts.replication_slots_free = server.number<int>(0, 3);
  facts.wal_senders_free = server.number<int>(0, 4);
  facts.connections_free = server.number<int>(0, 5);
  facts.wal_keep_limit_bytes = server.number(0, 6);
  facts.may_replicate = server.boolean(0, 7);
  facts.may_create_in_database = server.boolean(0, 8);
  facts.may_use_origins = server.boolean(0, 9);
  facts.may_set_replication_role = server.boolean(0, 10);
  if (!server.is_null(0, 11)) facts.connections_free_role = server.number<int>(0, 11);
  if (!server.is_null(0, 12)) facts.connections_free_database = server.number<int>(0, 12);
  facts.origins_free = server.number<int>(0, 13);
  if (server.boolean(0, 14)) {
    Rows taken = CO_TRY(co_await connection.exec_params(std::string(kOriginsSql),
                                                        {{origin_prefix(migration)}, {origin_prefix(back)}}));
    facts.origins_free -= taken.number<int>(0, 0);
  }

  CO_TRY(co_await read_disks(connection, facts));
  facts.may_watch_ddl = server.boolean(0, 15);

  std::vector<std::string> schemas;
  std::vector<std::string> names;
  for (const auto& table : tables) {
    schemas.push_back(table.schema);
    names.push_back(table.name);
  }
  Rows rows = CO_TRY(co_await query_giving_way(connection, std::string(kTablesSql),
                                               {{to_text_array(schemas)},
                                                {to_text_array(names)},
                                                {watch_name(migration)},
                                                {std::string(kGuardTriggerPrefix)}}));
  for (int row = 0; row < rows.size(); ++row) {
    TableName table{rows.text(row, 0), rows.text(row, 1)};
    facts.bytes_in_scope += rows.number<std::uint64_t>(row, 7);
    bool readable = rows.boolean(row, 2);
    if (!readable) facts.not_readable.push_back(table);
    if (!rows.boolean(row, 3)) facts.not_writable.push_back(table);
    if (!rows.boolean(row, 4)) {
      facts.not_owned.push_back(table);
      facts.owners.emplace(table, rows.text(row, 8));
    }
    if (rows.boolean(row, 5)) facts.unlogged.push_back(table);
    auto behind = parse_text_array(rows.view(row, 10));
    if (!behind.empty()) facts.triggers_behind_guards.emplace(table, std::move(behind));
    bool hides_rows = rows.boolean(row, 6);
    if (hides_rows) facts.rows_hidden.push_back(table);
    bool rows_are_ours = rows.boolean(row, 9);
    if (!readable || hides_rows || rows_are_ours) continue;
    Rows empty =
        CO_TRY(co_await connection.exec(fmt::format("SELECT NOT EXISTS (SELECT FROM {})", quoted(table))));
    facts.is_empty.emplace(table, empty.boolean(0, 0));
  }
  co_return facts;
}

}  // namespace oxbow::postgres
