#include "core/evidence/skew.hpp"

#include <fmt/core.h>

#include "base/assert.hpp"

namespace oxbow {
namespace {

double share(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

std::string percent(double share) {
  if (share > 0 && share < 0.0001) return "< 0.01 %";
  return share < 0.1 ? fmt::format("{:.2g} %", share * 100) : fmt::format("{:.0f} %", share * 100);
}

}  // namespace

void SkewBook::record(CohortId cohort, std::string_view key, bool is_write) {
  OXBOW_ASSERT(cohort.value() < cohorts_.size(), "cohort {} of {}", cohort.value(), cohorts_.size());
  auto& each = cohorts_[cohort.value()];
  auto hash = hash_of_key(key);
  ++each.requests;
  each.writes += is_write;
  each.keys.add(hash);
  each.heavy.add(hash, key);
}

std::vector<CohortSkew> SkewBook::report() const {
  std::vector<CohortSkew> report;
  std::uint64_t keys = 0, requests = 0, writes = 0;
  for (const auto& cohort : cohorts_) {
    auto& line = report.emplace_back(CohortSkew{.keys = cohort.keys.estimate(),
                                                .requests = cohort.requests,
                                                .writes = cohort.writes,
                                                .hottest = cohort.heavy.hottest()});
    // No key is in two cohorts, so their numbers add up.
    keys += line.keys;
    requests += line.requests;
    writes += line.writes;
  }
  for (auto& line : report) {
    line.keys_share = share(line.keys, keys);
    line.requests_share = share(line.requests, requests);
    line.writes_share = share(line.writes, writes);
    if (line.hottest) line.hottest_share = share(line.hottest->count - line.hottest->count_error, requests);
  }
  return report;
}

std::string describe_skew(const CohortSkew& skew) {
  if (skew.requests == 0) return "no requests yet";
  auto line = fmt::format("{} of keys = ", percent(skew.keys_share));
  if (skew.writes > 0) line += fmt::format("{} of writes, ", percent(skew.writes_share));
  line += fmt::format("{} of requests", percent(skew.requests_share));
  if (skew.hottest && skew.hottest_share > 0)
    line += fmt::format("; hottest key {}: {} of requests", skew.hottest->key, percent(skew.hottest_share));
  return line;
}

}  // namespace oxbow
