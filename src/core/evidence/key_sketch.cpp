#include "core/evidence/key_sketch.hpp"

#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numbers>

#include "core/evidence/shown_text.hpp"

namespace oxbow {
namespace {

// Both series stop by themselves, when a term is too small to change the sum.
double sigma(double x) {
  if (x == 1) return std::numeric_limits<double>::infinity();
  double sum = x, before = -1, factor = 1;
  while (sum != before) {
    before = sum;
    x *= x;
    sum += x * factor;
    factor *= 2;
  }
  return sum;
}

double tau(double x) {
  if (x == 0 || x == 1) return 0;
  double sum = 1 - x, before = -1, factor = 1;
  while (sum != before) {
    before = sum;
    x = std::sqrt(x);
    factor /= 2;
    sum -= (1 - x) * (1 - x) * factor;
  }
  return sum / 3;
}

}  // namespace

std::uint64_t hash_of_key(std::string_view key) {
  return XXH3_64bits(key.data(), key.size());
}

void DistinctKeys::add(std::uint64_t hash) {
  auto index = hash >> (64 - kIndexBits);
  auto rank = std::min<unsigned>(static_cast<unsigned>(std::countl_zero(hash << kIndexBits)) + 1, kRankMax);
  ranks_[index] = std::max(ranks_[index], static_cast<std::uint8_t>(rank));
}

std::uint64_t DistinctKeys::estimate() const {
  std::array<double, kRankMax + 1> with_rank{};
  for (auto rank : ranks_) ++with_rank[rank];
  auto size = static_cast<double>(ranks_.size());
  double z = size * tau(1 - with_rank[kRankMax] / size);
  for (unsigned rank = kRankMax - 1; rank >= 1; --rank) z = (z + with_rank[rank]) / 2;
  z += size * sigma(with_rank[0] / size);
  return static_cast<std::uint64_t>(std::llround(size * size / (2 * std::numbers::ln2 * z)));
}

void HeavyKeys::add(std::uint64_t hash, std::string_view key) {
  auto found = std::ranges::find(slots_, hash, &Slot::hash);
  if (found != slots_.end()) {
    ++found->key.count;
    return;
  }
  key = cut_at_character(key, kKeyBytesMax);
  if (slots_.size() < kKeysMax) {
    slots_.push_back({{std::string(key), 1, 0}, hash});
    return;
  }
  // The rarest makes room, and its count is what the newcomer may have had at most.
  auto& rarest = *std::ranges::min_element(slots_, {}, [](const Slot& slot) { return slot.key.count; });
  rarest.hash = hash;
  rarest.key.key = key;
  rarest.key.count_error = rarest.key.count;
  ++rarest.key.count;
}

std::optional<HeavyKeys::Key> HeavyKeys::hottest() const {
  if (slots_.empty()) return std::nullopt;
  // A newcomer with a large error must not look hotter than a key that was there all the time.
  return std::ranges::max_element(slots_, {},
                                  [](const Slot& slot) { return slot.key.count - slot.key.count_error; })
      ->key;
}

}  // namespace oxbow
