// The side that a stream writes: the only writer of a projection. One object is one connection with its own
// replication origin, so that the reverse direction knows our writes from others'.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/catalog.hpp"
#include "model/key_range.hpp"
#include "model/position.hpp"
#include "ports/rows.hpp"
#include "runtime/task.hpp"

namespace oxbow {

// A table as rows are written to it. Lives as long as the writers that use it.
struct TargetTable {
  std::uint32_t id = 0;                 // index of the mapping; names the staging table
  TableName name;
  struct Column {
    std::string name;
    std::string sql_type;               // "numeric(10,2)", `"app"."payment_state"`
    bool in_key = false;
    bool identity_always = false;
    std::string sql;                    // expression over staged columns s."..."; empty: the staged value itself
  };
  std::vector<Column> columns;          // in the order of the tuples
  bool has_key = true;                  // false: full-row identity with multiplicity
};

enum class RowOp : std::uint8_t { remove, update, insert };

// Rows of one table that one set-based statement handles. Keys are distinct within a batch.
struct RowBatch {
  const TargetTable* table = nullptr;
  RowOp op = RowOp::insert;
  std::vector<bool> sent;               // update: which columns are set; others keep their value
  std::string tuples;                   // complete tuples, one behind the other; fields not sent are NULL
  std::uint64_t rows = 0;
  std::vector<std::size_t> offsets;     // where each tuple begins in `tuples`
};

// What a batch met. `matched` != rows means that rows were missing (update, remove).
struct BatchOutcome {
  std::uint64_t matched = 0;
  std::vector<std::size_t> missing;     // rows of the batch that matched nothing
};

// The durable place of a stream, committed with the rows it stands for.
struct StreamPosition {
  Lsn lsn;
  std::vector<Xid> unproven;            // decoded, not yet known to be visible on the source

  friend bool operator==(const StreamPosition&, const StreamPosition&) = default;
};

enum class RangePhase { pending, copied, settled };

// What a target remembers of a range, committed with its rows.
struct RangeRecord {
  RangeId id;
  std::uint32_t table = 0;              // index of the mapping
  std::uint32_t job = 0;                // ranges of one job cover the table once, for the same cohorts
  KeyRange range;
  RangePhase phase = RangePhase::pending;
  Snapshot snapshot;                    // from `copied` on
  Lsn settled_at;                       // no filter is needed for transactions that end behind this
  std::uint64_t rows = 0;
};

struct QuarantineRecord {
  std::uint32_t table = 0;
  std::string key;                      // "payment_id=4711"
  std::string key_tuple;                // legacy key, binary
  std::string reason;
  std::string sqlstate;
  std::string row;                      // target tuple as far as it could be mapped, else source tuple; binary
  RowOp op = RowOp::insert;
  Lsn lsn;
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
  virtual Task<BatchOutcome> apply(const RowBatch& batch) = 0;

  virtual Task<void> truncate(const TargetTable& table) = 0;

  virtual Task<void> save_range(const RangeRecord& record) = 0;
  virtual Task<void> quarantine(const QuarantineRecord& record) = 0;

  // Commits with the stream's position (the applier's lane) or without one (a copying lane).
  virtual Task<void> commit(std::optional<StreamPosition> position) = 0;
  virtual Task<void> rollback() = 0;
};

}  // namespace oxbow
