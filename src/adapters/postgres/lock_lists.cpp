#include <fmt/format.h>

#include "adapters/postgres/array_text.hpp"
#include "adapters/postgres/guard_sql.hpp"
#include "adapters/postgres/names.hpp"
#include "adapters/postgres/postgres.hpp"
#include "adapters/postgres/writers.hpp"

namespace oxbow::postgres {
namespace {

constexpr std::string_view kBlockedSql = R"sql(
  SELECT w.pid, w.application_name, w.usename,
         (extract(epoch FROM clock_timestamp() - l.waitstart) * 1000000)::bigint, min(o.application_name)
  FROM pg_stat_activity w
  JOIN pg_locks l ON l.pid = w.pid AND NOT l.granted
  CROSS JOIN LATERAL unnest(pg_blocking_pids(w.pid)) AS blocker(pid)
  JOIN pg_stat_activity o ON o.pid = blocker.pid
  WHERE w.datname = current_database() AND NOT starts_with(w.application_name, 'oxbow:')
    AND starts_with(o.application_name, $1)
  GROUP BY 1, 2, 3, 4 ORDER BY 4 DESC, 1
)sql";

// A trigger waits for every lock that conflicts with SHARE ROW EXCLUSIVE. Whoever puts it on holds some of
// them himself, and waits for nobody there. Parts are looked up without locks: this must never wait.
constexpr std::string_view kHoldsUnguardedSql = R"sql(
  l.locktype = 'relation' AND l.mode NOT IN ('AccessShareLock', 'RowShareLock')
  AND coalesce(a.application_name <> $4, true)
  AND l.relation IN (
    WITH RECURSIVE tree (oid) AS (
      SELECT to_regclass(name)::oid FROM unnest($1::text[]) AS named (name)
      UNION SELECT i.inhrelid FROM pg_inherits i JOIN tree ON i.inhparent = tree.oid
            JOIN pg_class c ON c.oid = i.inhrelid AND c.relispartition)
    SELECT oid FROM tree
    WHERE (SELECT count(*) FROM pg_trigger t WHERE t.tgrelid = tree.oid AND t.tgname IN ($2, $3)) < 2)
)sql";

}  // namespace

Task<std::vector<BlockedSession>> list_blocked(std::string url, std::string stream) {
  auto connection = CO_TRY(co_await Connection::open(
      {.url = std::move(url), .application_name = application_name(stream, "blocked")}));
  Rows rows =
      CO_TRY(co_await connection->exec_params(std::string(kBlockedSql), {{application_name(stream, "")}}));
  std::vector<BlockedSession> blocked;
  for (int row = 0; row < rows.size(); ++row) {
    auto application = rows.text(row, 1), user = rows.text(row, 2);
    BlockedSession session{.pid = rows.number(row, 0),
                           .who = application.empty() ? user : fmt::format("{} of {}", application, user),
                           .waits_for = rows.text(row, 4)};
    if (!rows.is_null(row, 3)) session.age = std::chrono::microseconds(rows.number(row, 3));
    blocked.push_back(std::move(session));
  }
  co_return blocked;
}

Task<std::vector<WriterAtWork>> list_writers_without_guard(std::string url, std::string migration, Side side,
                                                           std::string entity,
                                                           std::vector<TableName> tables) {
  auto connection = CO_TRY(co_await Connection::open(
      {.url = std::move(url), .application_name = application_name(migration, "locks")}));
  std::vector<std::string> names;
  for (const auto& table : tables) names.push_back(quoted(table));
  auto guard = guard_name(migration, side, entity);
  co_return co_await writers_where(*connection, std::string(kHoldsUnguardedSql),
                                   {{to_text_array(names)},
                                    {guard_trigger(guard, "insert")},
                                    {guard_trigger(guard, "truncate")},
                                    {application_name(migration, "guards")}});
}

Task<std::optional<std::string>> role_without_sight(std::string url, std::string migration) {
  auto connection = CO_TRY(co_await Connection::open(
      {.url = std::move(url), .application_name = application_name(migration, "locks")}));
  Rows rows =
      CO_TRY(co_await connection->exec("SELECT current_user, pg_has_role('pg_read_all_stats', 'USAGE')"));
  if (rows.boolean(0, 1)) co_return std::nullopt;
  co_return rows.text(0, 0);
}

}  // namespace oxbow::postgres
