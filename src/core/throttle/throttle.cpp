#include "core/throttle/throttle.hpp"

#include <fmt/core.h>

#include "base/text.hpp"

namespace oxbow {
namespace {

// A transaction that is open for longer holds the log back more than we do: decoding begins again with it.
constexpr Duration kLongTransaction = std::chrono::minutes(1);

}  // namespace

WalBudget budget_level(std::uint64_t retained_wal_bytes, std::uint64_t retained_wal_bytes_max) {
  if (retained_wal_bytes_max == 0) return WalBudget::green;
  if (retained_wal_bytes >= retained_wal_bytes_max) return WalBudget::black;
  if (retained_wal_bytes >= retained_wal_bytes_max / 4 * 3) return WalBudget::red;
  if (retained_wal_bytes >= retained_wal_bytes_max / 2) return WalBudget::amber;
  return WalBudget::green;
}

std::string describe_retained_wal(const Limits& limits, const LoadSigns& signs) {
  auto text = fmt::format("the legacy server keeps {} of log for us, of {} allowed",
                          human_bytes(signs.retained_wal_bytes), human_bytes(limits.retained_wal_bytes_max));
  if (signs.oldest_transaction > kLongTransaction) {
    text += fmt::format("; a transaction there is open for {}, and the log is kept from its beginning",
                        human_duration(signs.oldest_transaction));
  }
  return text;
}

Throttle decide_throttle(const Limits& limits, const LoadSigns& signs) {
  Throttle throttle{.budget = budget_level(signs.retained_wal_bytes, limits.retained_wal_bytes_max)};
  auto at = [&](BackfillPace pace, std::string reason) {
    throttle.pace = pace;
    throttle.reason = std::move(reason);
    return throttle;
  };
  if (throttle.budget >= WalBudget::red)
    return at(BackfillPace::stopped, describe_retained_wal(limits, signs));
  if (signs.lag > limits.lag_max) {
    return at(BackfillPace::stopped, fmt::format("the stream is {} behind, {} are allowed",
                                                 human_duration(signs.lag), human_duration(limits.lag_max)));
  }
  if (limits.active_sessions_max != 0 && signs.active_sessions > limits.active_sessions_max) {
    return at(BackfillPace::stopped,
              fmt::format("{} sessions of others are at work on the legacy server, {} are allowed",
                          signs.active_sessions, limits.active_sessions_max));
  }
  if (throttle.budget == WalBudget::amber)
    return at(BackfillPace::slow, describe_retained_wal(limits, signs));
  return throttle;
}

}  // namespace oxbow
