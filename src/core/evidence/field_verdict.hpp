// What is to be thought of one field that differs: is it wrong, or is legacy as restless as new? Pure.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/evidence/e_values.hpp"

namespace oxbow {

// Requests since the last change of version on either side. A twin is a second answer of legacy to the same
// request; how it differs from the first is legacy's own noise.
struct FieldCounts {
  std::uint64_t compared = 0;
  std::uint64_t differed = 0;  // new from legacy
  std::uint64_t twins = 0;     // compared requests of which a twin was taken
  std::uint64_t twin_differed = 0;
  std::uint64_t only_new = 0;  // of the twins: new differed and the twin did not
  std::uint64_t only_twin = 0;

  std::uint64_t ties() const { return twins - only_new - only_twin; }

  friend bool operator==(const FieldCounts&, const FieldCounts&) = default;
};

struct VerdictRules {
  double false_alarms_max = 0.01;     // share of the fields called different by statistics that are not
  double false_all_clear_max = 0.05;  // probability to call a real excess of `excess_max` noise
  double excess_max = 0.01;           // "as noisy as legacy": in less than this share of requests more
  // After so many twins without a difference a field of legacy counts as deterministic.
  std::uint64_t deterministic_after = 300;
  std::uint64_t mismatch_budget = 0;  // differences allowed in a deterministic field
};

enum class FieldState {
  clean,         // it does not differ, or within its budget
  noise,         // it differs, and so does legacy from itself, as often
  difference,    // new means something else
  undetermined,  // not enough pairs
};

std::string_view name(FieldState state);

struct FieldVerdict {
  FieldState state = FieldState::undetermined;
  bool by_budget = false;  // a difference in a field in which no twin ever differed
  double log_e = 0;        // evidence that new differs more often than legacy
  double rate = 0;         // of new's differences
  Interval rate_interval;
  double noise_rate = 0;         // of legacy's
  double noise_rate_max = 1;     // 95 %
  std::uint64_t needs_more = 0;  // undetermined: about so many more twins (clean or not: more requests)

  friend bool operator==(const FieldVerdict&, const FieldVerdict&) = default;
};

// All fields of a migration together, because with many fields some look suspicious by chance. In their
// order.
//
// `false_alarms_max` holds for all differences, however often one looks, and counts `others`, too: fields
// that were judged before and are not any more. A field over its budget counts as one once so many twins
// agreed that legacy's own noise, if it were as frequent, would have shown among them.
std::vector<FieldVerdict> judge_fields(std::span<const FieldCounts> fields, const VerdictRules& rules,
                                       std::uint64_t others = 0);

// "differs in 9,412 of 9,800 requests, and legacy from itself in 97 % of 1,200"
std::string describe_counts(const FieldCounts& counts);

}  // namespace oxbow
