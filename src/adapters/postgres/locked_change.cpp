#include "adapters/postgres/locked_change.hpp"

#include <fmt/format.h>

#include "runtime/real_clock.hpp"
#include "runtime/sleep.hpp"

namespace oxbow::postgres {

using namespace std::chrono_literals;

namespace {

constexpr Duration kTryFor = 60s;
constexpr Duration kWaitMax = 1s;  // in a queue of locks, where others stand behind us
constexpr Duration kPause = 250ms;

// `attempt` is one transaction; between two of them the application gets its turn.
Task<void> while_locked_out(Connection& connection, Duration pause, std::function<Task<void>()> attempt) {
  auto give_up_at = monotonic_now() + kTryFor;
  while (true) {
    auto done = co_await attempt();
    if (done) co_return Status{};
    if (connection.is_open()) CO_TRY(co_await connection.exec("ROLLBACK"));
    bool locked_out = sqlstate_of(done.error()) == "55P03";
    if (!locked_out || monotonic_now() > give_up_at) co_return std::unexpected(std::move(done).error());
    CO_TRY(co_await sleep_for(pause));
  }
}

}  // namespace

Task<void> change_under_lock(Connection& connection, std::string sql) {
  auto change = [&]() -> Task<void> {
    CO_TRY(co_await connection.exec(
        fmt::format("BEGIN; SET LOCAL lock_timeout = '{}s'; {}; COMMIT", kWaitMax / 1s, sql)));
    co_return Status{};
  };
  co_return co_await while_locked_out(connection, kWaitMax, change);
}

Task<bool> change_if_free(Connection& connection, std::string sql) {
  auto done =
      co_await connection.exec(fmt::format("BEGIN; SET LOCAL lock_timeout = '100ms'; {}; COMMIT", sql));
  if (done) co_return true;
  if (connection.is_open()) CO_TRY(co_await connection.exec("ROLLBACK"));
  if (sqlstate_of(done.error()) == "55P03") co_return false;
  co_return std::unexpected(std::move(done).error());
}

Task<void> look_giving_way(Connection& connection, std::function<Task<void>()> look) {
  auto transaction = [&]() -> Task<void> {
    CO_TRY(co_await connection.exec(
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; "
        "SELECT set_config('lock_timeout', greatest(1, least(200, setting::int / 5))::text, true) "
        "FROM pg_settings WHERE name = 'deadlock_timeout'"));
    CO_TRY(co_await look());
    CO_TRY(co_await connection.exec("COMMIT"));
    co_return Status{};
  };
  co_return co_await while_locked_out(connection, kPause, transaction);
}

Task<Rows> query_giving_way(Connection& connection, std::string sql, std::vector<Param> params) {
  Rows rows;
  auto look = [&]() -> Task<void> {
    rows = CO_TRY(co_await connection.exec_params(sql, params));
    co_return Status{};
  };
  CO_TRY(co_await look_giving_way(connection, look));
  co_return rows;
}

}  // namespace oxbow::postgres
