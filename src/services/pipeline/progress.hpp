// How fast something goes and how long it will take, for people. Values.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>

#include "base/time.hpp"

namespace oxbow {

// The speed over the last seconds: what was long ago says nothing of now.
class RateWindow {
 public:
  // `done` only grows; where it falls, something else is being counted and the window begins anew.
  void observe(Instant now, std::uint64_t done) {
    if (!samples_.empty() && done < samples_.back().done) samples_.clear();
    samples_.push_back({now, done});
    while (now - samples_.front().at > kWindow) samples_.pop_front();
  }

  // 0 while there is nothing to base it on.
  double per_second() const {
    if (samples_.empty() || samples_.back().at - samples_.front().at < kShortest) return 0;
    auto seconds = std::chrono::duration<double>(samples_.back().at - samples_.front().at).count();
    return static_cast<double>(samples_.back().done - samples_.front().done) / seconds;
  }

 private:
  static constexpr Duration kWindow = std::chrono::seconds(10);
  static constexpr Duration kShortest = std::chrono::seconds(2);

  struct Sample {
    Instant at;
    std::uint64_t done;
  };
  std::deque<Sample> samples_;
};

// None while nothing moves, and none once more is done than was estimated: then nobody knows.
inline std::optional<Duration> time_left(std::uint64_t done, std::uint64_t estimated, double per_second) {
  if (per_second <= 0 || done >= estimated) return std::nullopt;
  auto seconds = static_cast<double>(estimated - done) / per_second;
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}

}  // namespace oxbow
