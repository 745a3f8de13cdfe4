#include "sim/handover/stream.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "sim/handover/single_rows.hpp"

namespace oxbow::sim {
namespace {

constexpr std::string_view kMigration = "m";

}  // namespace

Stream::Stream(Course course, SideStore& source, SideStore& target, Flaw flaw, Random random, Marks& marks)
    : course_(course),
      source_(source),
      target_(target),
      flaw_(flaw),
      random_(random),
      marks_(marks),
      reads_chance_(random_.chance(0.5) ? 0.2 : 0.02) {}

void Stream::create(const std::vector<CohortId>& cohorts) {
  auto xid = target_.begin();
  target_.set_position(xid, {source_.log_end(), {}});
  for (auto table : kPaymentTables) {
    if (cohorts.empty()) break;
    auto number = static_cast<std::uint32_t>(table);
    target_.save(xid, RangeRecord{.id = RangeId(1 + number),
                                  .table = number,
                                  .job = number,
                                  .cohorts = cohorts,
                                  .range = {},
                                  .phase = RangePhase::settled});
  }
  target_.commit(xid);
  source_.confirmed = source_.log_end();
}

// As a session of the pipeline does before it begins.
void Stream::judge_position() {
  const auto& position = *target_.stream_here().position;
  bool reads_log_end = flaw_ != Flaw::log_end_unread, reads_beat = flaw_ != Flaw::beat_unread;
  bool source_forgot = has_gone_back(position, reads_log_end ? source_.log_end() : position.lsn,
                                     reads_beat ? source_.beat : position.beat);
  bool target_forgot = position.lsn < source_.confirmed && flaw_ != Flaw::slot_unread;
  has_lost_position_ = source_forgot || target_forgot;
  if (source_forgot)
    marks_.hit(position.lsn > source_.log_end() ? "a source that ends before its target's position is noticed"
                                                : "a source that has written over what it lost is noticed");
  if (target_forgot) marks_.hit("a target that stands before its source's slot is noticed");
}

void Stream::start() {
  judge_position();
  if (has_lost_position_) return;
  const auto& stored = target_.stream_here();
  beat_ = stored.position->beat;
  ApplyLimits limits{.batch_rows_max = 1 + random_.below(4),
                     .group_rows_max = 1 + random_.below(20),
                     .group_age_max = std::chrono::milliseconds(1 + random_.below(20))};
  auto others = flaw_ == Flaw::no_echo_suppression ? std::string()
                                                   : origin_prefix(stream_name(kMigration, other(course_)));
  std::vector<MirroredTable> tables;
  for (auto table : kPaymentTables)
    tables.push_back({&mapping_of(table, course_), &payment_cohorts(), false, kCohorts});
  applier_ = std::make_unique<Applier>(std::move(tables), limits, Protections{}, others);
  std::vector<QuarantineRecord> quarantine;
  for (const auto& [key, record] : stored.quarantine) quarantine.push_back(record);
  applier_->restore(*stored.position, quarantine);
  for (const auto& [id, record] : stored.ranges) {
    applier_->reserve_range_ids(id);
    if (record.range.is_point()) {
      if (record.phase == RangePhase::settled) continue;
      applier_->fences(record.table).add_point(record, record.range.lower.tuple, stored.position->unproven);
      continue;
    }
    applier_->fences(record.table).add_job(record.job, record.cohorts, {record}, stored.position->unproven);
  }
  applier_->prove(source_.snapshot());
  for (auto table : kPaymentTables) feed(relation_of(table, source_.side()), {});
  next_logged_ = 0;
  while (next_logged_ < source_.log().size() && source_.log()[next_logged_].end_lsn <= source_.confirmed)
    ++next_logged_;
}

void Stream::stop() {
  if (group_ && target_.is_running(*group_)) target_.roll_back(*group_);
  read_.reset();
  applier_.reset();
  group_.reset();
  incoming_.clear();
  unwritten_.clear();
  clashing_.clear();
  ends_group_ = false;
  passed_.clear();
  touched_.clear();
}

void Stream::step(Instant now) {
  if (!is_running()) return;
  if (group_ && !target_.is_running(*group_)) {  // its server was restarted
    stop();
    start();
  }
  if (random_.chance(0.1)) applier_->prove(source_.snapshot());
  if (!write_on()) return;
  if (ends_group_) return commit();
  if (stands_where_target_does()) settle_ranges();
  read_on();
  deliver(now);
}

void Stream::feed(const LogEvent& event, Instant now) {
  auto fed = applier_->on_event(event, now);
  if (!fed) failure_ = "the applier refuses an event: " + to_string(fed.error());
}

void Stream::deliver(Instant now) {
  for (auto left = 1 + random_.below(10); left > 0; --left) {
    if (incoming_.empty()) {
      if (next_logged_ == source_.log().size()) break;
      const auto& next = source_.log()[next_logged_++].events;
      incoming_.assign(next.begin(), next.end());
    }
    auto event = std::move(incoming_.front());
    incoming_.pop_front();
    if (const auto* origin = std::get_if<Origin>(&event);
        origin && origin->name.starts_with(origin_prefix(stream_name(kMigration, other(course_)))))
      marks_.hit("echo passed over");
    feed(event, now);
    if (applier_->wants_write()) return take_steps();
    if (applier_->group_is_due(now, false)) break;
  }
  bool is_at_end = incoming_.empty() && next_logged_ == source_.log().size();
  if (is_at_end) feed(Keepalive{source_.log_end()}, now);
  if (!applier_->group_is_due(now, is_at_end && random_.chance(0.5))) return;
  ends_group_ = true;
  take_steps();
}

void Stream::take_steps() {
  std::ranges::move(single_rows(applier_->take_steps()), std::back_inserter(unwritten_));
}

Xid Stream::group() {
  if (!group_) group_ = target_.begin(origin_prefix(stream_name(kMigration, course_)) + "0");
  return *group_;
}

bool Stream::write_on() {
  while (!unwritten_.empty()) {
    if (!write(unwritten_.front())) {
      marks_.hit("the stream waits for a writer's lock");
      return false;
    }
    unwritten_.pop_front();
    if (unwritten_.empty()) settle_clashes();
  }
  return true;
}

bool Stream::write(WriteStep& step) {
  if (const auto* row = std::get_if<RowWrite>(&step)) return write_row(*row);
  if (const auto* truncate = std::get_if<TruncateWrite>(&step))
    return settle_clashes() && empty_table(*truncate);
  if (const auto* record = std::get_if<RangeRecord>(&step)) target_.save(group(), *record);
  if (const auto* release = std::get_if<QuarantineRelease>(&step)) {
    marks_.hit(release->key_tuple.empty() ? "quarantined keys released by a TRUNCATE"
                                          : "quarantined key released by a delete");
    target_.release(group(), *release);
  }
  if (const auto* record = std::get_if<QuarantineRecord>(&step)) {
    marks_.hit(record->is_behind         ? "change queues behind a quarantined row"
               : course_ == Course::back ? "quarantined on the way back: legacy cannot represent it"
                                         : "quarantined on the way there");
    target_.save(group(), *record);
  }
  return true;
}

bool Stream::write_row(const RowWrite& row) {
  const auto& batch = row.batch;
  RowKey key = row_key(batch.table->id, batch.tuples);
  if (!target_.lock_table(group(), key.table)) return false;
  auto written = SideStore::Written::done;
  switch (batch.op) {
    case RowOp::insert:
      written = target_.insert(group(), key, row_in(batch.tuples));
      break;
    case RowOp::update: {
      auto locked = target_.lock_row(group(), key);
      if (locked != SideStore::Written::done) return false;
      auto before = target_.read(group(), key);
      auto after = row_in(batch.tuples);
      if (before && !batch.sent.back()) after.note = before->note;
      written = target_.update(group(), key, after);
      break;
    }
    case RowOp::remove:
      written = target_.remove(group(), key, batch.missing_allowed);
      break;
  }
  switch (written) {
    case SideStore::Written::must_wait:
      return false;
    case SideStore::Written::clash:
      clashing_.push_back(row);
      return true;
    case SideStore::Written::no_such_row:
      fail("a change meets no row", key);
      return true;
    case SideStore::Written::row_is_there:
      fail("an insert meets a row that is there already", key);
      return true;
    case SideStore::Written::done:
      break;
  }
  auto source_row = row_in(row.origin.front().tuple);
  touched_[cohort_of_account(source_row.account)].insert(key);
  return true;
}

// Beside rows that are read anew nobody locks the whole table.
bool Stream::empty_table(const TruncateWrite& truncate) {
  auto table = static_cast<PaymentTable>(truncate.table->id);
  for (const auto& [key, row] : target_.rows())
    if (key.table == table) touched_[cohort_of_account(row.account)].insert(key);
  if (!truncate.beside_copies) {
    if (!target_.lock_whole_table(group(), table)) return false;
    target_.truncate(group(), table);
    marks_.hit("a TRUNCATE is carried over");
    return true;
  }
  if (!target_.lock_table(group(), table)) return false;
  for (auto key : target_.keys_of(group(), table))
    if (target_.remove(group(), key, true) != SideStore::Written::done) return false;
  marks_.hit("a TRUNCATE is carried over beside rows that are read anew");
  return true;
}

// Who stood in the way may have moved meanwhile; who stands there still sends the row to quarantine.
// False: some of them wait for a lock, and are next.
bool Stream::settle_clashes() {
  bool all_settled = true;
  for (const auto& row : std::exchange(clashing_, {})) {
    if (write_row(row)) {
      refuse_clashing();
    } else {
      unwritten_.emplace_front(row);
      all_settled = false;
    }
  }
  return all_settled;
}

void Stream::refuse_clashing() {
  for (const auto& row : std::exchange(clashing_, {})) {
    marks_.hit("quarantined on the way back: a unique value clashes");
    target_.save(group(), applier_->quarantine(row, 0, {ErrorCode::row_rejected, "by_code"}));
  }
}

void Stream::beat() {
  if (!is_running()) return;
  source_.emit_marker(beat_marker(stream_name(kMigration, course_), ++source_.beat));
}

// The source may forget what the target has stored.
void Stream::commit() {
  auto prefix = beat_prefix(stream_name(kMigration, course_));
  for (const auto& marker : applier_->markers())
    if (marker.starts_with(prefix)) beat_ = std::stoull(marker.substr(prefix.size()));
  auto position = applier_->position();
  position.beat = beat_;
  auto stored = position.lsn;
  target_.set_position(group(), std::move(position));
  target_.commit(*group_);
  group_.reset();
  ends_group_ = false;
  for (auto& marker : applier_->take_markers()) passed_.insert(std::move(marker));
  applier_->group_committed();
  if (random_.chance(0.5)) source_.confirmed = std::max(source_.confirmed, stored);
}

bool Stream::stands_where_target_does() const {
  return is_running() && applier_->between_transactions() && !applier_->group_is_open() && !group_;
}

bool Stream::is_idle() const {
  return stands_where_target_does() && has_settled() && incoming_.empty() &&
         next_logged_ == source_.log().size();
}

std::set<RowKey> Stream::take_touched(CohortId cohort) {
  return std::exchange(touched_[cohort], {});
}

void Stream::fail(std::string what, RowKey key) {
  failure_ = fmt::format("{} on {}: {}", what, name(target_.side()), show(key));
}

}  // namespace oxbow::sim
