#include "sim/handover/side_store.hpp"

#include <algorithm>
#include <iterator>
#include <limits>

#include "base/assert.hpp"

namespace oxbow::sim {
namespace {

template <class... Visitors>
struct Overloaded : Visitors... {
  using Visitors::operator()...;
};

}  // namespace

SideStore::SideStore(Side side, PaymentRows rows) : side_(side), rows_(std::move(rows)) {
  for (const auto& [key, row] : rows_) versions_[key].push_back({Xid(1), row});
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

void SideStore::prepare(Xid xid) {
  running(xid).is_prepared = true;
}

bool SideStore::is_prepared(Xid xid) const {
  return is_running(xid) && transactions_.at(xid).is_prepared;
}

SideStore::Transaction& SideStore::running(Xid xid) {
  OXBOW_ASSERT(is_running(xid), "transaction {} is not running", xid.value());
  return transactions_.at(xid);
}

SideStore::Written SideStore::lock_row(Xid xid, RowKey key) {
  for (const auto& [other, transaction] : transactions_)
    if (other != xid && transaction.rows.contains(key)) return Written::must_wait;
  running(xid).rows.insert(key);
  return Written::done;
}

std::optional<PaymentRow> SideStore::read(Xid xid, RowKey key) const {
  const auto& writes = transactions_.at(xid).writes;
  if (auto own = writes.find(key); own != writes.end()) return own->second;
  auto at = rows_.find(key);
  return at == rows_.end() ? std::nullopt : std::optional(at->second);
}

SideStore::Written SideStore::take_code(Xid xid, RowKey key, const std::optional<PaymentRow>& before,
                                        const std::optional<PaymentRow>& after) {
  auto& self = running(xid);
  auto given_up = before ? before->code : 0, taken = after ? after->code : 0;
  if (!codes_are_unique(key.table, side_) || given_up == taken) return Written::done;
  auto holds = [&](RowKey other, const PaymentRow& row) {
    return other.table == key.table && other != key && row.code == taken;
  };
  if (taken != 0) {
    for (const auto& [other, transaction] : transactions_)
      if (other != xid && transaction.codes.contains(taken)) return Written::must_wait;
    for (const auto& [other, row] : rows_)
      if (holds(other, row) && !self.writes.contains(other)) return Written::clash;
    for (const auto& [other, row] : self.writes)
      if (row && holds(other, *row)) return Written::clash;
    self.codes.insert(taken);
  }
  if (given_up != 0) self.codes.insert(given_up);
  return Written::done;
}

SideStore::Written SideStore::insert(Xid xid, RowKey key, const PaymentRow& row) {
  if (lock_row(xid, key) != Written::done) return Written::must_wait;
  if (read(xid, key)) return Written::row_is_there;
  if (auto code = take_code(xid, key, std::nullopt, row); code != Written::done) return code;
  write(xid, key, row);
  running(xid).events.push_back(Insert{relation_id(key.table), tuple_of(key.number, row)});
  return Written::done;
}

SideStore::Written SideStore::update(Xid xid, RowKey key, const PaymentRow& row) {
  if (lock_row(xid, key) != Written::done) return Written::must_wait;
  auto before = read(xid, key);
  if (!before) return Written::no_such_row;
  if (auto code = take_code(xid, key, before, row); code != Written::done) return code;
  write(xid, key, row);
  running(xid).events.push_back(Update{relation_id(key.table), tuple_of(key.number, *before),
                                       tuple_of(key.number, row, row.note == before->note)});
  return Written::done;
}

SideStore::Written SideStore::remove(Xid xid, RowKey key, bool missing_allowed) {
  if (lock_row(xid, key) != Written::done) return Written::must_wait;
  auto before = read(xid, key);
  if (!before) return missing_allowed ? Written::done : Written::no_such_row;
  take_code(xid, key, before, std::nullopt);
  write(xid, key, std::nullopt);
  running(xid).events.push_back(Delete{relation_id(key.table), tuple_of(key.number, *before)});
  return Written::done;
}

void SideStore::truncate(Xid xid, PaymentTable table) {
  auto& self = running(xid);
  OXBOW_ASSERT(self.whole_tables.contains(table), "transaction {} empties a table of others", xid.value());
  for (auto key : keys_of(xid, table)) write(xid, key, std::nullopt);
  self.emptied.insert(table);
  self.events.push_back(Truncate{{relation_id(table)}});
}

std::vector<RowKey> SideStore::keys_of(Xid xid, PaymentTable table) const {
  const auto& writes = transactions_.at(xid).writes;
  std::vector<RowKey> keys;
  for (const auto& [key, row] : rows_)
    if (key.table == table && !writes.contains(key)) keys.push_back(key);
  for (const auto& [key, row] : writes)
    if (key.table == table && row) keys.push_back(key);
  return keys;
}

void SideStore::write(Xid xid, RowKey key, std::optional<PaymentRow> row) {
  OXBOW_ASSERT(running(xid).tables.contains(key.table), "transaction {} writes without a lock", xid.value());
  running(xid).writes[key] = std::move(row);
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
  for (const auto& [key, after] : transactions_.at(xid).writes) {
    auto at = rows_.find(key);
    changes.push_back({key, at == rows_.end() ? std::nullopt : std::optional(at->second), after});
  }
  return changes;
}

void SideStore::commit(Xid xid) {
  auto& transaction = running(xid);
  transaction.is_logged = true;
  // An emptied table keeps no versions, for no snapshot.
  for (auto table : transaction.emptied)
    std::erase_if(versions_, [&](const auto& entry) { return entry.first.table == table; });
  for (const auto& [key, row] : transaction.writes) {
    versions_[key].push_back({xid, row});
    if (row) {
      rows_[key] = *row;
    } else {
      rows_.erase(key);
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
    std::visit(Overloaded{[&](const RangeRecord& record) { stream_.ranges[record.id] = record; },
                          [&](RangeId id) { stream_.ranges.erase(id); },
                          [&](const QuarantineRecord& record) {
                            stream_.quarantine.emplace(row_key(record.table, record.key_tuple), record);
                          },
                          [&](const QuarantineRelease& release) {
                            bool is_of_all = release.key_tuple.empty();
                            auto table = static_cast<PaymentTable>(release.table);
                            std::erase_if(stream_.quarantine, [&](const auto& entry) {
                              return is_of_all ? entry.first.table == table
                                               : entry.first == row_key(release.table, release.key_tuple);
                            });
                          }},
               each);
  }
  if (transaction.position) stream_.position = transaction.position;
}

void SideStore::roll_back(Xid xid) {
  transactions_.erase(xid);
}

bool SideStore::lock_table(Xid xid, PaymentTable table) {
  for (const auto& [other, transaction] : transactions_)
    if (other != xid && transaction.whole_tables.contains(table)) return false;
  running(xid).tables.insert(table);
  return true;
}

bool SideStore::lock_whole_table(Xid xid, PaymentTable table) {
  for (const auto& [other, transaction] : transactions_)
    if (other != xid && transaction.tables.contains(table)) return false;
  running(xid).tables.insert(table);
  running(xid).whole_tables.insert(table);
  return true;
}

bool SideStore::is_locked_whole(PaymentTable table) const {
  return std::ranges::any_of(transactions_,
                             [&](const auto& entry) { return entry.second.whole_tables.contains(table); });
}

std::set<Xid> SideStore::writers() const {
  std::set<Xid> writers;
  for (const auto& [xid, transaction] : transactions_)
    if (!transaction.tables.empty()) writers.insert(xid);
  return writers;
}

std::set<Xid> SideStore::writers_of(PaymentTable table) const {
  std::set<Xid> writers;
  for (const auto& [xid, transaction] : transactions_)
    if (transaction.tables.contains(table)) writers.insert(xid);
  return writers;
}

bool SideStore::try_lock_shared(Xid xid, CohortId cohort) {
  if (draining_.contains(cohort)) return false;
  running(xid).shared.insert(cohort);
  return true;
}

std::set<Xid> SideStore::drain(CohortId cohort) {
  draining_.insert(cohort);
  std::set<Xid> sharers;
  for (const auto& [xid, transaction] : transactions_)
    if (transaction.shared.contains(cohort)) sharers.insert(xid);
  return sharers;
}

void SideStore::unlock(Xid xid) {
  auto& transaction = running(xid);
  transaction.tables.clear();
  transaction.whole_tables.clear();
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

bool SideStore::newest_is_seen(const Snapshot& snapshot, RowKey key) const {
  auto at = versions_.find(key);
  return at == versions_.end() || snapshot.sees(at->second.back().first);
}

std::optional<PaymentRow> SideStore::read(const Snapshot& snapshot, RowKey key) const {
  std::optional<PaymentRow> found;
  auto at = versions_.find(key);
  if (at == versions_.end()) return found;
  for (const auto& [xid, row] : at->second)
    if (snapshot.sees(xid)) found = row;
  return found;
}

PaymentRows SideStore::read(const Snapshot& snapshot, PaymentTable table) const {
  PaymentRows rows;
  for (const auto& [key, versions] : versions_) {
    if (key.table != table) continue;
    if (auto row = read(snapshot, key)) rows.emplace(key, *std::move(row));
  }
  return rows;
}

void SideStore::emit_marker(std::string content) {
  auto xid = begin();
  running(xid).events.push_back(Message{Lsn(next_lsn_ + 5), true, "oxbow", std::move(content)});
  commit(xid);
  transactions_.erase(xid);
}

void SideStore::come_back_as(const SideStore& earlier) {
  *this = earlier;
  transactions_.clear();
  draining_.clear();
}

std::int64_t SideStore::largest_number(PaymentTable table) const {
  auto behind = rows_.upper_bound({table, std::numeric_limits<std::int64_t>::max()});
  if (behind == rows_.begin()) return 0;
  auto last = std::prev(behind)->first;
  return last.table == table ? last.number : 0;
}

void SideStore::restart() {
  std::erase_if(transactions_, [&](const auto& entry) { return !is_prepared(entry.first); });
  draining_.clear();
}

}  // namespace oxbow::sim
