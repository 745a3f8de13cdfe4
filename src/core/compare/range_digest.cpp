#include "core/compare/range_digest.hpp"

#include <xxhash.h>

namespace oxbow {

void RangeDigest::add(std::string_view row) {
  auto hash = XXH3_128bits_withSeed(row.data(), row.size(), seed_);
  ++rows_;
  low_ += hash.low64;
  high_ += hash.high64 + (low_ < hash.low64 ? 1 : 0);
}

void RowComparison::add_legacy(std::string key, std::string_view row, std::string source_key) {
  auto& entry = rows_[std::move(key)];
  entry.legacy.add(row);
  entry.source_key = std::move(source_key);
}

void RowComparison::add_new(std::string key, std::string_view row) {
  rows_[std::move(key)].new_side.add(row);
}

std::vector<RowComparison::Found> RowComparison::differences() const {
  std::vector<Found> found;
  for (const auto& [key, entry] : rows_) {
    if (entry.legacy == entry.new_side) continue;
    auto difference = entry.new_side.rows() < entry.legacy.rows()   ? Difference::missing_on_new
                      : entry.new_side.rows() > entry.legacy.rows() ? Difference::extra_on_new
                                                                    : Difference::value;
    found.push_back({difference, key, entry.source_key, entry.legacy.rows(), entry.new_side.rows()});
  }
  return found;
}

}  // namespace oxbow
