// Which cohort a key belongs to. A key never changes cohort: named keys first, then slices of hash buckets.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/strong.hpp"

namespace oxbow {

using CohortId = Strong<std::uint32_t, struct CohortTag>;  // index into EntitySpec::cohorts

inline constexpr std::uint32_t kBucketCount = 10'000;

// The cohorts of one entity, resolved: every key has exactly one.
struct CohortTable {
  std::string key_column;  // legacy column
  std::string salt;
  std::vector<std::pair<std::string, CohortId>> named_keys;  // sorted by key
  std::vector<CohortId> by_bucket;                           // kBucketCount entries

  friend bool operator==(const CohortTable&, const CohortTable&) = default;
};

// Which rows take part: those whose key is in one of `members`.
struct CohortFilter {
  CohortTable table;
  std::vector<CohortId> members;  // sorted
};

}  // namespace oxbow
