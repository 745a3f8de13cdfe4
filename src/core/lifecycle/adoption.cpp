#include "core/lifecycle/adoption.hpp"

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

}  // namespace oxbow
