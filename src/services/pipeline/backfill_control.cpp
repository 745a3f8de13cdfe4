#include "services/pipeline/backfill_control.hpp"

#include <algorithm>

namespace oxbow {
namespace {

// A range is not held open for longer than that between two chunks, however long it waited for its first one.
constexpr Duration kRestMax = std::chrono::milliseconds(200);

}  // namespace

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

int BackfillControl::workers() const {
  switch (throttle_.pace) {
    case BackfillPace::full:
      return rate_.workers;
    case BackfillPace::slow:
      return 1;
    case BackfillPace::stopped:
      return 0;
  }
  return 0;
}

Duration BackfillControl::spend(Instant now, std::uint64_t rows, std::uint64_t bytes) {
  auto wait = std::max(rows_pace_.spend(now, rows), bytes_pace_.spend(now, bytes));
  if (throttle_.pace != BackfillPace::full) wait = std::max(wait, std::min(now - at_work_since_, kRestMax));
  at_work_since_ = now + wait;
  return wait;
}

}  // namespace oxbow
