#include <fmt/format.h>

#include "adapters/postgres/connection.hpp"
#include "adapters/postgres/names.hpp"
#include "adapters/postgres/postgres.hpp"

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

}  // namespace oxbow::postgres
