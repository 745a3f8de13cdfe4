// How each legacy column comes back from the new table: the rules of a spec, turned round. What the report
// says of a way back and what the inverse mapping does are both read from here, so that they cannot disagree.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "core/mapping/column_steps.hpp"

namespace oxbow {

// Rules that read new columns and write one legacy column, by that column: the first is the one to use, and
// columns without any are not in the map. `unique_columns` are as in plan_columns().
using WaysBack = std::map<std::string, std::vector<ColumnRule>, std::less<>>;

WaysBack ways_back(const TableSpec& spec, const Table& legacy, const Table& new_side,
                   const std::set<std::string>& unique_columns);

// The rule that undoes this one without its `backward`, or why there is none.
Result<ColumnRule> undo(const ColumnRule& rule, const RuleColumns& columns);

// All rules of a table: those of the spec, and one for each column that passes by its name alone.
std::vector<ColumnRule> all_rules(const TableSpec& spec, const Table& legacy, const Table& new_side);

}  // namespace oxbow
