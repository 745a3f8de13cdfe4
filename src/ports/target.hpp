// The side that a stream writes: the only writer of a projection. One object is one connection with its own
// replication origin, so that the reverse direction knows our writes from others'.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/row_batch.hpp"
#include "model/stream_state.hpp"
#include "ports/rows.hpp"
#include "runtime/task.hpp"

namespace oxbow {

// A row that would not go from the stage to its table.
struct UnplacedRow {
  std::string identity;  // a tuple: its key, else its columns that are not computed by the database
  std::string reason;
};

// REQUIRES: begin() before any write, and one of commit() or rollback() after it.
class TargetWriter {
 public:
  virtual ~TargetWriter() = default;

  virtual Task<void> begin() = 0;

  // COPY straight into the table. `row_rejected` if the database refuses a row; then roll back.
  virtual Task<void> copy_begin(const TargetTable& table) = 0;
  virtual Task<void> copy_rows(const RowChunk& chunk) = 0;
  virtual Task<std::uint64_t> copy_end() = 0;

  // Applies a batch, all or nothing: on `row_rejected` nothing of it happened and the transaction goes on.
  // Its detail begins with the SQLSTATE. Unique values that change hands within the batch may be rejected:
  // see apply_together().
  virtual Task<BatchOutcome> apply(const RowBatch& batch) = 0;

  // Applies update batches of one table as one: unique values may change hands among all their rows. A row
  // that clashes with a row outside of them stays as it was, and so does what would have needed its place;
  // the outcomes, parallel to `batches`, name them. All or nothing otherwise.
  virtual Task<std::vector<BatchOutcome>> apply_together(std::vector<const RowBatch*> batches) = 0;

  // All rows go, and it is remembered which transaction of the source wanted that. Beside copies by others:
  // without a lock on the whole table.
  virtual Task<void> truncate(const TargetTable& table, bool beside_copies, Xid wanted_by) = 0;

  // Whether the table has rows of this selection, and their removal.
  virtual Task<bool> holds_rows(RangeRead rows) = 0;
  virtual Task<void> remove_rows(RangeRead rows) = 0;

  // An empty table of this session for rows on their way into `table`, with its constraints as far as they
  // concern one row. It is empty again after each transaction and lives as long as the writer.
  virtual Task<const TargetTable*> stage(const TargetTable& table) = 0;

  // Makes the rows of a selection those that stand in the stage, and changes only what differs. If the table
  // refuses a row, `row_rejected`: nothing of it happened, and find_unplaced() tells all such rows; roll back
  // then. A key that a row has which is spared is refused. REQUIRES: a selection of a table with a key names
  // it.
  virtual Task<void> place(const TargetTable& table, RangeRead rows) = 0;
  virtual Task<std::vector<UnplacedRow>> find_unplaced(const TargetTable& table, RangeRead rows) = 0;

  virtual Task<void> save_range(const RangeRecord& record) = 0;
  virtual Task<void> quarantine(const QuarantineRecord& record) = 0;
  virtual Task<void> release(const QuarantineRelease& release) = 0;

  // Commits with the stream's position (the applier's lane) or without one (a copying lane).
  virtual Task<void> commit(std::optional<StreamPosition> position) = 0;
  virtual Task<void> rollback() = 0;
};

}  // namespace oxbow
