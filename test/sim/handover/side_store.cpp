#include "sim/handover/side_store.hpp"

#include <algorithm>

#include "base/assert.hpp"

namespace oxbow::sim {
namespace {

template <class... Visitors>
struct Overloaded : Visitors... {
  using Visitors::operator()...;
};

}  // namespace

SideStore::SideStore(Side side, Payments rows) : side_(side), rows_(std::move(rows)) {
  for (const auto& [number, row] : rows_) versions_[number].push_back({Xid(1), row});
}

Xid SideStore::begin(std::string origin) {
  Xid xid(next_xid_++);
  transactions_[xid].origin = std::move(origin);
  return xid;
}

bool SideStore::is_running(Xid xid) const {
  auto at = transactions_.find(xid);
  return at != transactions_.end() && !at->second.is_logged;
}

SideStore::Transaction& SideStore::running(Xid xid) {
  OXBOW_ASSERT(is_running(xid), "transaction {} is not running", xid.value());
  return transactions_.at(xid);
}

SideStore::Written SideStore::lock_row(Xid xid, std::int64_t number) {
  for (const auto& [other, transaction] : transactions_)
    if (other != xid && transaction.rows.contains(number)) return Written::must_wait;
  running(xid).rows.insert(number);
  return Written::done;
}

std::optional<Payment> SideStore::read(Xid xid, std::int64_t number) const {
  const auto& writes = transactions_.at(xid).writes;
  if (auto own = writes.find(number); own != writes.end()) return own->second;
  auto at = rows_.find(number);
  return at == rows_.end() ? std::nullopt : std::optional(at->second);
}

// Only legacy demands that codes are unique.
SideStore::Written SideStore::take_code(Xid xid, std::int64_t number, const std::optional<Payment>& before,
                                        const std::optional<Payment>& after) {
  auto& self = running(xid);
  auto given_up = before ? before->code : 0, taken = after ? after->code : 0;
  if (side_ == Side::new_side || given_up == taken) return Written::done;
  if (taken != 0) {
    for (const auto& [other, transaction] : transactions_)
      if (other != xid && transaction.codes.contains(taken)) return Written::must_wait;
    for (const auto& [other, row] : rows_)
      if (other != number && row.code == taken && !self.writes.contains(other)) return Written::clash;
    for (const auto& [other, row] : self.writes)
      if (other != number && row && row->code == taken) return Written::clash;
    self.codes.insert(taken);
  }
  if (given_up != 0) self.codes.insert(given_up);
  return Written::done;
}

SideStore::Written SideStore::insert(Xid xid, std::int64_t number, const Payment& payment) {
  if (lock_row(xid, number) != Written::done) return Written::must_wait;
  if (read(xid, number)) return Written::row_is_there;
  if (auto code = take_code(xid, number, std::nullopt, payment); code != Written::done) return code;
  write(xid, number, payment);
  running(xid).events.push_back(Insert{kPaymentRelation, tuple_of(number, payment)});
  return Written::done;
}

SideStore::Written SideStore::update(Xid xid, std::int64_t number, const Payment& payment) {
  if (lock_row(xid, number) != Written::done) return Written::must_wait;
  auto before = read(xid, number);
  if (!before) return Written::no_such_row;
  if (auto code = take_code(xid, number, before, payment); code != Written::done) return code;
  write(xid, number, payment);
  running(xid).events.push_back(Update{kPaymentRelation, tuple_of(number, *before),
                                       tuple_of(number, payment, payment.note == before->note)});
  return Written::done;
}

SideStore::Written SideStore::remove(Xid xid, std::int64_t number, bool missing_allowed) {
  if (lock_row(xid, number) != Written::done) return Written::must_wait;
  auto before = read(xid, number);
  if (!before) return missing_allowed ? Written::done : Written::no_such_row;
  take_code(xid, number, before, std::nullopt);
  write(xid, number, std::nullopt);
  running(xid).events.push_back(Delete{kPaymentRelation, tuple_of(number, *before)});
  return Written::done;
}

void SideStore::write(Xid xid, std::int64_t number, std::optional<Payment> payment) {
  running(xid).writes[number] = std::move(payment);
}

void SideStore::save(Xid xid, const RangeRecord& record) {
  running(xid).saved.emplace_back(record);
}
void SideStore::forget_range(Xid xid, RangeId id) {
  running(xid).saved.emplace_back(id);
}
void SideStore::save(Xid xid, const QuarantineRecord& record) {
  running(xid).saved.emplace_back(record);
}
void SideStore::release(Xid xid, const QuarantineRelease& release) {
  running(xid).saved.emplace_back(release);
}
void SideStore::set_position(Xid xid, StreamPosition position) {
  running(xid).position = std::move(position);
}

std::vector<SideStore::RowChanged> SideStore::changes_of(Xid xid) const {
  std::vector<RowChanged> changes;
  for (const auto& [number, after] : transactions_.at(xid).writes) {
    auto at = rows_.find(number);
    changes.push_back({number, at == rows_.end() ? std::nullopt : std::optional(at->second), after});
  }
  return changes;
}

void SideStore::commit(Xid xid) {
  auto& transaction = running(xid);
  transaction.is_logged = true;
  for (const auto& [number, row] : transaction.writes) {
    versions_[number].push_back({xid, row});
    if (row) {
      rows_[number] = *row;
    } else {
      rows_.erase(number);
    }
  }
  store(transaction);
  if (transaction.events.empty()) {
    transactions_.erase(xid);
    return;
  }
  Lsn commit_lsn(next_lsn_ + 10), end_lsn(next_lsn_ + 20);
  Logged logged{end_lsn, {Begin{commit_lsn, {}, static_cast<std::uint32_t>(xid.value())}}};
  if (!transaction.origin.empty()) logged.events.push_back(Origin{transaction.origin});
  std::ranges::move(transaction.events, std::back_inserter(logged.events));
  transaction.events.clear();
  logged.events.push_back(Commit{commit_lsn, end_lsn, {}});
  log_.push_back(std::move(logged));
  next_lsn_ += 20;
}

void SideStore::store(const Transaction& transaction) {
  for (const auto& each : transaction.saved) {
    std::visit(
        Overloaded{
            [&](const RangeRecord& record) { stream_.ranges[record.id] = record; },
            [&](RangeId id) { stream_.ranges.erase(id); },
            [&](const QuarantineRecord& record) { stream_.quarantine.emplace(record.key_tuple, record); },
            [&](const QuarantineRelease& release) { stream_.quarantine.erase(release.key_tuple); }},
        each);
  }
  if (transaction.position) stream_.position = transaction.position;
}

void SideStore::roll_back(Xid xid) {
  transactions_.erase(xid);
}

void SideStore::lock_table(Xid xid) {
  running(xid).has_table = true;
}

std::set<Xid> SideStore::writers() const {
  std::set<Xid> writers;
  for (const auto& [xid, transaction] : transactions_)
    if (transaction.has_table) writers.insert(xid);
  return writers;
}

bool SideStore::try_lock_shared(Xid xid, CohortId cohort) {
  if (draining_.contains(cohort)) return false;
  running(xid).shared.insert(cohort);
  return true;
}

bool SideStore::try_drain(CohortId cohort) {
  draining_.insert(cohort);
  for (const auto& [xid, transaction] : transactions_)
    if (transaction.shared.contains(cohort)) return false;
  draining_.erase(cohort);
  return true;
}

void SideStore::unlock(Xid xid) {
  auto& transaction = running(xid);
  transaction.has_table = false;
  transaction.shared.clear();
}

void SideStore::make_one_visible(Random& random) {
  std::vector<Xid> logged;
  for (const auto& [xid, transaction] : transactions_)
    if (transaction.is_logged) logged.push_back(xid);
  if (!logged.empty()) transactions_.erase(logged[random.below(logged.size())]);
}

void SideStore::make_all_visible() {
  std::erase_if(transactions_, [](const auto& entry) { return entry.second.is_logged; });
}

Snapshot SideStore::snapshot() const {
  Snapshot snapshot{Xid(next_xid_), Xid(next_xid_), {}};
  for (const auto& [xid, transaction] : transactions_) snapshot.running.push_back(xid);
  if (!snapshot.running.empty()) snapshot.xmin = snapshot.running.front();
  return snapshot;
}

bool SideStore::newest_is_seen(const Snapshot& snapshot, std::int64_t number) const {
  auto at = versions_.find(number);
  return at == versions_.end() || snapshot.sees(at->second.back().first);
}

std::optional<Payment> SideStore::read(const Snapshot& snapshot, std::int64_t number) const {
  std::optional<Payment> found;
  auto at = versions_.find(number);
  if (at == versions_.end()) return found;
  for (const auto& [xid, row] : at->second)
    if (snapshot.sees(xid)) found = row;
  return found;
}

void SideStore::emit_marker(std::string content) {
  auto xid = begin();
  running(xid).events.push_back(Message{Lsn(next_lsn_ + 5), true, "oxbow", std::move(content)});
  commit(xid);
  transactions_.erase(xid);
}

void SideStore::restart() {
  transactions_.clear();
  draining_.clear();
}

}  // namespace oxbow::sim
