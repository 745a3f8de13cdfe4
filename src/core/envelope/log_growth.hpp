// By how much the log that a server keeps for us grows. What is kept goes up and down with each confirmation,
// so only its low points are compared. Values.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>

#include "base/time.hpp"

namespace oxbow {

class LogGrowth {
 public:
  static constexpr Duration kWindow = std::chrono::seconds(60);
  static constexpr Duration kWindowMin = std::chrono::seconds(20);  // less says nothing

  void observe(Instant now, std::uint64_t retained_bytes) {
    looks_.push_back({now, retained_bytes});
    while (now - looks_.front().at > kWindow) looks_.pop_front();
  }

  void forget() { looks_.clear(); }

  double bytes_per_second() const {
    if (looks_.empty() || looks_.back().at - looks_.front().at < kWindowMin) return 0;
    auto middle = looks_.front().at + (looks_.back().at - looks_.front().at) / 2;
    auto half = std::ranges::find_if(looks_, [&](const Look& look) { return look.at >= middle; });
    auto low = [](auto begin, auto end) { return *std::min_element(begin, end, by_bytes); };
    auto before = low(looks_.begin(), half), after = low(half, looks_.end());
    if (after.bytes <= before.bytes) return 0;
    auto seconds = std::chrono::duration<double>(after.at - before.at).count();
    return static_cast<double>(after.bytes - before.bytes) / seconds;
  }

 private:
  struct Look {
    Instant at;
    std::uint64_t bytes;
  };
  static bool by_bytes(const Look& one, const Look& other) { return one.bytes < other.bytes; }

  std::deque<Look> looks_;
};

}  // namespace oxbow
