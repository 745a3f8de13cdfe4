// One life of a stream: from what the target has stored to the first error. Sets up both sides, then runs the
// tasks that follow the log, copy ranges and watch both databases. Every failure ends the session; the next
// one begins where the target says, so a crash and a broken connection are the same thing. Lives on one
// executor with one thread.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "services/pipeline/key_search.hpp"
#include "services/pipeline/log_follower.hpp"
#include "services/pipeline/part_watch.hpp"
#include "services/pipeline/range_copier.hpp"
#include "services/pipeline/session_parts.hpp"
#include "services/pipeline/stream_watch.hpp"

namespace oxbow {

class StreamSession {
 public:
  explicit StreamSession(SessionContext context);
  ~StreamSession();

  // Sets up both sides, then works until something fails or it is asked to stop.
  Task<void> run();

  // Brings in cohorts that were added to `carried`, with all their rows. REQUIRES: is_following().
  Task<void> add_missing_jobs();

  // A cohort whose rows are on both sides joins or leaves, from this position of the stream on. Durable when
  // it returns; to join twice, or to leave twice, changes nothing. Whoever joins counts as proven only if
  // both sides were found equal in this handover. REQUIRES: is_following().
  Task<void> join(const std::string& entity, CohortId cohort, bool is_equal);
  Task<void> leave(const std::string& entity, CohortId cohort);
  bool is_following() const { return following_; }
  bool has_followed() const { return has_followed_; }  // now or until it ended

  // A marker in the source's log, and the moment when the target holds all before it.
  Task<std::shared_ptr<Marker>> mark(std::function<Task<void>()> at_barrier);
  Task<Lsn> reach(std::shared_ptr<Marker> marker);

  // Both at once. Runs `at_barrier` when the target holds exactly what the source's log has before a new
  // marker, and nothing of the log is applied meanwhile. Returns the marker's position.
  Task<Lsn> at_marker(std::function<Task<void>()> at_barrier);

  Applier& applier() { return *parts_.applier; }

  const Plan& plan() const { return parts_.context.plan; }
  const std::map<std::string, std::set<CohortId>>& carried() const { return parts_.context.carried; }

  // Which cohorts of an entity are carried; none: all of them.
  std::optional<std::vector<CohortId>> carried_cohorts(const std::string& entity) const;

  // Whether all rows of the cohort are on the target, and none waits for anything.
  enum class Quarantine { matters, is_known };
  Status is_complete(const std::string& entity, CohortId cohort,
                     Quarantine quarantine = Quarantine::matters) const;

  // Rows of a cohort whose target holds what its home has given up. They wait in quarantine, and are read
  // once the cohort is carried, by read_given_up() or by the next session. Durable when it returns.
  Task<void> take_given_up(CohortId cohort, std::vector<QuarantineRecord> records);
  void read_given_up(const std::string& entity, CohortId cohort);

  // Rows that nobody waits for any more leave quarantine as they are.
  Task<void> let_go(std::vector<QuarantineRelease> rows);

  // Of every entity, the carried cohorts of which all rows have come over for good. REQUIRES: has_followed()
  std::map<std::string, std::set<CohortId>> copied_cohorts() const;

  // Reads quarantined rows again: those of this key, or all. Returns how many; `not_found` if none waits.
  Result<std::uint64_t> retry_quarantined(const std::optional<std::string>& key);

  // Findings of that kind that this stream has, or had before and still has.
  FindingNames what_still_holds(FindingKind kind) const;

  // A line for each row that the search found, or that waits in quarantine.
  std::vector<std::string> explain_key(const KeySearch& search);

  std::vector<TableStatus> table_status() const;
  StreamStatus stream_status() const;

 private:
  Task<void> set_up();
  Task<void> end_strange_stream();
  Status refuse_forgotten_way_back() const;
  Task<void> refuse_what_went_back(const StreamPosition& position, Lsn log_end);
  std::string begin_again() const;  // where the log is lost
  Task<void> compare_parts(const StoredStream& stored);
  Status refuse_newly_mapped(const StoredStream& stored) const;
  void restore(const StoredStream& stored, const StreamPosition& position);
  void close_what_is_over();
  void begin_retries();
  void remember_given_up(const StoredStream& stored);
  Task<void> beside_the_stream(std::function<Task<void>(TargetWriter&)> write);
  Task<void> clear_strange_rows(const PlannedTable& table, const std::vector<CohortId>& members);
  Task<void> add_job(const PlannedTable& table, std::vector<CohortId> members);
  Task<void> keep_house();
  std::string describe_range(const KeySearch::Table& table, const KeySearch::Row& row);
  Task<void> settle_ranges(TargetAdmin& target, Lsn passed);

  SessionParts parts_;
  std::unique_ptr<LogFollower> follower_;
  RangeCopier copier_;
  PartWatch part_watch_;
  StreamWatch watch_;
  bool following_ = false;
  bool has_followed_ = false;
  std::uint32_t next_job_ = 0;
  std::set<std::pair<std::uint32_t, std::string>> retries_;  // ordered and not begun: table and key
  std::map<std::pair<std::uint32_t, std::string>, CohortId> given_up_;  // not ordered yet
};

}  // namespace oxbow
