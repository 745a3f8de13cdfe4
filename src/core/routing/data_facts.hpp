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

  bool has_copied(const std::string& entity, CohortId cohort) const {
    auto found = copied.find(entity);
    return found != copied.end() && found->second.contains(cohort);
  }

  friend bool operator==(const DataFacts&, const DataFacts&) = default;
};

}  // namespace oxbow
