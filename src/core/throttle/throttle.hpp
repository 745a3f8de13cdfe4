// How much the backfill may take, decided from what the databases say of themselves. It is a guest: the
// application, the stream and the source's disk come first. Pure.
#pragma once

#include <cstdint>
#include <string>

#include "base/time.hpp"
#include "model/plane_status.hpp"
#include "model/spec.hpp"

namespace oxbow {

struct LoadSigns {
  std::uint64_t retained_wal_bytes = 0;  // kept by the source for our slot
  Duration lag{};
  std::uint64_t active_sessions = 0;  // of others, at work on the source
  Duration oldest_transaction{};      // of others
};

struct Throttle {
  WalBudget budget = WalBudget::green;
  BackfillPace pace = BackfillPace::full;
  std::string reason;  // empty at full pace

  friend bool operator==(const Throttle&, const Throttle&) = default;
};

// Amber from a half of the budget, red from three quarters, black when it is used up; 0: no budget.
WalBudget budget_level(std::uint64_t retained_wal_bytes, std::uint64_t retained_wal_bytes_max);

// The strictest rule that applies decides and gives the reason.
Throttle decide_throttle(const Limits& limits, const LoadSigns& signs);

// "the legacy server keeps 6.1 GiB of log for us, of 10.0 GiB allowed", and whose fault that may be.
std::string describe_retained_wal(const Limits& limits, const LoadSigns& signs);

}  // namespace oxbow
