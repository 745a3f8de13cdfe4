#include "services/pipeline/range_copier.hpp"

#include <algorithm>
#include <utility>

#include "flow/backfill/copied_rows.hpp"
#include "model/tuple.hpp"
#include "protocol/copy_binary.hpp"
#include "runtime/failpoint.hpp"
#include "runtime/real_clock.hpp"
#include "runtime/sleep.hpp"
#include "services/pipeline/step_writer.hpp"

namespace oxbow {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kIdle = milliseconds(50);
constexpr Duration kSnapshotRetry = milliseconds(10);
constexpr int kSnapshotTries = 100;
constexpr Duration kLogRetry = milliseconds(5);

}  // namespace

Task<void> RangeCopier::work(int lane) {
  auto& control = parts_.context.control;
  std::unique_ptr<SnapshotReader> reader;
  std::unique_ptr<TargetWriter> writer;
  while (!co_await is_cancelled()) {
    bool may_copy = lane <= control.workers();
    auto next = may_copy ? next_range() : std::nullopt;
    if (!next) {
      CO_TRY(co_await sleep_for(kIdle));
      continue;
    }
    if (!reader) reader = parts_.context.ports.snapshot_reader(source_of(parts_.context.plan.course));
    if (!writer) writer = parts_.context.ports.target_writer(lane);
    auto [table, id] = *next;
    auto& applier = *parts_.applier;
    Attempt attempt{RangeCopy(applier, table, id),
                    parts_.context.plan.tables[table],
                    applier.fences(table).find(id)->record,
                    *reader,
                    *writer,
                    applier.closes_behind_snapshot(table, id)};
    attempt.copy.start();
    auto ended = co_await copy_range(attempt);
    no_longer_under_way(attempt);
    CO_TRY(std::move(ended));
  }
  co_return Err(ErrorCode::cancelled);
}

void RangeCopier::no_longer_under_way(Attempt& attempt) {
  parts_.tables[attempt.table.id].rows_copied -= std::exchange(attempt.rows_under_way, 0);
}

// A key that is read again is a mutation on its way; only hydration pauses.
bool RangeCopier::is_paused(const PlannedTable& table, const RangeRecord& record) const {
  return parts_.context.control.is_paused(table.entity) && !record.range.is_point();
}

// Tables in the order of the spec.
std::optional<std::pair<std::uint32_t, RangeId>> RangeCopier::next_range() {
  for (const auto& table : parts_.context.plan.tables) {
    auto* range = parts_.applier->fences(table.id).next_pending();
    if (range != nullptr && !is_paused(table, range->record)) return std::pair(table.id, range->record.id);
  }
  return std::nullopt;
}

Task<void> RangeCopier::copy_range(Attempt& attempt) {
  bool admitted = CO_TRY(co_await take_snapshot(attempt));
  if (!admitted) {
    attempt.copy.failed();
    co_return Status{};
  }
  failpoint("after_range_snapshot");
  CO_TRY(co_await attempt.writer.begin());
  auto rows = co_await copy_rows(attempt);
  if (!rows) co_return co_await give_up(attempt, rows.error());
  CO_TRY(co_await attempt.reader.end());
  attempt.copy.rows_copied(*rows);
  co_return co_await close(attempt);
}

// False: no snapshot saw what was skipped before, within a second; another range may have more luck
// meanwhile.
Task<bool> RangeCopier::take_snapshot(Attempt& attempt) {
  for (int attempts = 0; attempts < kSnapshotTries; ++attempts) {
    auto snapshot = CO_TRY(co_await attempt.reader.begin({attempt.table.mapping.source}));
    auto position = CO_TRY(co_await attempt.reader.log_position());
    auto next = attempt.copy.snapshot_taken(snapshot, position);
    if (next == RangeCopy::Next::copy_rows) co_return true;
    CO_TRY(co_await attempt.reader.end());
    if (next == RangeCopy::Next::roll_back) co_return false;
    CO_TRY(co_await sleep_for(kSnapshotRetry));
  }
  co_return false;
}

