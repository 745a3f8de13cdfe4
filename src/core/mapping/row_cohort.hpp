// From a source row to its cohort. Pure functions.
#pragma once

#include <optional>
#include <string_view>

#include "base/result.hpp"
#include "core/mapping/mapping.hpp"
#include "model/cohort.hpp"

namespace oxbow {

// Nothing if the tuple does not hold the entity's key, as the old image of a removed row may not.
Result<std::optional<CohortId>> cohort_of_row(const TableMapping& mapping, const CohortTable& cohorts,
                                              std::string_view source_tuple);

}  // namespace oxbow
