#include "core/lifecycle/adoption.hpp"

#include <fmt/core.h>

#include <algorithm>

#include "core/lifecycle/chain.hpp"
#include "core/lifecycle/record.hpp"

namespace oxbow {
namespace {

std::string definition_of(const CohortSpec& cohort) {
  Record record;
  record["keys"] = cohort.keys;
  record["buckets"] = std::uint64_t{cohort.buckets.value_or(0)};
  record["rest"] = std::uint64_t{cohort.rest};
  return to_canonical(record);
}

// "cohort pilot of entity payment", or the whole entity; nothing if `cohorts` have it.
std::optional<std::string> missing_in(const std::vector<AdoptedCohort>& cohorts, const Scope& scope) {
  auto has_cohort = [&](const AdoptedCohort& each) { return each.scope == scope; };
  auto has_entity = [&](const AdoptedCohort& each) { return each.scope.entity == scope.entity; };
  if (std::ranges::any_of(cohorts, has_cohort)) return std::nullopt;
  if (!std::ranges::any_of(cohorts, has_entity)) return fmt::format("entity {}", scope.entity);
  return fmt::format("cohort {} of entity {}", scope.cohort, scope.entity);
}

}  // namespace

std::vector<AdoptedCohort> adopted_cohorts(const Spec& spec) {
  std::vector<AdoptedCohort> adopted;
  for (const auto& entity : spec.entities) {
    auto fingerprint = chain_hash("", entity.key);
    for (const auto& cohort : entity.cohorts) {
      fingerprint = chain_hash(fingerprint, definition_of(cohort));
      adopted.push_back({{entity.name, cohort.name}, fingerprint});
    }
  }
  return adopted;
}

std::optional<std::string> first_change(const std::vector<AdoptedCohort>& before,
                                        const std::vector<AdoptedCohort>& after) {
  auto [one, other] = std::ranges::mismatch(before, after);
  if (one != before.end())
    if (auto gone = missing_in(after, one->scope)) return *gone + " is gone";
  if (other != after.end())
    if (auto added = missing_in(before, other->scope)) return *added + " is new";
  if (one == before.end() || other == after.end()) return std::nullopt;
  return fmt::format("cohort {} of entity {} {}", one->scope.cohort, one->scope.entity,
                     one->scope == other->scope ? "takes other keys" : "stands at another place");
}

}  // namespace oxbow
