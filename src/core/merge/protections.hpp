// Switches that take a protection away, so that a test can show what it protects from. All on in production.
#pragma once

namespace oxbow {

struct Protections {
  // A change is in a copied range if its transaction is visible in the copy's snapshot. Off: if its commit
  // stands before the snapshot in the log, the rule of plain watermarks, which loses what was committed but
  // not yet visible.
  bool fence_by_snapshot = true;

  // A snapshot must see every transaction that was skipped while its range was pending. Off: any snapshot
  // will do.
  bool remember_skipped = true;

  // Where one row decides whether another may stand, a copy waits until the stream has passed its snapshot.
  // Off: it is placed while the rows around it are older than it is.
  bool close_behind_snapshot = true;
};

}  // namespace oxbow
