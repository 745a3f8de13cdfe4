// Tries rows against what a table demands of each of them (types, NOT NULL, CHECK, domains), without writing
// to it. What is demanded of rows together (unique, foreign keys) is counted by ViolationCounter. One
// connection.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "model/row_batch.hpp"
#include "runtime/task.hpp"

namespace oxbow {

class RowTrial {
 public:
  virtual ~RowTrial() = default;

  // From here on rows of this table are tried. `spec_invalid` names the columns whose SQL the database does
  // not understand.
  virtual Task<void> begin(const TargetTable& table) = 0;

  // Why the table refuses one of these tuples, which stand one behind the other; none if it takes them all.
  virtual Task<std::optional<std::string>> refusal(std::string_view tuples) = 0;
};

}  // namespace oxbow
