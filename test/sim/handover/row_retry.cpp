#include "sim/handover/row_retry.hpp"

#include "core/mapping/row_mapper.hpp"

namespace oxbow::sim {

RowRetry::RowRetry(Applier& applier, RangeId range, std::int64_t number, Course course,
                   const SideStore& source, bool is_known_to_clash)
    : copy_(applier, 0, range),
      number_(number),
      course_(course),
      source_(source),
      is_known_to_clash_(is_known_to_clash) {
  copy_.start();
}

RowRetry::State RowRetry::step() {
  switch (phase_) {
    case Phase::snapshot:
      snapshot_ = source_.snapshot();
      phase_ = Phase::position;
      return State::reading;
    case Phase::position: {
      auto next = copy_.snapshot_taken(snapshot_, source_.log_end());
      phase_ = next == RangeCopy::Next::copy_rows ? Phase::row : Phase::snapshot;
      return next == RangeCopy::Next::roll_back ? State::over : State::reading;
    }
    case Phase::row:
      return read_row();
    case Phase::read:
      return State::may_close;
  }
  return State::over;
}

RowRetry::State RowRetry::read_row() {
  phase_ = Phase::read;
  auto row = source_.read(snapshot_, number_);
  if (row) {
    auto tuple = tuple_of(number_, *row);
    std::string mapped;
    auto status = RowMapper(payment_mapping(course_)).map(tuple, mapped);
    if (!status) {
      copy_.row_rejected(tuple, status.error().detail);
    } else if (is_known_to_clash_) {
      copy_.row_rejected(tuple, "by_code");
    } else {
      row_ = payment_in(mapped);
    }
  }
  return copy_.rows_copied(row_ ? 1 : 0) == RangeCopy::Next::roll_back ? State::over : State::reading;
}

}  // namespace oxbow::sim
