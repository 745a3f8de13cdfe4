#include "adapters/postgres/leaf_identity.hpp"

#include <fmt/format.h>

#include "adapters/postgres/names.hpp"

namespace oxbow::postgres {

Task<void> keep_leaf_identity(Connection& connection, std::string migration, IdentityChange change) {
  if (change.identity == ReplicaIdentity::default_key) co_return Status{};
  auto trigger = identity_trigger_name(migration);
  Rows rows = CO_TRY(co_await connection.exec_params(
      "SELECT c.relkind = 'p' AND r.rolsuper, EXISTS (SELECT FROM pg_event_trigger WHERE evtname = $2) "
      "FROM pg_class c, pg_roles r WHERE c.oid = $1::regclass AND r.rolname = current_user",
      {{quoted(change.table)}, {trigger}}));
  if (!rows.boolean(0, 0)) co_return Status{};
  CO_TRY(co_await connection.exec_params(
      "INSERT INTO oxbow.leaf_identity VALUES ($1, $2, $3, $4, $5) ON CONFLICT (migration, table_schema, "
      "table_name) DO UPDATE SET identity = excluded.identity, index_name = excluded.index_name",
      {{migration},
       {change.table.schema},
       {change.table.name},
       {std::string(1, static_cast<char>(change.identity))},
       {change.index}}));
  if (rows.boolean(0, 1)) co_return Status{};
  CO_TRY(co_await connection.exec(
      fmt::format("CREATE EVENT TRIGGER {} ON ddl_command_end WHEN TAG IN ('CREATE TABLE', 'ALTER TABLE') "
                  "EXECUTE FUNCTION oxbow.give_identity()",
                  trigger)));
  co_return Status{};
}

Task<void> drop_leaf_identity(Connection& connection, std::string migration, std::vector<std::string>& done) {
  auto trigger = identity_trigger_name(migration);
  Rows found = CO_TRY(
      co_await connection.exec_params("SELECT 1 FROM pg_event_trigger WHERE evtname = $1", {{trigger}}));
  if (found.empty()) co_return Status{};
  CO_TRY(co_await connection.exec("DROP EVENT TRIGGER " + trigger));
  done.push_back("dropped event trigger " + trigger);
  co_return Status{};
}

}  // namespace oxbow::postgres
