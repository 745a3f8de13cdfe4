// Decides, for one range of one table, which changes of the log the copy already contains. A value of one
// stream; not thread-safe.
//
//   pending --open--> opening --close(S)--> copied(S) --settle--> settled
//           <-abandon-
//
// PostgreSQL writes a commit into the log before it makes it visible, so log positions cannot tell whether a
// snapshot has a change. The snapshot itself can: it sees a transaction or it does not. Hence
//   pending  skip the change; the copy, which comes later, must see its transaction (`admits`)
//   opening  hold the change; whether the copy has it is known once its snapshot is
//   copied   skip what S sees, apply what it does not
//   settled  apply: the log has passed a position read after S, so all that S sees lies behind
#pragma once

#include <vector>

#include "core/merge/protections.hpp"
#include "model/position.hpp"

namespace oxbow {

class Fence {
 public:
  enum class Phase { pending, opening, copied, settled };
  enum class Verdict { skip, hold, apply };

  explicit Fence(Protections protections = {}) : protections_(protections) {}

  // A fence as it was stored: `copied` or `settled`; a range that was opening is pending again.
  static Fence restored_copied(Snapshot snapshot, Lsn settled_at, Protections protections = {});
  static Fence restored_settled();

  Phase phase() const { return phase_; }
  const Snapshot& snapshot() const { return snapshot_; }
  Lsn settled_at() const { return settled_at_; }

  // For a change of transaction `xid`, whose commit stands at `commit_lsn`, decoded now. Remembers what it
  // must.
  Verdict judge(Xid xid, Lsn commit_lsn);

  // What a copy under `snapshot`, with nothing of the log before `snapshot_at` missing, already contains.
  bool contains(Xid xid, Lsn commit_lsn, const Snapshot& snapshot, Lsn snapshot_at) const;

  // The copy must not happen before this snapshot sees all that was skipped.
  void skipped_before(const std::vector<Xid>& xids);
  bool admits(const Snapshot& snapshot) const;

  // Forgets skipped transactions that this snapshot sees: every later one sees them too. Not while opening:
  // the snapshot that will be asked about may be on its way already, and older than this one.
  void prove(const Snapshot& snapshot);
  const std::vector<Xid>& skipped() const { return skipped_; }

  void open();                                           // REQUIRES: pending
  void abandon();                                        // REQUIRES: opening; what was held counts as skipped
  void close(const Snapshot& snapshot, Lsn settled_at);  // REQUIRES: opening and admits(snapshot)
  bool settle(Lsn position);                             // true if this call settled it

 private:
  void remember(Xid xid);

  Protections protections_;
  Phase phase_ = Phase::pending;
  std::vector<Xid> skipped_;         // while pending; then what was held while opening
  std::size_t skipped_at_open_ = 0;  // how many of them were skipped before open()
  Snapshot snapshot_;
  Lsn settled_at_;
};

}  // namespace oxbow
