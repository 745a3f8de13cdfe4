// Copies ranges: the lanes of the backfill. Rows go by COPY straight into an empty place. Where rows are
// there already, where rows exclude each other, or where a row was rejected, they are collected in a stage
// and placed while the stream rests, so that nothing on the target ever waits for a copy that waits for the
// stream. Belongs to one session and its thread; what a copy cannot finish leaves its range pending.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "flow/backfill/range_copy.hpp"
#include "ports/rows.hpp"
#include "services/pipeline/session_parts.hpp"

namespace oxbow {

class RangeCopier {
 public:
  explicit RangeCopier(SessionParts& parts) : parts_(parts) {}

  // One task per lane, from 1.
  Task<void> work(int lane);

 private:
  // One try at one range.
  struct Attempt {
    RangeCopy copy;
    const PlannedTable& table;
    RangeRecord record;
    SnapshotReader& reader;
    TargetWriter& writer;
    bool among_others;                   // rows of other ranges may stand in the place of these
    std::uint64_t rows_under_way = 0;    // in the status; none of them is committed
    const TargetTable* stage = nullptr;  // none: straight into the table
  };

  // What earlier tries found out about a range in which some row is rejected: identities of rows that the
  // table refuses, and why. The next try looks at its rows one by one.
  using Lesson = std::map<std::string, std::string>;

  Task<void> copy_range(Attempt& attempt);
  void no_longer_under_way(Attempt& attempt);
  Task<bool> take_snapshot(Attempt& attempt);
  Task<bool> needs_stage(const Attempt& attempt);
  Task<std::uint64_t> copy_rows(Attempt& attempt);
  Task<void> write_chunk(Attempt& attempt, RowMapper& mapper, RowChunk& chunk);
  Task<void> stage_one_by_one(Attempt& attempt, RowMapper& mapper, std::string_view source_tuples);
  Task<void> stage_by_halves(Attempt& attempt, RowWrite write);
  Task<void> give_up(Attempt& attempt, Error reason);

  Task<void> close(Attempt& attempt);
  Task<void> close_at_rest(Attempt& attempt, RangeCopy::Next& next);
  Task<void> place(Attempt& attempt, std::vector<WriteStep>& steps);
  Task<void> make_room(Attempt& attempt);
  Task<void> step_back(Attempt& attempt, Error reason);
  Task<void> learn(Attempt& attempt, Error reason);
  Task<void> write(Attempt& attempt, std::vector<WriteStep> steps);

  std::optional<std::pair<std::uint32_t, RangeId>> next_range();
  RangeRead rows_on_legacy(const Attempt& attempt) const;
  RangeRead rows_on_new(const Attempt& attempt) const;
  bool is_some_cohorts(const Attempt& attempt) const;

  bool is_paused(const PlannedTable& table, const RangeRecord& record) const;
  std::string identity_of(const TableMapping& mapping, std::string_view target_tuple) const;

  SessionParts& parts_;
  std::map<RangeId, Lesson> lessons_;
};

}  // namespace oxbow
