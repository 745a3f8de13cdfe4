#include "core/evidence/field_verdict.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "base/assert.hpp"
#include "base/text.hpp"

namespace oxbow {
namespace {

constexpr std::array<std::string_view, 4> kStateNames = {"clean", "noise", "difference", "undetermined"};

double share(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

bool is_proven_noise(const FieldCounts& counts, const VerdictRules& rules) {
  return log_e_value_of_equality(counts.only_new, counts.only_twin, counts.ties(), rules.excess_max) >=
         -std::log(rules.false_all_clear_max);
}

constexpr double kNothing = -std::numeric_limits<double>::infinity();

bool is_deterministic(const FieldCounts& counts, const VerdictRules& rules) {
  return counts.twin_differed == 0 && counts.twins >= rules.deterministic_after;
}

// If new were as restless as legacy, each difference would fall to an answer of new or to a twin by how many
// of both there are. That all fell to new multiplies what was staked on it each time: a test martingale.
double log_e_of_silent_twins(const FieldCounts& counts, const VerdictRules& rules) {
  if (!is_deterministic(counts, rules) || counts.differed <= rules.mismatch_budget) return kNothing;
  auto over_budget = static_cast<double>(counts.differed - rules.mismatch_budget);
  return over_budget * std::log1p(share(counts.twins, counts.compared));
}

// The mean of two e-values is one, too.
double log_e_of(const FieldCounts& counts, const VerdictRules& rules) {
  auto one = log_e_value(counts.only_new, counts.only_twin), other = log_e_of_silent_twins(counts, rules);
  auto larger = std::max(one, other);
  return larger + std::log1p(std::exp(std::min(one, other) - larger)) - std::log(2);
}

FieldCounts scaled(const FieldCounts& counts, double factor) {
  auto times = [&](std::uint64_t count) {
    return static_cast<std::uint64_t>(std::ceil(static_cast<double>(count) * factor));
  };
  FieldCounts more = counts;
  more.only_new = times(counts.only_new);
  more.only_twin = times(counts.only_twin);
  more.twins = std::max(times(counts.twins), more.only_new + more.only_twin);
  return more;
}

// If things go on as they were: the twins until one of both tests decides.
std::uint64_t twins_needed(const FieldCounts& counts, const VerdictRules& rules, double log_e_wanted) {
  constexpr double kLookAheadMax = 1000;
  if (counts.twin_differed == 0 && counts.twins < rules.deterministic_after)
    return rules.deterministic_after - counts.twins;
  if (counts.twin_differed == 0) {
    auto had = log_e_of_silent_twins(counts, rules);
    auto wanted = log_e_wanted + std::log(2);
    auto more = scaled(counts, std::min(had > 0 ? wanted / had : kLookAheadMax, kLookAheadMax));
    return more.twins - counts.twins;
  }
  double factor = 1;
  while (factor < kLookAheadMax) {
    factor *= 1.25;
    auto more = scaled(counts, factor);
    if (is_proven_noise(more, rules) || log_e_of(more, rules) >= log_e_wanted) break;
  }
  return scaled(counts, factor).twins - counts.twins;
}

FieldVerdict figures(const FieldCounts& counts, double log_e) {
  FieldVerdict verdict;
  verdict.log_e = log_e;
  verdict.rate = share(counts.differed, counts.compared);
  verdict.rate_interval = rate_interval(counts.differed, counts.compared);
  verdict.noise_rate = share(counts.twin_differed, counts.twins);
  verdict.noise_rate_max = counts.twin_differed == 0 ? rate_max_of_the_unseen(counts.twins)
                                                     : rate_interval(counts.twin_differed, counts.twins).high;
  return verdict;
}

void decide(FieldVerdict& verdict, const FieldCounts& counts, const VerdictRules& rules, bool is_rejected,
            double log_e_wanted) {
  if (is_rejected) {
    verdict.state = FieldState::difference;
    verdict.by_budget = is_deterministic(counts, rules);
  } else if (counts.differed == 0) {
    bool enough = counts.compared >= rules.deterministic_after;
    verdict.state = enough ? FieldState::clean : FieldState::undetermined;
    if (!enough) verdict.needs_more = rules.deterministic_after - counts.compared;
  } else if (is_deterministic(counts, rules) && counts.differed <= rules.mismatch_budget) {
    verdict.state = FieldState::clean;
  } else if (counts.twin_differed > 0 && is_proven_noise(counts, rules)) {
    verdict.state = FieldState::noise;
  } else {
    verdict.needs_more = twins_needed(counts, rules, log_e_wanted);
  }
}

}  // namespace

std::string_view name(FieldState state) {
  return kStateNames[static_cast<std::size_t>(state)];
}

std::vector<FieldVerdict> judge_fields(std::span<const FieldCounts> fields, const VerdictRules& rules,
                                       std::uint64_t others) {
  std::vector<double> log_e;
  for (const auto& counts : fields) log_e.push_back(log_e_of(counts, rules));
  std::vector<bool> is_rejected(fields.size());
  for (auto i : rejected_by_e_bh(log_e, rules.false_alarms_max, others)) is_rejected[i] = true;

  double log_e_wanted = std::log(static_cast<double>(fields.size() + others) / rules.false_alarms_max);
  std::vector<FieldVerdict> verdicts;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    auto& verdict = verdicts.emplace_back(figures(fields[i], log_e[i]));
    decide(verdict, fields[i], rules, is_rejected[i], log_e_wanted);
  }
  return verdicts;
}

std::string describe_counts(const FieldCounts& counts) {
  auto line =
      fmt::format("differs in {} of {} requests", human_count(counts.differed), human_count(counts.compared));
  if (counts.twins == 0) return line + "; legacy was not asked twice";
  if (counts.twin_differed == 0)
    return line +
           fmt::format("; legacy asked twice never differed in {} requests", human_count(counts.twins));
  return line + fmt::format(", and legacy asked twice in {:.3g} % of {}",
                            share(counts.twin_differed, counts.twins) * 100, human_count(counts.twins));
}

}  // namespace oxbow