Task<bool> RangeCopier::needs_stage(const Attempt& attempt) {
  if (attempt.among_others || lessons_.contains(attempt.record.id)) co_return true;
  // What stands there stays if the row is refused once more.
  if (attempt.record.range.is_point())
    co_return parts_.applier->quarantined(attempt.table.id).contains(attempt.record.range.lower.tuple);
  co_return co_await attempt.writer.holds_rows(rows_on_new(attempt));
}

// `incomplete`: interrupted on purpose. `row_rejected`: the database takes some row not at all.
Task<std::uint64_t> RangeCopier::copy_rows(Attempt& attempt) {
  const auto& mapping = attempt.table.mapping;
  auto& control = parts_.context.control;
  auto& status = parts_.tables[attempt.table.id];
  bool staged = CO_TRY(co_await needs_stage(attempt));
  if (staged) {
    attempt.stage = CO_TRY(co_await attempt.writer.stage(mapping.target));
  } else {
    CO_TRY(co_await write(attempt, attempt.copy.steps_before_copy()));
  }
  bool one_by_one = lessons_.contains(attempt.record.id);
  auto rows_in = CO_TRY(co_await attempt.reader.open(rows_on_legacy(attempt)));
  if (!one_by_one) CO_TRY(co_await attempt.writer.copy_begin(staged ? *attempt.stage : mapping.target));

  RowMapper mapper(mapping);
  RowChunk chunk;
  std::uint64_t rows = 0;
  while (true) {
    if (attempt.copy.is_abandoned() || is_paused(attempt.table, attempt.record))
      co_return Err(ErrorCode::incomplete, "the copy of a range was interrupted");
    CO_TRY(co_await rows_in->read(chunk));
    if (chunk.rows == 0) break;
    auto wait = control.spend(monotonic_now(), chunk.rows, chunk.bytes.size());
    if (wait > Duration{}) CO_TRY(co_await sleep_for(std::min<Duration>(wait, seconds(1))));
    rows += chunk.rows;
    if (!attempt.record.range.is_point()) {
      attempt.rows_under_way += chunk.rows;
      status.rows_copied += chunk.rows;
    }
    status.bytes_copied += chunk.bytes.size();
    if (one_by_one) {
      CO_TRY(co_await stage_one_by_one(attempt, mapper, chunk.bytes));
    } else {
      CO_TRY(co_await write_chunk(attempt, mapper, chunk));
    }
    failpoint("during_range_copy");
  }
  if (!one_by_one) CO_TRY(co_await attempt.writer.copy_end());
  co_return rows;
}

Task<void> RangeCopier::write_chunk(Attempt& attempt, RowMapper& mapper, RowChunk& chunk) {
  if (attempt.table.mapping.is_identity) co_return co_await attempt.writer.copy_rows(chunk);
  RowChunk mapped;
  mapped.rows = map_copied_rows(attempt.copy, mapper, chunk.bytes, mapped.bytes);
  co_return co_await attempt.writer.copy_rows(mapped);
}

Task<void> RangeCopier::stage_one_by_one(Attempt& attempt, RowMapper& mapper,
                                         std::string_view source_tuples) {
  const auto& lesson = lessons_[attempt.record.id];
  RowWrite write;
  write.batch.table = attempt.stage;
  write.batch.op = RowOp::insert;
  while (!source_tuples.empty()) {
    auto tuple = take_tuple(source_tuples);
    auto begin = write.batch.tuples.size();
    auto mapped = mapper.map(tuple, write.batch.tuples);
    if (!mapped) {
      attempt.copy.row_rejected(std::string(tuple), mapped.error().detail);
      continue;
    }
    auto identity = identity_of(attempt.table.mapping, std::string_view(write.batch.tuples).substr(begin));
    if (auto known = lesson.find(identity); known != lesson.end()) {
      attempt.copy.row_rejected(std::string(tuple), known->second);
      write.batch.tuples.resize(begin);
      continue;
    }
    write.batch.offsets.push_back(begin);
    write.origin.push_back({.op = RowOp::insert, .tuple = std::string(tuple)});
    ++write.batch.rows;
  }
  co_return co_await stage_by_halves(attempt, std::move(write));
}

