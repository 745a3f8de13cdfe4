// Looks for readers of legacy tables that nobody should need any more. Remembers on the legacy server up to
// where its counts were looked at, so that what was read while nobody looked is found by the next look. Two
// connections.
#pragma once

#include <string>
#include <vector>

#include "model/reader_seen.hpp"
#include "runtime/task.hpp"

namespace oxbow {

class ReaderSearch {
 public:
  virtual ~ReaderSearch() = default;

  // Sessions that hold a lock for reading at this moment; cheap enough for every second.
  virtual Task<ReadersSeen> look_at_sessions(std::vector<TableName> tables) = 0;

  // All the rest. What was counted before the first look is nobody's business.
  virtual Task<ReadersSeen> look(std::vector<TableName> tables) = 0;
};

}  // namespace oxbow
