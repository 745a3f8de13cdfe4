// Which legacy rows the new side would refuse, found before anything is set up: every row is read, mapped and
// tried.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/mapping/mapping.hpp"
#include "core/spec/row_constraints.hpp"
#include "ports/admin.hpp"
#include "ports/row_trial.hpp"
#include "ports/rows.hpp"

namespace oxbow {

struct RefusedRow {
  std::string key;     // "payment_id=4711"
  std::string reason;  // as the mapping or the database gives it
};

struct RowCheck {
  TableName legacy;
  TableName new_side;
  std::uint64_t tried = 0;
  std::uint64_t refused = 0;        // kRefusalsCountedMax: at least so many, the rest was not tried
  std::vector<RefusedRow> samples;  // the first few
};

// Told how many rows were tried so far.
using RowCheckProgress = std::function<void(std::uint64_t rows)>;

// Reads the table range by range, each under a snapshot of its own, so that none is held for long.
Task<RowCheck> check_rows(const TableMapping& mapping, SourceAdmin& source, SnapshotReader& reader,
                          RowTrial& trial, RowCheckProgress progress);

}  // namespace oxbow
