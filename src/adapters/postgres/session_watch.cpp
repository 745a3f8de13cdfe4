#include "adapters/postgres/session_watch.hpp"

#include <fmt/core.h>

#include "adapters/postgres/names.hpp"
#include "adapters/postgres/session.hpp"

namespace oxbow::postgres {
namespace {

// Locks that pass in a moment are nobody's business, and what our own sessions hold is ours to sort out. A
// prepared transaction holds locks without a session, which pg_blocking_pids() calls 0.
constexpr std::string_view kWaitsSql = R"sql(
  SELECT DISTINCT substr(w.application_name, length($1) + 1), blocker.pid, s.application_name, s.usename,
         p.gid,
         (extract(epoch FROM clock_timestamp() - coalesce(s.xact_start, p.prepared)) * 1000000)::bigint,
         coalesce(starts_with(s.state, 'idle in transaction'), false)
  FROM pg_stat_activity w
  JOIN pg_locks l ON l.pid = w.pid AND NOT l.granted AND l.waitstart < clock_timestamp() - interval '0.5 s'
  CROSS JOIN LATERAL unnest(pg_blocking_pids(w.pid)) AS blocker(pid)
  LEFT JOIN pg_stat_activity s ON s.pid = blocker.pid
  LEFT JOIN pg_locks h ON blocker.pid = 0 AND h.pid IS NULL AND h.granted AND h.locktype = l.locktype
                      AND h.relation IS NOT DISTINCT FROM l.relation
                      AND h.database IS NOT DISTINCT FROM l.database
  LEFT JOIN pg_locks own ON own.pid IS NULL AND own.locktype = 'transactionid'
                        AND own.virtualtransaction = h.virtualtransaction
  LEFT JOIN pg_prepared_xacts p ON blocker.pid = 0
                               AND p.transaction = coalesce(l.transactionid, own.transactionid)
  WHERE starts_with(w.application_name, $1) AND w.datname = current_database()
    AND coalesce(NOT starts_with(s.application_name, $1), true)
  ORDER BY 1, 2
)sql";

SessionRole role_of(std::string_view name) {
  if (name == "admin" || name.starts_with("lock ")) return SessionRole::set_up;
  if (name == "log") return SessionRole::read_log;
  if (name == "lane 0") return SessionRole::apply;
  if (name == "reader" || name.starts_with("lane ")) return SessionRole::copy;
  return SessionRole::other;
}

std::string who_in(const Rows& rows, int row) {
  if (!rows.is_null(row, 4)) return rows.text(row, 4);
  auto application = rows.view(row, 2), user = rows.view(row, 3);
  return application.empty() ? std::string(user) : fmt::format("{} of {}", application, user);
}

}  // namespace

Task<std::vector<SessionWait>> PgSessionWatch::read_waits() {
  CO_TRY(co_await ensure_open(connection_, settings_, ""));
  Rows rows =
      CO_TRY(co_await connection_->exec_params(std::string(kWaitsSql), {{application_name(migration_, "")}}));
  std::vector<SessionWait> waits;
  for (int row = 0; row < rows.size(); ++row) {
    SessionWait wait{.role = role_of(rows.view(row, 0)),
                     .pid = rows.number(row, 1),
                     .who = who_in(rows, row),
                     .idle_in_transaction = rows.boolean(row, 6)};
    if (!rows.is_null(row, 5)) wait.age = std::chrono::microseconds(rows.number(row, 5));
    waits.push_back(std::move(wait));
  }
  co_return waits;
}

}  // namespace oxbow::postgres
