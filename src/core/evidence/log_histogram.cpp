#include "core/evidence/log_histogram.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace oxbow {

// Microseconds below kSteps have a bucket each. From there on the highest bits count: the position of the
// first and the four behind it.
std::size_t LogHistogram::bucket_of(Duration duration) {
  auto us = static_cast<std::uint64_t>(
      std::max<std::int64_t>(0, std::chrono::duration_cast<std::chrono::microseconds>(duration).count()));
  if (us < kSteps) return us;
  auto doubling = static_cast<std::size_t>(std::bit_width(us) - std::bit_width(kSteps));
  if (doubling >= kDoublings) return kSteps * (kDoublings + 1) - 1;
  return kSteps * doubling + (us >> doubling);
}

Duration LogHistogram::middle_of(std::size_t bucket) {
  if (bucket < kSteps) return std::chrono::microseconds(bucket);
  auto doubling = bucket / kSteps - 1;
  auto low = (kSteps + bucket % kSteps) << doubling;
  auto high = low + (std::uint64_t{1} << doubling) - 1;
  return std::chrono::microseconds((low + high) / 2);
}

void LogHistogram::record(Duration duration) {
  ++buckets_[bucket_of(duration)];
  ++count_;
  sum_ += std::max(duration, Duration::zero());
}

Duration LogHistogram::quantile(double q) const {
  if (count_ == 0) return Duration::zero();
  auto wanted = std::max<std::uint64_t>(
      1, static_cast<std::uint64_t>(std::ceil(std::clamp(q, 0.0, 1.0) * static_cast<double>(count_))));
  std::uint64_t passed = 0;
  for (std::size_t bucket = 0; bucket < buckets_.size(); ++bucket) {
    passed += buckets_[bucket];
    if (passed >= wanted) return middle_of(bucket);
  }
  return middle_of(buckets_.size() - 1);
}

std::uint64_t LogHistogram::count_up_to(Duration duration) const {
  if (duration < Duration::zero()) return 0;
  std::uint64_t sum = 0;
  for (std::size_t bucket = 0; bucket <= bucket_of(duration); ++bucket) sum += buckets_[bucket];
  return sum;
}

}  // namespace oxbow
