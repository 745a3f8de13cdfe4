// A selection of rows as SQL text.
#pragma once

#include <string>

#include "ports/rows.hpp"

namespace oxbow::postgres {

// "TRUE" if all rows are selected.
std::string selection_predicate(const RangeRead& read);

// SELECT `select` FROM `table` WHERE key in range or keys, and cohort in cohorts.
std::string select_sql(const RangeRead& read);

// " AND ..." over the table t: false for rows of these cohorts. Empty if none is spared.
std::string not_spared_sql(const CohortFilter* spared);

}  // namespace oxbow::postgres
