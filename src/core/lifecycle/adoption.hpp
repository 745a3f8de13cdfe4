// The cohorts of a spec with a fingerprint of which keys each one takes, so that a spec that would move a key
// to another cohort is noticed.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/lifecycle/commands.hpp"
#include "model/spec.hpp"

namespace oxbow {

// In the order of the spec. A fingerprint depends on the cohort and on those before it, because they choose
// first; not on any name.
std::vector<AdoptedCohort> adopted_cohorts(const Spec& spec);

// "cohort pilot of entity payment takes other keys": what comes first of all that differs, if anything does.
std::optional<std::string> first_change(const std::vector<AdoptedCohort>& before,
                                        const std::vector<AdoptedCohort>& after);

}  // namespace oxbow
