// Which sequence of one side goes on where one of the other side stops.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/mapping/mapping.hpp"
#include "core/spec/preflight.hpp"
#include "model/numbered_column.hpp"

namespace oxbow {

// A column that is numbered on at least one side, and carried as it is.
struct NumberPair {
  std::optional<NumberedColumn> legacy, new_side;

  // Where only one side has a sequence: the column of the other one, of which nothing but its name is known.
  NumberedColumn without_sequence = {};
};

// `mapping` leads from legacy to the new side. What is carried in another form than it has is left out: its
// numbers cannot meet.
std::vector<NumberPair> pair_numbers(const TableMapping& mapping, const std::vector<NumberedColumn>& legacy,
                                     const std::vector<NumberedColumn>& new_side);

// What `oxbow check --connect` says: numbers that run out, and for how many handovers they are good.
std::vector<PreflightItem> judge_numbers(const std::vector<NumberPair>& pairs);

}  // namespace oxbow
