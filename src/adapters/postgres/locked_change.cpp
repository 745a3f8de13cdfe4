#include "adapters/postgres/locked_change.hpp"

#include <fmt/format.h>

#include "runtime/real_clock.hpp"
#include "runtime/sleep.hpp"

namespace oxbow::postgres {

using namespace std::chrono_literals;

namespace {

constexpr Duration kTryFor = 60s;
constexpr Duration kPause = 250ms;  // in which the application gets its turn

}  // namespace

Task<void> change_under_lock(Connection& connection, std::string sql) {
  auto give_up_at = monotonic_now() + kTryFor;
  while (true) {
    auto done =
        co_await connection.exec(fmt::format("BEGIN; SET LOCAL lock_timeout = '2s'; {}; COMMIT", sql));
    if (done) co_return Status{};
    if (connection.is_open()) CO_TRY(co_await connection.exec("ROLLBACK"));
    bool locked_out = sqlstate_of(done.error()) == "55P03";
    if (!locked_out || monotonic_now() > give_up_at) co_return std::unexpected(std::move(done).error());
    CO_TRY(co_await sleep_for(kPause));
  }
}

}  // namespace oxbow::postgres
