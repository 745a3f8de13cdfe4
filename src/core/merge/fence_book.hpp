// All fences of one table: the jobs that copy it, their ranges, and single keys that are read again. Finds
// the fence of a key and keeps what is held behind it. Belongs to one stream; not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/merge/fence.hpp"
#include "core/merge/key_order.hpp"
#include "model/cohort.hpp"
#include "model/key_range.hpp"
#include "model/stream_state.hpp"

namespace oxbow {

// One change of one row, in the source's layout. A change of key is a remove and an insert.
struct RowChange {
  RowOp op = RowOp::insert;
  std::string tuple;  // for `remove`, at least the identity is sent
  Xid xid;
  Lsn commit_lsn;
  bool missing_allowed = false;  // its cohort is not known
};

class FenceBook {
 public:
  struct Range {
    RangeRecord record;
    Fence fence;
    std::vector<RowChange> held;
    std::size_t held_bytes = 0;
    std::uint64_t copies_begun = 0;  // tells a copy that was abandoned from the one that took its place
    bool after_others = false;       // its rows met others in their place: it waits for the rest of the table
  };

  FenceBook(std::vector<KeyColumn> key, Protections protections);

  // A job's ranges cover the whole key space once, for keys of `members`. Records as stored or as planned; a
  // range that was copied keeps its fence, any other is pending and owes sight of `unproven`.
  void add_job(std::uint32_t job, std::vector<CohortId> members, std::vector<RangeRecord> records,
               const std::vector<Xid>& unproven);
  void remove_members(const std::vector<CohortId>& members);  // jobs left without members go

  // A key that has to be read again: from now on its changes wait for that.
  void add_point(const RangeRecord& record, std::string key, const std::vector<Xid>& unproven);
  void remove_point(std::string_view key);

  // The ranges that decide about `key`. Without a cohort (it is not known), one per job.
  // Null stands for a range of a job in which everything is settled.
  void for_each(std::string_view key, std::optional<CohortId> cohort,
                const std::function<void(Range*)>& visit);

  // As for_each(), for a row whose key is not known: all ranges that may decide about it.
  void for_each_possible(std::optional<CohortId> cohort, const std::function<void(Range&)>& visit);

  bool covers(CohortId cohort) const;
  bool has_settled(CohortId cohort) const;  // somebody copies it, and none of its ranges waits for anything
  bool all_settled() const;                 // no range and no point waits for anything

  // The range that is to be copied next: points before others, because somebody may be waiting for that row;
  // who is `after_others` only when everybody else is settled.
  Range* next_pending();
  bool others_settled();  // everybody who is not `after_others`
  Range* find(RangeId id);
  Range* find_point(std::string_view key);
  std::vector<std::string> points() const;  // keys that wait to be read again, or are not settled since
  void for_each_range(const std::function<void(Range&)>& visit);

  // Every range starts over, as after a TRUNCATE: pending, owing sight of `xid`. The ranges read their
  // points, too. Returns the records to store.
  std::vector<RangeRecord> restart(Xid xid);

  // Settles what the stream has passed; returns the records to store. Settled points are forgotten.
  std::vector<RangeRecord> settle(Lsn position);
  void prove(const Snapshot& snapshot);

 private:
  struct Job {
    std::uint32_t id = 0;
    std::vector<CohortId> members;  // sorted
    std::vector<Range> ranges;      // by lower bound
    std::size_t unsettled = 0;
  };

  Range& range_of(Job& job, std::string_view key);

  std::optional<KeyOrder> order_;  // none: every job has one range
  Protections protections_;
  std::vector<Job> jobs_;
  std::map<std::string, Range, std::less<>> points_;
};

}  // namespace oxbow
