// What numbers the rows of one side. One connection.
#pragma once

#include <string>
#include <vector>

#include "model/numbered_column.hpp"
#include "runtime/task.hpp"

namespace oxbow {

class Sequences {
 public:
  virtual ~Sequences() = default;

  // Of these tables, in their order. The largest number in a table is looked up only where an index leads to
  // it.
  virtual Task<std::vector<NumberedColumn>> read(std::vector<TableName> tables) = 0;

  // These columns as they stand now, also those without a sequence: quick, because what they are is known.
  virtual Task<std::vector<NumberedColumn>> read_again(std::vector<NumberedColumn> columns) = 0;

  // `next` is what it gives out next. Never goes back: a sequence that is further stays where it is.
  virtual Task<void> advance(NumberedColumn column, std::int64_t next) = 0;
};

}  // namespace oxbow
