// What becomes of each column of one table: the spec's rules and the implicit pass-through, checked against
// both tables. The first half of compile_mapping(); the layout of tuples and the identity of rows are the
// second.
#pragma once

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/mapping/mapping.hpp"

namespace oxbow {

// Those that the rule lists, or those whose names stand in the expression.
std::vector<std::string> columns_read_by(const ColumnRule& rule, const Table& legacy);

// A source tuple's layout: the legacy columns that the log carries and that something reads. `needed` are
// read by others than the rules. What is left behind may come and go, in the table and in its log.
std::vector<std::string> source_columns_of(const TableSpec& spec, const Table& legacy, const Table& new_side,
                                           const std::set<std::string>& needed);

// How one new column gets its value.
struct ColumnPlan {
  const Column* column = nullptr;  // of the new table
  FieldProgram program;
  ComparedSql compared;
  std::string expression;  // for ComputedField: SQL over legacy columns
  bool injective = false;  // different legacy values of the one column read become different new values
};

struct ColumnPlans {
  std::vector<ColumnPlan> written;                               // in the new table's order
  std::vector<std::pair<const Column*, ComparedSql>> generated;  // by both databases in their own way
  std::vector<ColumnReport> report;
  std::vector<std::string> left_out;  // columns of either table that no rule decides
};

// `source_columns` is the layout of source tuples. `unique_columns`: legacy columns that identify a row,
// whose values must stay apart.
ColumnPlans plan_columns(const TableSpec& spec, const Table& legacy, const Table& new_side,
                         const std::vector<std::string>& source_columns,
                         const std::set<std::string>& unique_columns, UndecidedColumns undecided,
                         std::vector<Problem>& problems);

// The type in which a legacy value is staged on the new side, for expressions; nothing if it cannot be.
std::optional<Type> staged_type(const Type& legacy);

}  // namespace oxbow
