// Watches what the log does not tell of a table's rows: partitions that come, go or are emptied by
// themselves, rewrites, a table that was made anew. Compares the parts of the legacy tables with what the
// target remembers of them, so that nothing passes unseen while oxbow is away. Belongs to one session.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/drift/part_changes.hpp"
#include "services/pipeline/session_parts.hpp"

namespace oxbow {

class PartWatch {
 public:
  explicit PartWatch(SessionParts& parts) : parts_(parts) {}

  // Remembers what the target does. Once, before look().
  Task<void> begin(TargetAdmin& target);

  // `schema_drift` if the copy of a table cannot follow what happened. Whoever goes on all the same has seen
  // it: it is said once, but for a table that was made anew. What happened to a table of which nothing
  // `is_copied` does not matter: it is asked after the look, so a later copy sees all that the look saw.
  Task<void> look(SourceAdmin& source, TargetAdmin& target, std::function<bool(const TableName&)> is_copied);

  // Whether the last look found parts that the one before did not.
  bool found_new_parts() const { return found_new_parts_; }

 private:
  enum class Verdict { harmless, undecided, doubtful, lost, lost_for_good };
  struct Judgement {
    Verdict verdict;
    std::string what;
  };
  // Since when a part has a file that only the log can explain.
  struct Waiting {
    std::uint32_t file = 0;
    Lsn since;
  };

  Task<void> compare(SourceAdmin& source, TargetAdmin& target, const TableParts& before, TableParts& now,
                     Lsn at);
  Task<Judgement> judge(SourceAdmin& source, TargetAdmin& target, const PartChange& change, bool all_replaced,
                        const TableParts& now, Lsn at);
  Task<Judgement> judge_attached(SourceAdmin& source, const PartChange& change);
  Task<Judgement> judge_replaced(SourceAdmin& source, TargetAdmin& target, const PartChange& change,
                                 bool all_replaced, const TableName& table, Lsn at);
  void tell(const TableName& table, const Judgement& judgement);
  Task<void> save(TargetAdmin& target, bool differs);

  SessionParts& parts_;
  std::map<TableName, TableParts> known_;
  std::map<std::uint32_t, Waiting> waiting_;  // by part
  std::string stops_because_;
  bool found_new_parts_ = false;
  Instant saved_at_{};
};

}  // namespace oxbow