Task<void> RangeCopier::stage_by_halves(Attempt& attempt, RowWrite write) {
  if (write.batch.rows == 0) co_return Status{};
  auto outcome = co_await attempt.writer.apply(write.batch);
  if (outcome) co_return Status{};
  if (outcome.error().code != ErrorCode::row_rejected) co_return std::unexpected(outcome.error());
  if (write.batch.rows == 1) {
    attempt.copy.row_rejected(std::move(write.origin.front().tuple), outcome.error().detail);
    co_return Status{};
  }
  auto middle = write.batch.rows / 2;
  CO_TRY(co_await stage_by_halves(attempt, part_of(write, 0, middle)));
  co_return co_await stage_by_halves(attempt, part_of(write, middle, write.batch.rows));
}

// The connections may be in the middle of a COPY.
Task<void> RangeCopier::give_up(Attempt& attempt, Error reason) {
  bool rejected = reason.code == ErrorCode::row_rejected;
  if (!rejected && reason.code != ErrorCode::incomplete) co_return std::unexpected(reason);
  CO_TRY(co_await attempt.writer.rollback());
  CO_TRY(co_await attempt.reader.cancel());
  attempt.copy.failed();
  if (rejected) lessons_.try_emplace(attempt.record.id);
  co_return Status{};
}

// --- closing
// --------------------------------------------------------------------------------------------------------

Task<void> RangeCopier::close(Attempt& attempt) {
  auto next = RangeCopy::Next::close_later;
  while (next == RangeCopy::Next::close_later) {
    CO_TRY(co_await parts_.gate.enter());
    auto closed = co_await close_at_rest(attempt, next);
    parts_.gate.leave();
    if (!closed) co_return closed;
    if (next != RangeCopy::Next::close_later) break;
    ++parts_.waiting_for_log;
    auto slept = co_await sleep_for(kLogRetry);
    --parts_.waiting_for_log;
    if (!slept) co_return slept;
  }
  co_return Status{};
}

// Holds the gate. Once the copy's transaction has the changes that were held, any error ends the session:
// whether the commit took effect is then for the target to say.
Task<void> RangeCopier::close_at_rest(Attempt& attempt, RangeCopy::Next& next) {
  next = attempt.copy.close();
  if (next == RangeCopy::Next::close_later) co_return Status{};
  if (next == RangeCopy::Next::roll_back) co_return co_await attempt.writer.rollback();
  no_longer_under_way(attempt);  // from here on the range itself counts them
  auto steps = attempt.copy.take_steps();
  if (attempt.stage != nullptr) {
    auto placed = co_await place(attempt, steps);
    if (!placed && placed.error().code == ErrorCode::row_rejected) {
      parts_.released.clear();
      co_return co_await step_back(attempt, placed.error());
    }
    CO_TRY(std::move(placed));
  }
  CO_TRY(co_await write(attempt, std::move(steps)));
  failpoint("before_range_commit");
  CO_TRY(co_await attempt.writer.commit(std::nullopt));
  failpoint("after_range_commit");
  parts_.close_released();
  lessons_.erase(attempt.record.id);
  co_return Status{};
}

// Brings the stage to where the stream stands, then its rows to the table; takes out of `steps` what is done.
Task<void> RangeCopier::place(Attempt& attempt, std::vector<WriteStep>& steps) {
  std::vector<WriteStep> changes;
  for (auto& step : steps) {
    bool releases = std::holds_alternative<QuarantineRelease>(step);  // a change may be refused after it
    auto* rows = std::get_if<RowWrite>(&step);
    if (rows == nullptr && !releases) continue;
    if (rows != nullptr) rows->batch.table = attempt.stage;
    changes.push_back(std::move(step));
    step = RowWrite{};
  }
  std::erase_if(steps, [](const auto& step) { return std::holds_alternative<RowWrite>(step); });
  CO_TRY(co_await write(attempt, std::move(changes)));
  // A row that stands there keeps what its source knows nothing of; one whose source is gone goes.
  bool may_go = attempt.record.range.is_point() && !attempt.copy.has_rejected();
  if (may_go && !CO_TRY(co_await attempt.writer.holds_rows({.table = attempt.stage->name})))
    CO_TRY(co_await make_room(attempt));
  co_return co_await attempt.writer.place(attempt.table.mapping.target, rows_on_new(attempt));
}

// Takes away what the range has on the target.
Task<void> RangeCopier::make_room(Attempt& attempt) {
  if (attempt.record.range.is_point()) co_return co_await write(attempt, attempt.copy.steps_before_copy());
  co_return co_await attempt.writer.remove_rows(rows_on_new(attempt));
}

