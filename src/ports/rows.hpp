// Streams of rows in bulk. One object serves one stream and belongs to the coroutine that opened it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "model/catalog.hpp"
#include "model/cohort.hpp"
#include "model/key_range.hpp"
#include "model/position.hpp"
#include "runtime/task.hpp"

namespace oxbow {

// Whole tuples, one behind the other (model/tuple.hpp), without header or trailer.
struct RowChunk {
  std::string bytes;
  std::uint64_t rows = 0;  // 0: the stream has ended
};

class RowReader {
 public:
  virtual ~RowReader() = default;

  // About 256 KiB at a time, or one row if that is larger. Reuses the storage of `chunk`.
  virtual Task<void> read(RowChunk& chunk) = 0;
};

// SELECT `select` FROM `table` WHERE key in `range` AND key in `cohorts`. If `keys` is not empty: exactly
// these keys (by their literals), whatever `range` says.
struct RangeRead {
  TableName table;
  std::vector<std::string> select;  // SQL expressions over columns of `table`
  std::vector<KeyColumn> key;       // in the order that `range` compares
  KeyRange range;
  std::vector<KeyBound> keys;
  std::optional<CohortFilter> cohorts;
  std::shared_ptr<const CohortFilter> spared = nullptr;  // of place(): whose rows stay, whatever their keys
};

// Reads a database at one moment: a REPEATABLE READ, READ ONLY transaction. One connection.
class SnapshotReader {
 public:
  virtual ~SnapshotReader() = default;

  // Takes a new snapshot; ends the one before. Locks `tables` (ACCESS SHARE) before, because TRUNCATE and
  // rewrites keep no old versions: without the lock, one of them could empty a table between the snapshot and
  // the read.
  virtual Task<Snapshot> begin(std::vector<TableName> tables) = 0;
  virtual Task<void> end() = 0;

  // Where the log stands now: every transaction visible in the present snapshot has its commit record before
  // this.
  virtual Task<Lsn> log_position() = 0;

  // REQUIRES: begin() was called and the reader before it has reached its end or was destroyed by cancel().
  virtual Task<std::unique_ptr<RowReader>> open(RangeRead read) = 0;

  // Stops the statement in flight, for example after the receiving side failed.
  virtual Task<void> cancel() = 0;
};

}  // namespace oxbow
