// The part of a stream that is about ranges: cohorts that come and go, and rows that are read anew.
#include <algorithm>
#include <iterator>
#include <utility>

#include "sim/handover/single_rows.hpp"
#include "sim/handover/stream.hpp"

namespace oxbow::sim {

bool Stream::carries(CohortId cohort) const {
  return is_running() && std::ranges::all_of(kPaymentTables, [&](PaymentTable table) {
           return fences(table).covers(cohort);
         });
}

// At any moment: behind the marker nothing of the cohort comes any more, and before the new home opens all
// that comes from there is an echo. A group may wait for the lock of somebody who has stopped, and users
// would wait with it.
bool Stream::may_change_hands() const {
  return flaw_ == Flaw::changes_at_rest ? stands_where_target_does() : is_running();
}

bool Stream::leave(CohortId cohort) {
  if (!may_change_hands()) return false;
  for (auto table : kPaymentTables) fences(table).remove_members({cohort});
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
  auto xid = target_.begin();
  for (auto table : kPaymentTables) {
    if (fences(table).covers(cohort)) continue;
    if (flaw_ == Flaw::joins_one_table && table != kPaymentTables.front()) continue;
    auto id = applier_->next_range_id();
    RangeRecord record{.id = id,
                       .table = static_cast<std::uint32_t>(table),
                       .job = static_cast<std::uint32_t>(id.value()),
                       .cohorts = {cohort},
                       .range = {},
                       .phase = RangePhase::settled};
    fences(table).add_job(record.job, {cohort}, {record}, applier_->unproven());
    target_.save(xid, record);
  }
  target_.commit(xid);
  return true;
}

// Also if only what stands in its place on the target is of the cohort: since it was refused, or before that,
// the row may have gone over to another one.
bool Stream::has_quarantined(CohortId cohort) const {
  return std::ranges::any_of(target_.stream_here().quarantine, [&](const auto& entry) {
    if (flaw_ == Flaw::recheck_of_one_table && entry.first.table != kPaymentTables.front()) return false;
    auto is_of_cohort = [&](const SideStore& store) {
      auto row = store.rows().find(entry.first);
      return row != store.rows().end() && cohort_of_account(row->second.account) == cohort;
    };
    return is_of_cohort(source_) || (is_of_cohort(target_) && flaw_ != Flaw::recheck_by_source);
  });
}

void Stream::retry_any() {
  if (auto keys = quarantined(); !keys.empty()) retry(keys[random_.below(keys.size())]);
}

std::vector<RowKey> Stream::quarantined() const {
  std::vector<RowKey> keys;
  if (!is_running()) return keys;
  for (auto table : kPaymentTables) {
    auto number = static_cast<std::uint32_t>(table);
    for (const auto& [key, shown] : applier_->quarantined(number)) keys.push_back(row_key(number, key));
  }
  return keys;
}

bool Stream::has_settled() const {
  return is_running() &&
         std::ranges::all_of(kPaymentTables, [&](PaymentTable table) { return fences(table).all_settled(); });
}

bool Stream::is_complete(CohortId cohort) const {
  return is_running() && std::ranges::all_of(kPaymentTables, [&](PaymentTable table) {
           return fences(table).has_settled(cohort) && fences(table).points().empty();
         });
}

void Stream::retry(RowKey key) {
  if (!is_running()) return;
  if (!applier_->retry(static_cast<std::uint32_t>(key.table), key_tuple_of(key.number)))
    failure_ = "a key cannot be read again";
}

void Stream::read(const RangeRecord& range, std::set<std::int64_t> clashing) {
  if (!range.range.is_point()) marks_.hit("a table is read anew behind a TRUNCATE");
  read_.emplace(*applier_, range, course_, source_, std::move(clashing));
}

void Stream::read_on() {
  if (!read_) {
    if (!random_.chance(reads_chance_)) return;
    for (auto table : kPaymentTables)
      if (auto* next = fences(table).next_pending()) return read(next->record, {});
    return;
  }
  auto state = read_->step();
  if (state == RangeRead::State::reading) return;
  if (state == RangeRead::State::may_close && !stands_where_target_does()) return;
  auto next = state == RangeRead::State::over ? RangeCopy::Next::roll_back : read_->copy().close();
  if (next == RangeCopy::Next::close_later) return;
  std::optional<std::int64_t> clashing;
  if (next == RangeCopy::Next::write_and_commit) clashing = place();
  auto done = *std::move(read_);
  read_.reset();
  if (!clashing) return;
  auto known = done.clashing();
  known.insert(*clashing);
  read(done.range(), std::move(known));
}

// One transaction: what was there goes, the rows come, and then what was held behind them. Returns who may
// not come, because another row has his code.
std::optional<std::int64_t> Stream::place() {
  auto& copy = read_->copy();
  bool is_point = read_->range().range.is_point();
  bool keeps_old = is_point && copy.has_rejected();
  std::optional<std::int64_t> clashing;
  if (write_read(keeps_old, clashing)) {
    if (is_point)
      marks_.hit(keeps_old ? "retried row refused once more" : "quarantined row read again and placed");
    target_.commit(group());
    group_.reset();
    return std::nullopt;
  }
  if (is_point) marks_.hit("retried row cannot be placed yet");
  target_.roll_back(group());
  group_.reset();
  clashing_.clear();
  copy.reopen();
  return clashing;
}

// False: somebody holds a lock, or a row clashes.
bool Stream::write_read(bool keeps_old, std::optional<std::int64_t>& clashing) {
  using Written = SideStore::Written;
  auto write_all = [&](std::vector<WriteStep> steps) {
    auto singles = single_rows(std::move(steps));
    return std::ranges::all_of(singles, [&](auto& step) { return write(step); });
  };
  auto& copy = read_->copy();
  if (!target_.lock_table(group(), read_->table())) return false;
  if (!keeps_old && !write_all(copy.steps_before_copy())) return false;
  for (const auto& [key, row] : read_->rows()) {
    auto written = target_.insert(group(), key, row);
    if (written == Written::clash) clashing = key.number;
    if (written == Written::row_is_there) fail("what is read anew meets a row that is there already", key);
    if (written != Written::done) return false;
    touched_[cohort_of_account(row.account)].insert(key);
  }
  if (!write_all(copy.take_steps())) return false;
  refuse_clashing();
  return true;
}

void Stream::settle_ranges() {
  auto passed = applier_->confirmable();
  std::vector<RangeRecord> settled;
  for (auto table : kPaymentTables)
    std::ranges::move(fences(table).settle(*passed), std::back_inserter(settled));
  if (settled.empty()) return;
  auto xid = target_.begin();
  for (const auto& record : settled) {
    if (record.range.is_point()) {
      target_.forget_range(xid, record.id);
    } else {
      target_.save(xid, record);
    }
  }
  target_.commit(xid);
}

}  // namespace oxbow::sim
