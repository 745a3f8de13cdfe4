// Rows on their way into a target table, grouped so that one set-based statement handles each group.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "model/catalog.hpp"
#include "model/cohort.hpp"

namespace oxbow {

// A table as rows are written to it. Lives as long as the writers that use it.
//
// A tuple holds a field for each of `columns`, then one for each of `staged_only`. The field of a column with
// `sql` carries no value: NULL says that the database computes it from the staged values of this row, unsent
// says that the column keeps what it has.
struct TargetTable {
  std::uint32_t id = 0;  // index of the mapping; names the staging table
  TableName name;
  struct Column {
    std::string name;
    std::string sql_type;  // "numeric(10,2)", `"app"."payment_state"`
    bool in_key = false;
    bool identity_always = false;
    std::string sql;  // expression over staged columns s."..."; empty: the staged value itself
  };
  std::vector<Column> columns;      // in the order of the tuples
  std::vector<Column> staged_only;  // legacy values that only `sql` expressions read; in no new table
  bool has_key = true;              // false: full-row identity with multiplicity
};

enum class RowOp : std::uint8_t { remove, update, insert };

// Rows of one table that one set-based statement handles. Keys are distinct within a batch.
struct RowBatch {
  const TargetTable* table = nullptr;
  RowOp op = RowOp::insert;
  std::vector<bool> sent;  // update: which of `columns` are set; others keep their value
  std::string tuples;      // complete tuples, one behind the other; fields not sent are NULL
  std::uint64_t rows = 0;
  std::vector<std::size_t> offsets;  // where each tuple begins in `tuples`
  bool missing_allowed = false;      // remove: the rows may belong to cohorts that are not mirrored
  // Whose rows are not touched, whatever their keys: they count as missing. Null: nobody's.
  std::shared_ptr<const CohortFilter> spared = nullptr;
};

// What a batch met. `matched` != rows means that rows were missing (update, remove).
struct BatchOutcome {
  std::uint64_t matched = 0;
  std::vector<std::size_t> missing;  // rows of the batch that matched nothing
  std::vector<std::size_t>
      clashing;  // apply_together: rows left as they were, because another has their unique value
};

}  // namespace oxbow
