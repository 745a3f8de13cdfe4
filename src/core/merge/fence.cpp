#include "core/merge/fence.hpp"

#include <algorithm>

#include "base/assert.hpp"

namespace oxbow {

Fence Fence::restored_copied(Snapshot snapshot, Lsn settled_at, Protections protections) {
  Fence fence(protections);
  fence.phase_ = Phase::copied;
  fence.snapshot_ = std::move(snapshot);
  fence.settled_at_ = settled_at;
  return fence;
}

Fence Fence::restored_settled() {
  Fence fence;
  fence.phase_ = Phase::settled;
  return fence;
}

Fence::Verdict Fence::judge(Xid xid, Lsn commit_lsn) {
  switch (phase_) {
    case Phase::pending:
      remember(xid);
      return Verdict::skip;
    case Phase::opening:
      remember(xid);
      return Verdict::hold;
    case Phase::copied:
      return contains(xid, commit_lsn, snapshot_, settled_at_) ? Verdict::skip : Verdict::apply;
    case Phase::settled:
      return Verdict::apply;
  }
  OXBOW_ASSERT(false, "a fence has phase {}", static_cast<int>(phase_));
}

bool Fence::contains(Xid xid, Lsn commit_lsn, const Snapshot& snapshot, Lsn snapshot_at) const {
  return protections_.fence_by_snapshot ? snapshot.sees(xid) : commit_lsn < snapshot_at;
}

void Fence::skipped_before(const std::vector<Xid>& xids) {
  for (Xid xid : xids) remember(xid);
}

bool Fence::admits(const Snapshot& snapshot) const {
  if (!protections_.remember_skipped || !protections_.fence_by_snapshot) return true;
  if (phase_ == Phase::opening) {
    // What was held is judged by the snapshot itself; only what came before open() has to be seen.
    return std::all_of(skipped_.begin(), skipped_.begin() + static_cast<std::ptrdiff_t>(skipped_at_open_),
                       [&](Xid xid) { return snapshot.sees(xid); });
  }
  return std::all_of(skipped_.begin(), skipped_.end(), [&](Xid xid) { return snapshot.sees(xid); });
}

void Fence::prove(const Snapshot& snapshot) {
  if (phase_ == Phase::opening) return;
  std::erase_if(skipped_, [&](Xid xid) { return snapshot.sees(xid); });
}

void Fence::open() {
  OXBOW_ASSERT(phase_ == Phase::pending, "a range is opened in phase {}", static_cast<int>(phase_));
  phase_ = Phase::opening;
  skipped_at_open_ = skipped_.size();
}

void Fence::abandon() {
  OXBOW_ASSERT(phase_ == Phase::opening, "a range is abandoned in phase {}", static_cast<int>(phase_));
  phase_ = Phase::pending;
  skipped_at_open_ = 0;
}

void Fence::close(const Snapshot& snapshot, Lsn settled_at) {
  OXBOW_ASSERT(phase_ == Phase::opening, "a range is closed in phase {}", static_cast<int>(phase_));
  phase_ = Phase::copied;
  snapshot_ = snapshot;
  settled_at_ = settled_at;
  skipped_.clear();
  skipped_at_open_ = 0;
}

bool Fence::settle(Lsn position) {
  if (phase_ != Phase::copied || position < settled_at_) return false;
  phase_ = Phase::settled;
  return true;
}

void Fence::remember(Xid xid) {
  if (skipped_.size() <= skipped_at_open_ || skipped_.back() != xid) skipped_.push_back(xid);
}

}  // namespace oxbow
