// Since when the verdicts on a route count. A new version of either side ends what was known of its noise,
// and so do another rule of comparison and an operator's order. Versions are what the services say in their
// answers. A value; one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.hpp"

namespace oxbow {

// The versions of one side. While a deployment rolls on, both versions answer: the one that was there before
// is an earlier one, until the newer one was not seen for a while. Then the deployment was taken back.
class SideVersions {
 public:
  static constexpr Duration kGoneAfter = std::chrono::minutes(1);
  static constexpr std::size_t kEarlierMax = 8;
  static constexpr std::size_t kVersionBytesMax = 64;  // longer ones count as what they begin with

  enum class Seen { present, changed, earlier };

  // An answer says that this is its version; empty: it says nothing, and counts as the present one.
  Seen see(std::string_view version, Instant now);

  const std::string& present() const { return present_; }  // empty: none was told yet

 private:
  std::string present_;
  Instant last_seen_{};
  std::vector<std::string> earlier_;
};

struct RouteEpoch {
  std::uint64_t number = 1;
  WallTime since{};  // of the present one; the beginning of time for the first
  SideVersions legacy;
  SideVersions new_side;

  void begin(WallTime now) {
    ++number;
    since = now;
  }
};

}  // namespace oxbow
