#include "flow/backfill/range_copy.hpp"

#include "base/assert.hpp"

namespace oxbow {

RangeCopy::RangeCopy(Applier& applier, std::uint32_t table, RangeId range)
    : applier_(applier), table_(table), id_(range) {}

RangeCopy::Next RangeCopy::start() {
  range().fence.open();
  copy_number_ = ++range().copies_begun;
  return Next::take_snapshot;
}

RangeCopy::Next RangeCopy::snapshot_taken(const Snapshot& snapshot, Lsn snapshot_at) {
  applier_.prove(snapshot);
  if (is_abandoned()) return Next::roll_back;
  if (!range().fence.admits(snapshot)) return Next::take_snapshot_later;
  copied_ = {snapshot, snapshot_at, 0, {}};
  return Next::copy_rows;
}

std::vector<WriteStep> RangeCopy::steps_before_copy() const {
  const auto* range = applier_.fences(table_).find(id_);
  if (range == nullptr || !range->record.range.is_point()) return {};
  return applier_.remove_key_steps(table_, range->record.range.lower.tuple);
}

void RangeCopy::row_rejected(std::string source_tuple, std::string reason) {
  copied_.rejected.push_back({std::move(source_tuple), std::move(reason)});
}

RangeCopy::Next RangeCopy::rows_copied(std::uint64_t rows) {
  copied_.rows = rows;
  return is_abandoned() ? Next::roll_back : Next::close_at_rest;
}

RangeCopy::Next RangeCopy::close() {
  if (!is_abandoned() && applier_.needs_another_snapshot(table_, id_, copied_)) failed();
  if (is_abandoned()) return Next::roll_back;
  auto position = applier_.confirmable();
  bool passed = position && *position >= copied_.snapshot_at;
  if (applier_.closes_behind_snapshot(table_, id_) && !passed) return Next::close_later;
  steps_ = applier_.close_range(table_, id_, copied_);
  return Next::write_and_commit;
}

bool RangeCopy::is_abandoned() const {
  auto* range = applier_.fences(table_).find(id_);
  return range == nullptr || range->fence.phase() != Fence::Phase::opening ||
         range->copies_begun != copy_number_;
}

void RangeCopy::failed() {
  if (!is_abandoned()) applier_.abandon_range(table_, id_);
}

void RangeCopy::reopen_after_others() {
  reopen();
  range().after_others = true;
}

FenceBook::Range& RangeCopy::range() const {
  auto* range = applier_.fences(table_).find(id_);
  OXBOW_ASSERT(range != nullptr, "range {} is not in the book of table {}", id_.value(), table_);
  return *range;
}

}  // namespace oxbow