// A row was refused. While other ranges are not settled, rows of an earlier mirror may have been in the way:
// this range comes last, and what is refused then is refused for good.
Task<void> RangeCopier::step_back(Attempt& attempt, Error reason) {
  auto& fences = parts_.applier->fences(attempt.table.id);
  bool was_last = fences.find(attempt.record.id)->after_others && fences.others_settled();
  if (!attempt.among_others || was_last) co_return co_await learn(attempt, std::move(reason));
  CO_TRY(co_await attempt.writer.rollback());
  CO_TRY(co_await attempt.writer.begin());
  CO_TRY(co_await make_room(attempt));
  CO_TRY(co_await attempt.writer.commit(std::nullopt));
  attempt.copy.reopen_after_others();
  co_return Status{};
}

// The next try leaves out what the table refuses, and takes it to quarantine.
Task<void> RangeCopier::learn(Attempt& attempt, Error reason) {
  auto refused =
      CO_TRY(co_await attempt.writer.find_unplaced(attempt.table.mapping.target, rows_on_new(attempt)));
  CO_TRY(co_await attempt.writer.rollback());
  attempt.copy.reopen();
  auto& lesson = lessons_[attempt.record.id];
  auto known = lesson.size();
  for (auto& row : refused) lesson.emplace(std::move(row.identity), std::move(row.reason));
  if (lesson.size() == known) co_return std::unexpected(std::move(reason));
  co_return Status{};
}

Task<void> RangeCopier::write(Attempt& attempt, std::vector<WriteStep> steps) {
  StepWriter writer(parts_, attempt.writer);
  co_return co_await writer.write(std::move(steps));
}

// --- which rows
// -----------------------------------------------------------------------------------------------------

bool RangeCopier::is_some_cohorts(const Attempt& attempt) const {
  const auto* entity = parts_.context.spec.find_entity(attempt.table.entity);
  return entity->cohorts.size() > 1 && attempt.record.cohorts.size() < entity->cohorts.size();
}

RangeRead RangeCopier::rows_on_legacy(const Attempt& attempt) const {
  const auto& mapping = attempt.table.mapping;
  RangeRead read{.table = mapping.source, .key = mapping.source_key};
  for (const auto& column : mapping.source_columns) read.select.push_back(quote_identifier(column));
  if (attempt.record.range.is_point()) {
    read.keys = {attempt.record.range.lower};
  } else {
    read.range = attempt.record.range;
  }
  if (!is_some_cohorts(attempt)) return read;
  read.cohorts = filter_on_source(attempt.table, attempt.record.cohorts);
  // A row may have gone over to a cohort that nobody follows.
  if (attempt.record.range.is_point()) {
    auto carried = parts_.context.carried.find(attempt.table.entity);
    if (carried != parts_.context.carried.end())
      read.cohorts->members.assign(carried->second.begin(), carried->second.end());
  }
  return read;
}

// The same rows on the new side. No members: nothing there tells which ones they are, or they are gone
// already.
RangeRead RangeCopier::rows_on_new(const Attempt& attempt) const {
  const auto& mapping = attempt.table.mapping;
  RangeRead read{.table = mapping.target.name,
                 .key = mapping.target_key,
                 .range = attempt.record.range,
                 .spared = parts_.spared(attempt.table.id)};
  bool is_point = attempt.record.range.is_point();
  if (is_some_cohorts(attempt) || is_point)
    read.cohorts = filter_on_target(attempt.table, attempt.record.cohorts);
  if (is_point) read.range = {};
  if (!read.cohorts) return read;
  if (is_point || mapping.new_entity_key.empty()) read.cohorts->members.clear();
  return read;
}

std::string RangeCopier::identity_of(const TableMapping& mapping, std::string_view target_tuple) const {
  auto fields = mapping.target_key_fields;
  if (fields.empty()) {
    for (std::size_t i = 0; i < mapping.target.columns.size(); ++i)
      if (mapping.target.columns[i].sql.empty()) fields.push_back(i);
  }
  std::string identity;
  project(target_tuple, fields, identity);
  return identity;
}

}  // namespace oxbow
