// One legacy table and the new table its rows become, compiled from the spec and both catalogs.
//
// Two independent implementations of the same meaning live here: RowMapper computes new rows in C++ for the
// mover; `compared_expressions` are SQL that the databases evaluate for the verifier. A mistake in either
// shows up as a divergence. Nothing is carried approximately: what has no exact way is a Problem and
// compile() yields no mapping. Values are immutable after compile() and may be shared by threads; a RowMapper
// belongs to one.
//
// SQL that is made here means the same on both sides only under DateStyle ISO, TimeZone UTC, bytea_output
// hex, extra_float_digits 1 and standard_conforming_strings on: sessions of oxbow set them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "core/mapping/field_program.hpp"
#include "model/catalog.hpp"
#include "model/key_range.hpp"
#include "model/row_batch.hpp"
#include "model/spec.hpp"

namespace oxbow {

// What stands in the way of carrying a table, at the place in the spec that could change it.
struct Problem {
  Mark mark;
  std::string sentence;  // what, where, what to do
};

enum class Loss { none, forward, backward, both };

// What happens to one column, for the report of `oxbow check`.
struct ColumnReport {
  std::string legacy;
  std::string new_side;
  std::string how;  // "as it is", "renamed", "scaled by 100", ...
  Loss loss = Loss::none;
  std::string why;
};

struct ComparedColumn {
  std::string name;        // of the new column
  std::string legacy_sql;  // over the legacy table's columns
  std::string new_sql;     // over the new table's columns; same value <=> same COPY BINARY bytes
  std::optional<std::chrono::year_month_day> may_differ_until;
};

class RowMapper;

class TableMapping {
 public:
  TableName source;  // in a stream from legacy to the new side that is the legacy table

  // The layout of source tuples: columns of the legacy table in catalog order, without generated ones and
  // those that nothing reads. The log, the copier and the quarantine all use it.
  std::vector<std::string> source_columns;
  std::vector<std::string> left_behind;         // columns that the log carries and nothing reads
  std::vector<std::string> left_out;            // columns of either side that the spec does not know
  std::vector<Type> source_types;               // of these columns
  std::vector<KeyColumn> source_key;            // the row's identity; empty for full-row identity
  std::vector<std::size_t> source_key_fields;   // their places in a source tuple
  std::optional<std::size_t> entity_key_field;  // place of the entity's key, which decides the cohort
  Type entity_key_type;
  // The source must log whole old rows: for full-row identity; where no index can serve as replica identity;
  // and where a new column is computed from several legacy columns of which the log may leave one out. In the
  // last case the caller completes the new row from the old one before it maps it.
  bool identity_needs_full = false;
  // Unique index to use as replica identity; empty: the primary key, or whole rows where they are needed.
  std::string identity_index;

  TargetTable target;                  // layout of the tuples that RowMapper makes; `id` is left to the owner
  std::vector<FieldProgram> programs;  // one per field of such a tuple
  std::vector<std::size_t> target_key_fields;

  // True if range bounds of the source key mean the same on the target: same order, same values.
  bool ranges_hold_on_target = false;
  std::vector<KeyColumn> target_key;  // the source key under its new names, same order

  // Beside its key, a row holds a value that no other may hold at the same time.
  bool rows_exclude_each_other = false;

  // The new column that holds the entity's key as the legacy side prints it; empty: there is none.
  std::string new_entity_key;

  // Every tuple passes through byte for byte: the copier need not look inside.
  bool is_identity = false;

  std::vector<ComparedColumn> compared;  // target_key columns first
  std::vector<ColumnReport> report;
};

struct CompiledMapping {
  std::optional<TableMapping> mapping;  // none if `problems` is not empty
  std::vector<Problem> problems;
};

// What becomes of columns that no rule decides and that have no namesake: before the start a Problem each,
// or, where a schema may change while it is mirrored, they are left out as far as rows fit without them.
enum class UndecidedColumns { are_problems, are_left_out };

// REQUIRES: a spec that was parsed without mistakes.
CompiledMapping compile_mapping(const EntitySpec& entity, const TableSpec& spec, const Table& legacy,
                                const Table& new_side,
                                UndecidedColumns undecided = UndecidedColumns::are_problems);

}  // namespace oxbow
