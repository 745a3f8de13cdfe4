#include "sim/handover/stream.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "model/tuple.hpp"

namespace oxbow::sim {
namespace {

constexpr std::string_view kMigration = "m";

std::size_t size_of_tuple(std::string_view tuple) {
  FieldReader fields(tuple);
  const char* end = tuple.data() + 2;
  while (!fields.done()) {
    auto field = fields.next();
    end += 4 + field.bytes.size();
  }
  return static_cast<std::size_t>(end - tuple.data());
}

RowWrite one_row_of(const RowWrite& write, std::size_t row) {
  RowWrite single;
  single.batch = write.batch;
  auto tuple = std::string_view(write.batch.tuples).substr(write.batch.offsets[row]);
  single.batch.tuples = tuple.substr(0, size_of_tuple(tuple));
  single.batch.rows = 1;
  single.batch.offsets = {0};
  single.origin = {write.origin[row]};
  return single;
}

// A batch as statements of one row each.
std::vector<WriteStep> single_rows(std::vector<WriteStep> steps) {
  std::vector<WriteStep> out;
  for (auto& step : steps) {
    if (const auto* write = std::get_if<RowWrite>(&step)) {
      for (std::size_t i = 0; i < write->batch.rows; ++i) out.emplace_back(one_row_of(*write, i));
    } else {
      out.push_back(std::move(step));
    }
  }
  return out;
}

}  // namespace

Stream::Stream(Course course, SideStore& source, SideStore& target, Flaw flaw, Random random, Marks& marks)
    : course_(course), source_(source), target_(target), flaw_(flaw), random_(random), marks_(marks) {}

void Stream::create(const std::vector<CohortId>& cohorts) {
  auto xid = target_.begin();
  target_.set_position(xid, {source_.log_end(), {}});
  if (!cohorts.empty())
    target_.save(
        xid, RangeRecord{.id = RangeId(1), .cohorts = cohorts, .range = {}, .phase = RangePhase::settled});
  target_.commit(xid);
  source_.confirmed = source_.log_end();
}

void Stream::start() {
  const auto& stored = target_.stream_here();
  ApplyLimits limits{.batch_rows_max = 1 + random_.below(4),
                     .group_rows_max = 1 + random_.below(20),
                     .group_age_max = std::chrono::milliseconds(1 + random_.below(20))};
  auto others = flaw_ == Flaw::no_echo_suppression ? std::string()
                                                   : origin_prefix(stream_name(kMigration, other(course_)));
  applier_ = std::make_unique<Applier>(
      std::vector{MirroredTable{&payment_mapping(course_), &payment_cohorts(), false, kCohorts}}, limits,
      Protections{}, others);
  std::vector<QuarantineRecord> quarantine;
  for (const auto& [key, record] : stored.quarantine) quarantine.push_back(record);
  applier_->restore(*stored.position, quarantine);
  for (const auto& [id, record] : stored.ranges) {
    applier_->reserve_range_ids(id);
    if (record.range.is_point()) {
      applier_->fences(0).add_point(record, record.range.lower.tuple, stored.position->unproven);
      continue;
    }
    applier_->fences(0).add_job(record.job, record.cohorts, {record}, stored.position->unproven);
  }
  applier_->prove(source_.snapshot());
  feed(payment_relation(source_.side()), {});
  next_logged_ = 0;
  while (next_logged_ < source_.log().size() && source_.log()[next_logged_].end_lsn <= source_.confirmed)
    ++next_logged_;
}

void Stream::stop() {
  if (group_ && target_.is_running(*group_)) target_.roll_back(*group_);
  retry_.reset();
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
  if (stands_where_target_does()) settle_points();
  step_retry();
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
  if (const auto* record = std::get_if<RangeRecord>(&step)) target_.save(group(), *record);
  if (const auto* release = std::get_if<QuarantineRelease>(&step)) {
    marks_.hit("quarantined key released by a delete");
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
  auto number = number_in(batch.tuples);
  auto written = SideStore::Written::done;
  switch (batch.op) {
    case RowOp::insert:
      written = target_.insert(group(), number, payment_in(batch.tuples));
      break;
    case RowOp::update: {
      auto locked = target_.lock_row(group(), number);
      if (locked != SideStore::Written::done) return false;
      auto before = target_.read(group(), number);
      auto after = payment_in(batch.tuples);
      if (before && !batch.sent.back()) after.note = before->note;
      written = target_.update(group(), number, after);
      break;
    }
    case RowOp::remove:
      written = target_.remove(group(), number, batch.missing_allowed);
      break;
  }
  switch (written) {
    case SideStore::Written::must_wait:
      return false;
    case SideStore::Written::clash:
      clashing_.push_back(row);
      return true;
    case SideStore::Written::no_such_row:
      fail("a change meets no row", number);
      return true;
    case SideStore::Written::row_is_there:
      fail("an insert meets a row that is there already", number);
      return true;
    case SideStore::Written::done:
      break;
  }
  auto source_row = payment_in(row.origin.front().tuple);
  touched_[cohort_of_account(source_row.account)].insert(number);
  return true;
}

// Who stood in the way may have moved meanwhile; who stands there still sends the row to quarantine.
void Stream::settle_clashes() {
  for (const auto& row : std::exchange(clashing_, {})) {
    if (write_row(row)) {
      refuse_clashing();
    } else {
      unwritten_.emplace_back(row);
    }
  }
}

void Stream::refuse_clashing() {
  for (const auto& row : std::exchange(clashing_, {})) {
    marks_.hit("quarantined on the way back: a unique value clashes");
    target_.save(group(), applier_->quarantine(row, 0, {ErrorCode::row_rejected, "by_code"}));
  }
}

void Stream::retry_any() {
  if (auto keys = quarantined(); !keys.empty()) retry(keys[random_.below(keys.size())]);
}

std::vector<std::string> Stream::quarantined() const {
  std::vector<std::string> keys;
  if (!is_running()) return keys;
  for (const auto& [key, shown] : applier_->quarantined(0)) keys.push_back(key);
  return keys;
}

bool Stream::is_retrying() const {
  return is_running() && !applier_->fences(0).points().empty();
}

void Stream::retry(const std::string& key) {
  if (!is_running()) return;
  if (!applier_->retry(0, key)) failure_ = "a key cannot be read again";
}

void Stream::begin_retry(const std::string& key, bool is_known_to_clash) {
  const auto* range = applier_->fences(0).find_point(key);
  retry_.emplace(*applier_, range->record.id, number_in(key), course_, source_, is_known_to_clash);
}

void Stream::step_retry() {
  if (!retry_) {
    auto* next = random_.chance(0.2) ? applier_->fences(0).next_pending() : nullptr;
    if (next != nullptr) begin_retry(next->record.range.lower.tuple, false);
    return;
  }
  auto state = retry_->step();
  if (state == RowRetry::State::reading) return;
  if (state == RowRetry::State::may_close && !stands_where_target_does()) return;
  auto next = state == RowRetry::State::over ? RangeCopy::Next::roll_back : retry_->copy().close();
  if (next == RangeCopy::Next::close_later) return;
  auto key = key_tuple_of(retry_->number());
  bool clashes = next == RangeCopy::Next::write_and_commit && !place(*retry_);
  retry_.reset();
  if (clashes) begin_retry(key, true);
}

// One transaction: what was there goes, the row comes, and then what was held behind it. False: another row
// has its code.
bool Stream::place(RowRetry& retry) {
  using Written = SideStore::Written;
  bool keeps_old = retry.copy().has_rejected();
  auto steps = keeps_old ? std::vector<WriteStep>() : single_rows(retry.copy().steps_before_copy());
  bool is_free = std::ranges::all_of(steps, [&](auto& step) { return write(step); });
  auto placed = is_free ? Written::done : Written::must_wait;
  if (is_free && retry.row()) placed = target_.insert(group(), retry.number(), *retry.row());
  if (placed == Written::done) {
    steps = single_rows(retry.copy().take_steps());
    is_free = std::ranges::all_of(steps, [&](auto& step) { return write(step); });
    refuse_clashing();
    if (is_free) {
      marks_.hit(keeps_old ? "retried row refused once more" : "quarantined row read again and placed");
      target_.commit(group());
      group_.reset();
      return true;
    }
  }
  marks_.hit("retried row cannot be placed yet");
  target_.roll_back(group());
  group_.reset();
  clashing_.clear();
  retry.copy().reopen();
  return placed != Written::clash;
}

void Stream::settle_points() {
  auto passed = applier_->confirmable();
  auto settled = applier_->fences(0).settle(*passed);
  if (settled.empty()) return;
  auto xid = target_.begin();
  for (const auto& record : settled) target_.forget_range(xid, record.id);
  target_.commit(xid);
}

void Stream::commit() {
  target_.set_position(group(), applier_->position());
  target_.commit(*group_);
  group_.reset();
  ends_group_ = false;
  for (auto& marker : applier_->take_markers()) passed_.insert(std::move(marker));
  applier_->group_committed();
  if (auto confirmable = applier_->confirmable(); confirmable && random_.chance(0.5))
    source_.confirmed = std::max(source_.confirmed, *confirmable);
}

bool Stream::stands_where_target_does() const {
  return is_running() && applier_->between_transactions() && !applier_->group_is_open() && !group_;
}

bool Stream::is_idle() const {
  return stands_where_target_does() && !is_retrying() && incoming_.empty() &&
         next_logged_ == source_.log().size();
}

bool Stream::carries(CohortId cohort) const {
  return is_running() && applier_->fences(0).covers(cohort);
}

// At any moment: behind the marker nothing of the cohort comes any more, and before the new home opens all
// that comes from there is an echo. A group may wait for the lock of somebody who has stopped, and users
// would wait with it.
bool Stream::may_change_hands() const {
  return flaw_ == Flaw::changes_at_rest ? stands_where_target_does() : is_running();
}

bool Stream::leave(CohortId cohort) {
  if (!may_change_hands()) return false;
  applier_->fences(0).remove_members({cohort});
  auto xid = target_.begin();
  for (auto [id, record] : target_.stream_here().ranges) {
    if (std::erase(record.cohorts, cohort) == 0) continue;
    if (record.cohorts.empty()) {
      target_.forget_range(xid, id);
    } else {
      target_.save(xid, record);
    }
  }
  target_.commit(xid);
  return true;
}

bool Stream::join(CohortId cohort) {
  if (!may_change_hands()) return false;
  if (carries(cohort)) return true;
  RangeRecord record{
      .id = applier_->next_range_id(), .cohorts = {cohort}, .range = {}, .phase = RangePhase::settled};
  record.job = static_cast<std::uint32_t>(record.id.value());
  applier_->fences(0).add_job(record.job, {cohort}, {record}, applier_->unproven());
  auto xid = target_.begin();
  target_.save(xid, record);
  target_.commit(xid);
  return true;
}

// Also if only what stands in its place on the target is of the cohort: since it was refused, or before that,
// the row may have gone over to another one.
bool Stream::has_quarantined(CohortId cohort) const {
  return std::ranges::any_of(target_.stream_here().quarantine, [&](const auto& entry) {
    auto is_of_cohort = [&](const SideStore& store) {
      auto row = store.rows().find(number_in(entry.first));
      return row != store.rows().end() && cohort_of_account(row->second.account) == cohort;
    };
    return is_of_cohort(source_) || (is_of_cohort(target_) && flaw_ != Flaw::recheck_by_source);
  });
}

std::set<std::int64_t> Stream::take_touched(CohortId cohort) {
  return std::exchange(touched_[cohort], {});
}

void Stream::fail(std::string what, std::int64_t number) {
  failure_ = fmt::format("{} on {}: payment {}", what, name(target_.side()), number);
}

}  // namespace oxbow::sim
