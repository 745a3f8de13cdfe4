// What a stream must remember across a crash. It is committed on the target together with the rows it stands
// for, so that position and rows can never disagree.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/cohort.hpp"
#include "model/key_range.hpp"
#include "model/position.hpp"
#include "model/row_batch.hpp"

namespace oxbow {

// The durable place of a stream, committed with the rows it stands for.
struct StreamPosition {
  Lsn lsn;
  std::vector<Xid> unproven;  // decoded, not yet known to be visible on the source
  std::uint64_t beat = 0;     // the newest one of the source that was applied, see SourceAdmin::beat()

  friend bool operator==(const StreamPosition&, const StreamPosition&) = default;
};

// The source ends before what its target has applied: a server that came back without its last transactions,
// whose log goes on from an earlier place. Where it was written over meanwhile, only the beat tells.
inline bool has_gone_back(const StreamPosition& applied, Lsn log_end, std::uint64_t beat) {
  return applied.lsn > log_end || applied.beat > beat;
}

enum class RangePhase { pending, copied, settled };

// What a target remembers of a range, committed with its rows.
struct RangeRecord {
  RangeId id;
  std::uint32_t table = 0;        // index of the mapping
  std::uint32_t job = 0;          // ranges of one job cover the table once, for the same cohorts
  std::vector<CohortId> cohorts;  // whose keys its job copies, sorted
  KeyRange range;
  RangePhase phase = RangePhase::pending;
  Snapshot snapshot;  // from `copied` on
  Lsn settled_at;     // no filter is needed for transactions that end behind this
  std::uint64_t rows = 0;
  std::vector<std::string> read_columns;  // of the source, from which its rows were made; empty: not known
};

struct QuarantineRecord {
  std::uint32_t table = 0;
  std::string key;        // "payment_id=4711"
  std::string key_tuple;  // legacy key, binary
  std::string reason;
  std::string sqlstate;
  std::string row;  // target tuple as far as it could be mapped, else source tuple; binary
  RowOp op = RowOp::insert;
  Lsn lsn;
  bool is_behind = false;  // of an earlier one of its key, which says what is wrong; not stored
};

// A key of which nothing waits any more: what the new side holds of it is right.
struct QuarantineRelease {
  std::uint32_t table = 0;
  std::string key_tuple;  // empty: every key of the table
  std::string key;        // "payment_id=4711"
};

}  // namespace oxbow
