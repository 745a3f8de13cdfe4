// How unevenly the load lies on the cohorts of one entity: their shares of keys, requests and writes, and the
// hottest key of each. Bounded sketches, about 10 KiB for each cohort. One thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/evidence/key_sketch.hpp"
#include "model/cohort.hpp"

namespace oxbow {

struct CohortSkew {
  std::uint64_t keys = 0;  // different ones that were seen; estimated
  std::uint64_t requests = 0;
  std::uint64_t writes = 0;  // of the requests
  double keys_share = 0;     // of the entity's; 0 while there are none
  double requests_share = 0;
  double writes_share = 0;
  std::optional<HeavyKeys::Key> hottest = {};
  double hottest_share = 0;  // of the entity's requests, at least
};

class SkewBook {
 public:
  explicit SkewBook(std::size_t cohorts) : cohorts_(cohorts) {}

  void record(CohortId cohort, std::string_view key, bool is_write);

  std::vector<CohortSkew> report() const;  // by CohortId

 private:
  struct Cohort {
    std::uint64_t requests = 0;
    std::uint64_t writes = 0;
    DistinctKeys keys;
    HeavyKeys heavy;
  };

  std::vector<Cohort> cohorts_;
};

// "1 % of keys = 40 % of writes, 12 % of requests; hottest key 4711: 9 % of requests". Of the keys that were
// seen. "no requests yet" if there were none.
std::string describe_skew(const CohortSkew& skew);

}  // namespace oxbow
