// The rules that follow from an entity's column mapping, so that nobody writes them twice: where a service
// answers with the columns of its table, both answers get one shape. Pure.
#pragma once

#include <chrono>
#include <string_view>
#include <vector>

#include "model/compare_rule.hpp"
#include "model/spec.hpp"

namespace oxbow {

// `prefix_path` is where the object stands whose members are the table's columns: "$", "$.items[*]". A column
// that both databases fill apart from each other, or that only SQL could recompute, is ignored, and `why`
// says so, unless another rule carries it; what may differ is ignored up to and with its day. `today` in UTC.
std::vector<CompareRule> rules_from_mapping(const TableSpec& table, std::string_view prefix_path,
                                            std::chrono::year_month_day today);

}  // namespace oxbow
