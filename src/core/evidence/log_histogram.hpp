// How durations are distributed, in bounded memory: buckets that widen with the value, so that a quantile is
// right to about 3 %, from one microsecond to more than an hour. A value; one thread at a time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/time.hpp"

namespace oxbow {

class LogHistogram {
 public:
  void record(Duration duration);  // below zero counts as zero

  std::uint64_t count() const { return count_; }
  Duration sum() const { return sum_; }

  // The value below which a share of `q` lies; zero if nothing was recorded.
  Duration quantile(double q) const;

  // How many were at most this long, to the precision of a bucket.
  std::uint64_t count_up_to(Duration duration) const;

 private:
  static constexpr std::size_t kSteps = 16;  // buckets for each doubling
  static constexpr std::size_t kDoublings = 28;

  static std::size_t bucket_of(Duration duration);
  static Duration middle_of(std::size_t bucket);

  std::array<std::uint64_t, kSteps*(kDoublings + 1)> buckets_{};
  std::uint64_t count_ = 0;
  Duration sum_{};
};

}  // namespace oxbow
