#include "sim/handover/range_read.hpp"

#include <algorithm>

#include "core/mapping/row_mapper.hpp"

namespace oxbow::sim {

RangeRead::RangeRead(Applier& applier, const RangeRecord& range, Course course, const SideStore& source,
                     std::set<std::int64_t> clashing)
    : copy_(applier, range.table, range.id),
      range_(range),
      course_(course),
      source_(source),
      clashing_(std::move(clashing)) {
  copy_.start();
}

// A reader has the lock of its table before its snapshot, so no TRUNCATE comes between them: what the
// snapshot sees is taken at once.
RangeRead::State RangeRead::step() {
  switch (phase_) {
    case Phase::snapshot:
      if (source_.is_locked_whole(table())) return State::reading;
      snapshot_ = source_.snapshot();
      seen_ = look();
      phase_ = Phase::position;
      return State::reading;
    case Phase::position: {
      auto next = copy_.snapshot_taken(snapshot_, source_.log_end());
      phase_ = next == RangeCopy::Next::copy_rows ? Phase::rows : Phase::snapshot;
      return next == RangeCopy::Next::roll_back ? State::over : State::reading;
    }
    case Phase::rows:
      return map_rows();
    case Phase::read:
      return State::may_close;
  }
  return State::over;
}

// One row, or all of the cohorts of the range.
PaymentRows RangeRead::look() const {
  PaymentRows rows;
  if (range_.range.is_point()) {
    auto key = row_key(range_.table, range_.range.lower.tuple);
    if (auto row = source_.read(snapshot_, key)) rows.emplace(key, *std::move(row));
    return rows;
  }
  rows = source_.read(snapshot_, table());
  std::erase_if(rows, [&](const auto& row) {
    return std::ranges::count(range_.cohorts, cohort_of_account(row.second.account)) == 0;
  });
  return rows;
}

RangeRead::State RangeRead::map_rows() {
  phase_ = Phase::read;
  RowMapper mapper(mapping_of(table(), course_));
  for (const auto& [key, row] : seen_) {
    auto tuple = tuple_of(key.number, row);
    std::string mapped;
    auto status = mapper.map(tuple, mapped);
    if (!status) {
      copy_.row_rejected(tuple, status.error().detail);
    } else if (clashing_.contains(key.number)) {
      copy_.row_rejected(tuple, "by_code");
    } else {
      mapped_.emplace(key, row_in(mapped));
    }
  }
  auto next = copy_.rows_copied(mapped_.size());
  return next == RangeCopy::Next::roll_back ? State::over : State::reading;
}

}  // namespace oxbow::sim
