// The way back of a table: once a cohort is written on the new side, its changes go to legacy by the inverse
// of the mapping that brought them. There is no second mapper. The inverse is a spec with the sides swapped
// and each rule turned round, and compile_mapping() makes of it a mapping like any other, whose source is the
// new table and whose target is the legacy table: what it and its messages call legacy is then the new side.
//
// A legacy column without a way back is not written: an UPDATE leaves it as it is, and a row that was born on
// the new side gets its default.
#pragma once

#include "core/mapping/mapping.hpp"

namespace oxbow {

struct InverseTable {
  EntitySpec entity;  // its name and cohorts, with the new column that holds its key; without tables
  TableSpec table;
};

// What compile_mapping() would need to bring rows back. Adds to `problems`, at the marks of the forward spec,
// what keeps rows from coming back. REQUIRES: `forward` was compiled from the other arguments.
InverseTable invert(const EntitySpec& entity, const TableSpec& spec, const Table& legacy,
                    const Table& new_side, const TableMapping& forward, std::vector<Problem>& problems);

// The inverse mapping, or what keeps rows from coming back.
CompiledMapping compile_inverse(const EntitySpec& entity, const TableSpec& spec, const Table& legacy,
                                const Table& new_side, const TableMapping& forward);

}  // namespace oxbow
