#include "adapters/postgres/violation_counter.hpp"

#include <fmt/format.h>

#include "adapters/postgres/session.hpp"

namespace oxbow::postgres {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::string_view kCancelled = "57014";
constexpr std::string_view kLocked = "55P03";
constexpr milliseconds kLockMax = seconds(2);

}  // namespace

Task<Violations> PgViolationCounter::count(std::string sql) {
  // A guest takes one core at most, and compiles nothing.
  CO_TRY(co_await ensure_open(connection_, settings_, "SET max_parallel_workers_per_gather = 0"));
  connection_->set_silence_max(time_max_ + settings_.silence_max);
  CO_TRY(co_await connection_->exec(
      fmt::format("BEGIN READ ONLY; SET LOCAL statement_timeout = {}; SET LOCAL lock_timeout = {}",
                  std::chrono::ceil<milliseconds>(time_max_).count(), kLockMax.count())));
  auto counted = co_await count_within(std::move(sql));
  if (connection_->is_open()) CO_TRY(co_await connection_->exec("ROLLBACK"));
  co_return counted;
}

Task<Violations> PgViolationCounter::count_within(std::string sql) {
  auto rows = co_await connection_->exec(std::move(sql));
  if (!rows) {
    auto state = sqlstate_of(rows.error());
    if (state == kCancelled)
      co_return Err(ErrorCode::timeout, "it would have taken longer than {}", human_duration(time_max_));
    if (state == kLocked) co_return Err(ErrorCode::timeout, "somebody holds a lock on the table");
    co_return std::unexpected(rows.error());
  }
  Violations violations;
  for (int row = 0; row < rows->size(); ++row) {
    violations.rows = rows->number<std::uint64_t>(row, 0);
    violations.samples.push_back(rows->text(row, 1));
  }
  co_return violations;
}

}  // namespace oxbow::postgres
