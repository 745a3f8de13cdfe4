// A PostgreSQL server as far as a mover can tell: rows with versions, a log in commit order, and snapshots. A
// commit enters the log before it becomes visible; in between, snapshots still count its transaction as
// running, and whoever wants to write the same row waits. One thread, driven by the simulation.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "model/change.hpp"
#include "model/position.hpp"

namespace oxbow::sim {

struct Row {
  std::int64_t value = 0;
  std::string large;  // stored out of line: an UPDATE that leaves it alone does not log it

  friend bool operator==(const Row&, const Row&) = default;
};

using Rows = std::map<std::int64_t, Row>;

class SourceStore {
 public:
  explicit SourceStore(Rows rows) : rows_(std::move(rows)) {
    for (const auto& [key, row] : rows_) versions_[key].push_back({Xid(1), row});
  }

  // Values are unique: who holds one can give it to another row, at once or later.
  // Runs a random transaction of one or a few statements; nothing happens where it would have to wait for a
  // row.
  void run_transaction(Random& random, std::int64_t key_count, bool allow_truncate);
  void make_one_visible(Random& random);
  void make_all_visible() { invisible_.clear(); }
  std::size_t invisible_count() const { return invisible_.size(); }

  // True while a TRUNCATE holds its lock: until it is visible.
  bool is_locked_whole() const { return truncated_by_ && !snapshot().sees(*truncated_by_); }

  Snapshot snapshot() const;
  Lsn log_end() const { return Lsn(next_lsn_); }
  Rows read(const Snapshot& snapshot, std::int64_t lower, std::int64_t upper) const;  // lower <= key < upper

  // Puts a marker into the log, as a transaction of its own.
  void emit_marker(std::string content);

  // Transactions behind `from`, at most `count`, each as its events.
  struct Logged {
    Lsn commit_lsn;
    Lsn end_lsn;
    std::vector<LogEvent> events;
    bool truncates = false;
    std::set<std::int64_t> keys;    // of rows that it wrote
    std::set<std::int64_t> values;  // that it gave up or took
  };
  const std::deque<Logged>& log() const { return log_; }

  const Rows& rows() const { return rows_; }  // the truth: the state at the end of the log

 private:
  struct Version {
    Xid xid;
    std::optional<Row> row;  // none: removed
  };

  bool is_locked(std::int64_t key) const;
  std::int64_t fresh_value(Random& random);
  void swap_values(std::int64_t first, Random& random, std::int64_t key_count, Xid xid,
                   std::set<std::int64_t>& written, std::vector<LogEvent>& events);
  void free_value(std::int64_t value, Xid xid) { freed_values_.emplace_back(value, xid); }
  void truncate(Xid xid, std::vector<LogEvent>& events);
  void write(std::int64_t key, std::optional<Row> row, Xid xid);

  Rows rows_;
  std::map<std::int64_t, std::vector<Version>> versions_;  // in commit order
  std::vector<std::pair<Xid, std::vector<std::int64_t>>>
      invisible_;  // committed in the log only, with their keys
  std::optional<Xid>
      truncated_by_;  // snapshots that do not see it read an empty table: TRUNCATE keeps no versions
  std::vector<std::pair<std::int64_t, Xid>>
      freed_values_;  // and by whom; others must see that before they take it
  std::deque<Logged> log_;
  Logged writing_;  // what the present transaction touches
  std::uint64_t next_xid_ = 100;
  std::uint64_t next_lsn_ = 1000;
  std::uint64_t next_large_ = 1;
  std::int64_t next_value_ = 1'000'000;
};

}  // namespace oxbow::sim
