// About how often each of many things that have no room of their own was seen lately: a count-min sketch
// (Cormode, Muthukrishnan 2005) with conservative update. It says never too little, and too much only where
// tens of thousands of others were seen. 64 KiB from the first one on. A value; one thread at a time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

namespace oxbow {

class RareSightings {
 public:
  // What has no room displaces what has one if it was seen more than so many times as often lately. Of those
  // that are about as frequent each would displace the other in turn, and no count of theirs would last.
  static constexpr std::uint64_t kClearlyMore = 2;

  // After so many requests that differ, each of which may show some 60 things, what was seen before counts
  // half.
  static constexpr std::uint64_t kFadeEvery = 512;

  std::uint64_t add(std::uint64_t hash);                // seen once more: so often by now
  void raise(std::uint64_t hash, std::uint64_t times);  // it was seen at least so often elsewhere
  void fade();                                          // what was seen counts half

 private:
  static constexpr std::size_t kRows = 4;
  static constexpr unsigned kColumnBits = 13;

  std::array<std::uint16_t*, kRows> places_of(std::uint64_t hash);

  std::vector<std::uint16_t> counts_;  // row by row
};

}  // namespace oxbow
