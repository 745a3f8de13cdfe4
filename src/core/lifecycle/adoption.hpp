// The cohorts of a spec with a fingerprint of which keys each one takes, so that a spec that would move a key
// to another cohort is noticed.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/lifecycle/commands.hpp"
#include "model/spec.hpp"

namespace oxbow {

// In the order of the spec. A fingerprint depends on the cohort, on those before it, because they choose
// first, and on the keys of its share that later ones name, because names come before shares; not on the name
// of any cohort.
std::vector<AdoptedCohort> adopted_cohorts(const Spec& spec);

// Whether two fingerprints of a cohort differ only in the keys of its share that later ones name.
bool differ_by_later_names(std::string_view one, std::string_view other);

// Whether `after` is `before` with such keys: of one file, an earlier version did not write them down.
bool says_more(std::string_view before, std::string_view after);

// Why cohorts of another spec cannot be taken over while oxbow is up, as "entity order is new": more than
// they is another. Nothing if they can.
std::optional<std::string> what_waits(const Spec& before, const Spec& after);

// Whose cohorts are others, or are called otherwise. REQUIRES: !what_waits(before, after)
std::vector<std::string> with_other_cohorts(const Spec& before, const Spec& after);

}  // namespace oxbow
