// What requests depend on and only the data plane knows. A value; entities go by name, so that it holds for
// every version of a spec with the same cohorts.
#pragma once

#include <map>
#include <set>
#include <string>

#include "core/routing/key_kinds.hpp"
#include "model/cohort.hpp"

namespace oxbow {

struct DataFacts {
  KeyKinds key_kinds;
  std::map<std::string, std::set<CohortId>> copied;  // by entity: cohorts whose rows are on the new side

  std::map<std::string, std::set<CohortId>> held;  // by entity: cohorts whose writes wait, in a handover

  bool has_copied(const std::string& entity, CohortId cohort) const {
    return is_among(copied, entity, cohort);
  }
  bool holds(const std::string& entity, CohortId cohort) const { return is_among(held, entity, cohort); }

  friend bool operator==(const DataFacts&, const DataFacts&) = default;

 private:
  static bool is_among(const std::map<std::string, std::set<CohortId>>& cohorts, const std::string& entity,
                       CohortId cohort) {
    auto found = cohorts.find(entity);
    return found != cohorts.end() && found->second.contains(cohort);
  }
};

}  // namespace oxbow
