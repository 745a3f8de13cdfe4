// How one range is copied: open its fence, take a snapshot that it admits, copy, and close it while the
// stream rests, all in one target transaction that also records the snapshot. Sans-IO: each call says what to
// do next. Belongs to the stream's thread; refers to an applier that outlives it.
//
//   start ──> take_snapshot ──> copy_rows ──> close_at_rest ──> write steps, commit ──> finished
//                  └── not admitted: take_snapshot_later ──┘         └── abandoned meanwhile: roll_back
//
// The target transaction begins with copy_rows. Whatever goes wrong before its commit leaves nothing behind:
// roll back, call failed(), and the range is pending again. After close() that is reopen().
//
// Where rows exclude each other (a second unique value), a copy is collected aside and placed at close, and
// close() makes it wait until the stream has passed its snapshot: then the rows on the target are those of
// one moment of the source, and what did not clash there does not clash here.
#pragma once

#include <optional>
#include <vector>

#include "flow/apply/applier.hpp"

namespace oxbow {

class RangeCopy {
 public:
  enum class Next {
    take_snapshot,
    take_snapshot_later,
    copy_rows,
    close_at_rest,
    close_later,
    write_and_commit,
    roll_back
  };

  RangeCopy(Applier& applier, std::uint32_t table, RangeId range);

  Next start();  // REQUIRES: the range is pending

  // `snapshot_at`: a position of the source's log that was read after the snapshot was taken.
  Next snapshot_taken(const Snapshot& snapshot, Lsn snapshot_at);

  // Rows that the copy replaces: a key that is read again may stand on the target already.
  std::vector<WriteStep> steps_before_copy() const;

  // The new side does not take this row; it goes to quarantine with the rest of the range.
  void row_rejected(std::string source_tuple, std::string reason);
  bool has_rejected() const { return !copied_.rejected.empty(); }
  Next rows_copied(std::uint64_t rows);

  // Call when no group is open and nothing of the log is unwritten; until the commit has ended, no event may
  // be fed. `close_later`: nothing has happened yet, the stream has to move on.
  Next close();
  std::vector<WriteStep> take_steps() { return std::move(steps_); }

  // The stream needs this range to start over; the copy is in vain.
  bool is_abandoned() const;

  void failed();  // the target transaction was rolled back, or never began

  // After close(): the steps could not be written and the transaction was rolled back. No event has been fed.
  void reopen() { applier_.undo_close(); }

  // As reopen(); rows of other ranges stood in the place of these, so the rest of the table goes first.
  // REQUIRES: the rows that the range has on the target are taken away.
  void reopen_after_others();

 private:
  FenceBook::Range& range() const;

  Applier& applier_;
  std::uint32_t table_;
  RangeId id_;
  std::uint64_t copy_number_ = 0;
  CopiedRange copied_;
  std::vector<WriteStep> steps_;
};

}  // namespace oxbow
