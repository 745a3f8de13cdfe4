// Rows of a source are read anew: one that waits in quarantine, or all of a table that was emptied while
// something of it was on its way. The production RangeCopy up to the moment where its rows are placed. One
// thread, driven by the simulation.
#pragma once

#include <cstdint>
#include <set>

#include "flow/backfill/range_copy.hpp"
#include "model/course.hpp"
#include "sim/handover/side_store.hpp"

namespace oxbow::sim {

class RangeRead {
 public:
  enum class State { reading, may_close, over };

  // `clashing`: numbers of rows that were tried, and another row of the target has their code. REQUIRES: the
  // range is pending.
  RangeRead(Applier& applier, const RangeRecord& range, Course course, const SideStore& source,
            std::set<std::int64_t> clashing);

  State step();
  RangeCopy& copy() { return copy_; }
  const RangeRecord& range() const { return range_; }
  PaymentTable table() const { return static_cast<PaymentTable>(range_.table); }
  const std::set<std::int64_t>& clashing() const { return clashing_; }
  const PaymentRows& rows() const { return mapped_; }  // as the target shall have them

 private:
  enum class Phase { snapshot, position, rows, read };
  PaymentRows look() const;
  State map_rows();

  RangeCopy copy_;
  RangeRecord range_;
  Course course_;
  const SideStore& source_;
  std::set<std::int64_t> clashing_;
  Phase phase_ = Phase::snapshot;
  Snapshot snapshot_;
  PaymentRows seen_, mapped_;
};

}  // namespace oxbow::sim
