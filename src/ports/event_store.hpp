// The journal of a migration: records that are only ever appended, each carrying the hash of the one before.
// Safe from any thread; a call blocks until the disk has the record.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.hpp"
#include "model/journal.hpp"

namespace oxbow {

class EventStore {
 public:
  virtual ~EventStore() = default;

  // Makes the records durable, all or none. They must continue the chain: `internal` if they do not.
  // `store_full` if the disk is full: nothing was written and the same call may be made again.
  virtual Status append(const std::vector<JournalRecord>& records) = 0;

  // Records with number > after, in order, at most `limit`.
  virtual Result<std::vector<JournalRecord>> read_after(std::uint64_t after, std::size_t limit) = 0;

  // The last `limit` records, oldest first.
  virtual Result<std::vector<JournalRecord>> read_last(std::size_t limit) = 0;
};

}  // namespace oxbow
