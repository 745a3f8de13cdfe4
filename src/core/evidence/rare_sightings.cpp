#include "core/evidence/rare_sightings.hpp"

#include <algorithm>
#include <limits>

namespace oxbow {

// Each row takes other bits of the hash.
std::array<std::uint16_t*, RareSightings::kRows> RareSightings::places_of(std::uint64_t hash) {
  constexpr std::size_t kColumns = std::size_t{1} << kColumnBits;
  static_assert(kRows * kColumnBits <= 64);
  if (counts_.empty()) counts_.resize(kRows * kColumns);
  std::array<std::uint16_t*, kRows> places{};
  for (std::size_t row = 0; row < kRows; ++row, hash >>= kColumnBits)
    places[row] = &counts_[row * kColumns + hash % kColumns];
  return places;
}

std::uint64_t RareSightings::add(std::uint64_t hash) {
  std::uint64_t least = std::numeric_limits<std::uint16_t>::max();
  for (const auto* each : places_of(hash)) least = std::min<std::uint64_t>(least, *each);
  raise(hash, least + 1);
  return least + 1;
}

void RareSightings::raise(std::uint64_t hash, std::uint64_t times) {
  auto most = std::min<std::uint64_t>(times, std::numeric_limits<std::uint16_t>::max());
  for (auto* each : places_of(hash)) *each = std::max(*each, static_cast<std::uint16_t>(most));
}

void RareSightings::fade() {
  for (auto& each : counts_) each /= 2;
}

}  // namespace oxbow
