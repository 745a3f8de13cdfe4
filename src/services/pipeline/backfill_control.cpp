#include "services/pipeline/backfill_control.hpp"

#include <fmt/core.h>

#include <algorithm>

#include "base/text.hpp"

namespace oxbow {
void BackfillControl::pause(std::optional<std::string> entity) {
  if (entity) {
    paused_.insert(*entity);
  } else {
    all_paused_ = true;
  }
}

void BackfillControl::resume(std::optional<std::string> entity) {
  if (entity) {
    paused_.erase(*entity);
  } else {
    all_paused_ = false;
    paused_.clear();
  }
}

void BackfillControl::set_rate(Rate rate) {
  rate_ = rate;
  rows_pace_ = Pace(rate.rows_per_second_max);
  bytes_pace_ = Pace(rate.bytes_per_second_max);
}

void BackfillControl::observe(const SourceHealth& health, Duration lag) {
  auto budget = limits_.retained_wal_bytes_max;
  auto retained = health.retained_wal_bytes;
  budget_ = budget == 0                  ? WalBudget::green
            : retained >= budget         ? WalBudget::black
            : retained >= budget / 4 * 3 ? WalBudget::red
            : retained >= budget / 2     ? WalBudget::amber
                                         : WalBudget::green;
  throttle_reason_.clear();
  if (budget_ != WalBudget::green) {
    throttle_reason_ = fmt::format("the legacy server keeps {} of log for us, of {} allowed",
                                   human_bytes(retained), human_bytes(budget));
  } else if (lag > limits_.lag_max) {
    throttle_reason_ = fmt::format("the stream is {} behind, {} are allowed", human_duration(lag),
                                   human_duration(limits_.lag_max));
  }
}

Duration BackfillControl::spend(Instant now, std::uint64_t rows, std::uint64_t bytes) {
  return std::max(rows_pace_.spend(now, rows), bytes_pace_.spend(now, bytes));
}

}  // namespace oxbow
