// Keeps an amount per second: says how long to wait before more of it is spent. A value; not thread-safe.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/time.hpp"

namespace oxbow {

class Pace {
 public:
  explicit Pace(std::uint64_t per_second_max) : per_second_max_(per_second_max) {}  // 0: no limit

  // Spends `amount` now; the wait makes up for it.
  Duration spend(Instant now, std::uint64_t amount) {
    if (per_second_max_ == 0) return {};
    free_at_ = std::max(free_at_, now - kBurst);
    auto cost =
        std::chrono::duration<double>(static_cast<double>(amount) / static_cast<double>(per_second_max_));
    free_at_ += std::chrono::duration_cast<Duration>(cost);
    return std::max(Duration{}, free_at_ - now);
  }

 private:
  // A tenth of a second: short enough to be smooth, long enough for a chunk.
  static constexpr Duration kBurst = std::chrono::milliseconds(100);

  std::uint64_t per_second_max_;
  Instant free_at_{};
};

}  // namespace oxbow
