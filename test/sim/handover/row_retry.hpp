// A payment that waits in quarantine is read again: the production RangeCopy of one key, up to the moment
// where its row is placed. One thread, driven by the simulation.
#pragma once

#include <optional>
#include <string>

#include "flow/backfill/range_copy.hpp"
#include "model/course.hpp"
#include "sim/handover/side_store.hpp"

namespace oxbow::sim {

class RowRetry {
 public:
  enum class State { reading, may_close, over };

  // REQUIRES: the range of this key is pending.
  RowRetry(Applier& applier, RangeId range, std::int64_t number, Course course, const SideStore& source,
           bool is_known_to_clash);

  State step();
  RangeCopy& copy() { return copy_; }
  std::int64_t number() const { return number_; }
  const std::optional<Payment>& row() const { return row_; }  // as the target shall have it

 private:
  enum class Phase { snapshot, position, row, read };
  State read_row();

  RangeCopy copy_;
  std::int64_t number_;
  Course course_;
  const SideStore& source_;
  bool is_known_to_clash_;  // it was tried: another row of the target has its code
  Phase phase_ = Phase::snapshot;
  Snapshot snapshot_;
  std::optional<Payment> row_;
};

}  // namespace oxbow::sim
