// Two small memories of a stream of keys that is too long to keep: how many different ones there were, and
// which came most often. Values of bounded size; one thread at a time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace oxbow {

std::uint64_t hash_of_key(std::string_view key);

// HyperLogLog, read with the estimator of Ertl ("New cardinality estimation algorithms for HyperLogLog
// sketches", 2017), which is right from one key to billions. 2 KiB; the standard error is 2.3 %.
class DistinctKeys {
 public:
  void add(std::uint64_t hash);
  std::uint64_t estimate() const;

 private:
  static constexpr unsigned kIndexBits = 11;
  static constexpr unsigned kRankMax = 64 - kIndexBits + 1;

  std::array<std::uint8_t, std::size_t{1} << kIndexBits> ranks_{};
};

// Space-Saving (Metwally, Agrawal, El Abbadi 2005): a key that has more than 1/64 of all requests is there
// for certain, and its count is too high by at most `count_error`.
class HeavyKeys {
 public:
  static constexpr std::size_t kKeysMax = 64;
  static constexpr std::size_t kKeyBytesMax = 200;  // of what is shown

  struct Key {
    std::string key;
    std::uint64_t count = 0;
    std::uint64_t count_error = 0;
  };

  void add(std::uint64_t hash, std::string_view key);
  std::optional<Key> hottest() const;

 private:
  struct Slot {
    Key key;
    std::uint64_t hash = 0;
  };

  std::vector<Slot> slots_;
};

}  // namespace oxbow
