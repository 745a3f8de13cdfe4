// The side that is written: rows, stream position and range records, changed by transactions that commit
// whole or not at all. A statement that meets more or fewer rows than it must is an anomaly: a real database
// would reject it or report it, and so does the simulation. One thread.
#pragma once

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "flow/apply/applier.hpp"
#include "sim/source_store.hpp"

namespace oxbow::sim {

struct StoredTarget {
  Rows rows;
  std::optional<StreamPosition> position;
  std::map<RangeId, RangeRecord> ranges;
  std::map<std::string, QuarantineRecord> quarantine;  // by key
};

class TargetStore {
 public:
  explicit TargetStore(bool unique_values) : unique_values_(unique_values) {}

  // A transaction's writes, in order; nothing happens before commit().
  class Transaction {
   public:
    void copy(Rows rows) { writes_.emplace_back(std::move(rows)); }
    void write(std::vector<WriteStep> steps) { std::ranges::move(steps, std::back_inserter(writes_)); }
    void set_position(StreamPosition position) { position_ = std::move(position); }

   private:
    friend class TargetStore;
    std::vector<std::variant<Rows, WriteStep>> writes_;
    std::optional<StreamPosition> position_;
  };

  void commit(Transaction transaction);
  void save(const RangeRecord& record) { stored_.ranges[record.id] = record; }

  const StoredTarget& stored() const { return stored_; }
  const std::vector<std::string>& anomalies() const { return anomalies_; }

 private:
  void copy(const Rows& rows);
  void perform(const WriteStep& step);
  void apply(const RowWrite& write);
  void check_values();
  void anomaly(std::string what, std::int64_t key);

  bool unique_values_;  // no two rows hold the same value when a transaction commits
  StoredTarget stored_;
  std::vector<std::string> anomalies_;
};

}  // namespace oxbow::sim
