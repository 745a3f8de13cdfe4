#include "sim/source_store.hpp"

#include <algorithm>
#include <set>

#include "support/one_table.hpp"

namespace oxbow::sim {
namespace {

std::string logged(std::int64_t key, const Row& row, bool large_unsent) {
  return test::row_of(key, row.value,
                      large_unsent ? std::nullopt : std::optional<std::string_view>(row.large));
}

}  // namespace

void SourceStore::run_transaction(Random& random, std::int64_t key_count, bool allow_truncate) {
  Xid xid(next_xid_++);
  Lsn commit_lsn(next_lsn_ + 10);
  Lsn end_lsn(next_lsn_ + 20);
  std::vector<LogEvent> events{Begin{commit_lsn, {}, static_cast<std::uint32_t>(xid.value())}};
  std::set<std::int64_t> written;
  writing_ = {};

  if (is_locked_whole()) return;
  if (allow_truncate && invisible_.empty()) truncate(xid, events);
  auto statements = 1 + random.below(4);
  for (std::uint64_t i = 0; i < statements; ++i) {
    auto key = static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(key_count)));
    if (is_locked(key)) continue;
    written.insert(key);
    auto at = rows_.find(key);
    if (at != rows_.end() && random.chance(0.2)) {
      swap_values(at->first, random, key_count, xid, written, events);
      continue;
    }
    Row fresh{fresh_value(random), "large " + std::to_string(next_large_++)};
    if (at != rows_.end()) free_value(at->second.value, xid);
    if (at == rows_.end()) {
      write(key, fresh, xid);
      events.push_back(Insert{test::kTableRelation, logged(key, fresh, false)});
    } else if (random.chance(0.3)) {
      write(key, std::nullopt, xid);
      events.push_back(Delete{test::kTableRelation, test::old_key_of(key)});
    } else {
      bool same_large = random.chance(0.5);
      if (same_large) fresh.large = at->second.large;
      auto moved = static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(key_count)));
      bool moves = random.chance(0.2) && moved != key && !rows_.contains(moved) && !is_locked(moved);
      if (moves) {
        written.insert(moved);
        write(key, std::nullopt, xid);
        write(moved, fresh, xid);
        events.push_back(
            Update{test::kTableRelation, test::old_key_of(key), logged(moved, fresh, same_large)});
      } else {
        write(key, fresh, xid);
        events.push_back(Update{test::kTableRelation, {}, logged(key, fresh, same_large)});
      }
    }
  }
  if (events.size() == 1) return;
  events.push_back(Commit{commit_lsn, end_lsn, {}});
  writing_.commit_lsn = commit_lsn;
  writing_.end_lsn = end_lsn;
  writing_.events = std::move(events);
  log_.push_back(std::move(writing_));
  next_lsn_ += 20;
  invisible_.push_back({xid, {written.begin(), written.end()}});
}

// A value that somebody gave up, or one that nobody ever had.
std::int64_t SourceStore::fresh_value(Random& random) {
  auto present = snapshot();
  for (auto at = freed_values_.begin(); at != freed_values_.end() && random.chance(0.7); ++at) {
    if (!present.sees(at->second)) continue;
    auto value = at->first;
    freed_values_.erase(at);
    return value;
  }
  return next_value_++;
}

void SourceStore::swap_values(std::int64_t first, Random& random, std::int64_t key_count, Xid xid,
                              std::set<std::int64_t>& written, std::vector<LogEvent>& events) {
  auto second = static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(key_count)));
  if (second == first || !rows_.contains(second) || is_locked(second)) return;
  auto a = rows_.at(first), b = rows_.at(second);
  std::swap(a.value, b.value);
  for (const auto& [key, row] : {std::pair(first, a), std::pair(second, b)}) {
    written.insert(key);
    write(key, row, xid);
    events.push_back(Update{test::kTableRelation, {}, logged(key, row, true)});
  }
}

void SourceStore::truncate(Xid xid, std::vector<LogEvent>& events) {
  versions_.clear();
  rows_.clear();
  truncated_by_ = xid;
  writing_.truncates = true;
  events.push_back(Truncate{{test::kTableRelation}});
}

void SourceStore::make_one_visible(Random& random) {
  if (!invisible_.empty())
    invisible_.erase(invisible_.begin() + static_cast<std::ptrdiff_t>(random.below(invisible_.size())));
}

Snapshot SourceStore::snapshot() const {
  Snapshot snapshot{Xid(next_xid_), Xid(next_xid_), {}};
  for (const auto& [xid, keys] : invisible_) {
    snapshot.running.push_back(xid);
    snapshot.xmin = std::min(snapshot.xmin, xid);
  }
  std::sort(snapshot.running.begin(), snapshot.running.end());
  return snapshot;
}

Rows SourceStore::read(const Snapshot& snapshot, std::int64_t lower, std::int64_t upper) const {
  Rows rows;
  for (auto at = versions_.lower_bound(lower); at != versions_.end() && at->first < upper; ++at) {
    for (const auto& version : at->second) {
      if (!snapshot.sees(version.xid)) continue;
      if (version.row) {
        rows[at->first] = *version.row;
      } else {
        rows.erase(at->first);
      }
    }
  }
  return rows;
}

void SourceStore::emit_marker(std::string content) {
  Xid xid(next_xid_++);
  Lsn commit_lsn(next_lsn_ + 10);
  Lsn end_lsn(next_lsn_ + 20);
  log_.push_back(
      {commit_lsn,
       end_lsn,
       {Begin{commit_lsn, {}, static_cast<std::uint32_t>(xid.value())},
        Message{Lsn(next_lsn_ + 5), true, "oxbow", std::move(content)}, Commit{commit_lsn, end_lsn, {}}},
       false,
       {},
       {}});
  next_lsn_ += 20;
}

bool SourceStore::is_locked(std::int64_t key) const {
  return std::any_of(invisible_.begin(), invisible_.end(), [&](const auto& transaction) {
    return std::ranges::find(transaction.second, key) != transaction.second.end();
  });
}

void SourceStore::write(std::int64_t key, std::optional<Row> row, Xid xid) {
  writing_.keys.insert(key);
  if (auto old = rows_.find(key); old != rows_.end()) writing_.values.insert(old->second.value);
  if (row) writing_.values.insert(row->value);
  versions_[key].push_back({xid, row});
  if (row) {
    rows_[key] = *row;
  } else {
    rows_.erase(key);
  }
}

}  // namespace oxbow::sim
