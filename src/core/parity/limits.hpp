// What a comparison may cost. Plain values.
#pragma once

#include <cstddef>

namespace oxbow {

struct ParityLimits {
  std::size_t body_bytes_max = 8u << 20;  // of one decoded body
  int depth_max = 512;                    // objects and arrays inside each other; at most kDepthMaxEver
  std::size_t differences_max = 32;       // told in full, each of another signature; the rest is counted
  std::size_t excerpt_bytes_max = 80;
  std::size_t rework_factor_max = 64;  // bytes read a second time (members and elements in another order),
                                       // per byte of both bodies

  std::size_t parts_max = 500'000;  // members and elements listed at a time

  static constexpr int kDepthMaxEver = 1'000;  // a comparison recurses so deep
};

}  // namespace oxbow
