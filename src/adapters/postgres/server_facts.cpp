#include "adapters/postgres/server_facts.hpp"

#include <fmt/format.h>

#include "adapters/postgres/array_text.hpp"

namespace oxbow::postgres {
namespace {

// {} is how this version says whether a role may SET a parameter.
constexpr std::string_view kServerSql = R"sql(
  SELECT current_user, pg_is_in_recovery(), current_setting('wal_level'),
         current_setting('max_replication_slots')::int - (SELECT count(*) FROM pg_replication_slots),
         current_setting('max_wal_senders')::int - (SELECT count(*) FROM pg_stat_replication),
         current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
           - (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
         (SELECT CASE WHEN setting = '-1' THEN -1 ELSE setting::bigint << 20 END
            FROM pg_settings WHERE name = 'max_slot_wal_keep_size'),
         r.rolsuper OR r.rolreplication,
         has_database_privilege(current_database(), 'CREATE'),
         (SELECT bool_and(has_function_privilege(f, 'EXECUTE')) FROM unnest(ARRAY[
            'pg_replication_origin_create(text)', 'pg_replication_origin_drop(text)',
            'pg_replication_origin_session_setup(text)',
            'pg_replication_origin_xact_setup(pg_lsn, timestamptz)']) f),
         {}, r.rolsuper
  FROM pg_roles r WHERE r.rolname = current_user
)sql";

constexpr std::string_view kTablesSql = R"sql(
  SELECT n.nspname, c.relname, has_table_privilege(c.oid, 'SELECT'),
         has_table_privilege(c.oid, 'INSERT') AND has_table_privilege(c.oid, 'UPDATE')
           AND has_table_privilege(c.oid, 'DELETE') AND has_table_privilege(c.oid, 'TRUNCATE'),
         pg_has_role(c.relowner, 'USAGE'), c.relpersistence = 'u', row_security_active(c.oid)
  FROM unnest($1::text[], $2::text[]) asked(schema_name, table_name)
  JOIN pg_namespace n ON n.nspname = asked.schema_name
  JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = asked.table_name
)sql";

constexpr int kParameterPrivileges = 150000;

}  // namespace

Task<ServerFacts> read_facts(Connection& connection, std::vector<TableName> tables) {
  Rows version = CO_TRY(co_await connection.exec("SELECT current_setting('server_version_num')"));
  bool has_parameter_privileges = version.number<int>(0, 0) >= kParameterPrivileges;
  Rows server = CO_TRY(co_await connection.exec(
      fmt::format(fmt::runtime(kServerSql), has_parameter_privileges
                                                ? "has_parameter_privilege('session_replication_role', 'SET')"
                                                : "r.rolsuper")));
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
  facts.may_watch_ddl = server.boolean(0, 11);

  std::vector<std::string> schemas;
  std::vector<std::string> names;
  for (const auto& table : tables) {
    schemas.push_back(table.schema);
    names.push_back(table.name);
  }
  Rows rows = CO_TRY(co_await connection.exec_params(std::string(kTablesSql),
                                                     {{to_text_array(schemas)}, {to_text_array(names)}}));
  for (int row = 0; row < rows.size(); ++row) {
    TableName table{rows.text(row, 0), rows.text(row, 1)};
    bool readable = rows.boolean(row, 2);
    if (!readable) facts.not_readable.push_back(table);
    if (!rows.boolean(row, 3)) facts.not_writable.push_back(table);
    if (!rows.boolean(row, 4)) facts.not_owned.push_back(table);
    if (rows.boolean(row, 5)) facts.unlogged.push_back(table);
    bool hides_rows = rows.boolean(row, 6);
    if (hides_rows) facts.rows_hidden.push_back(table);
    if (!readable || hides_rows) continue;
    Rows empty =
        CO_TRY(co_await connection.exec(fmt::format("SELECT NOT EXISTS (SELECT FROM {})", quoted(table))));
    facts.is_empty.emplace(table, empty.boolean(0, 0));
  }
  co_return facts;
}

}  // namespace oxbow::postgres
