// One life of a stream: from what the target has stored to the first error. Follows the log, copies ranges,
// watches both databases. Every failure ends the session; the next one begins where the target says, so a
// crash and a broken connection are the same thing. Lives on one executor with one thread.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "flow/apply/applier.hpp"
#include "flow/backfill/range_copy.hpp"
#include "flow/backfill/reconciliation.hpp"
#include "model/finding.hpp"
#include "model/plane_status.hpp"
#include "runtime/channel.hpp"
#include "runtime/gate.hpp"
#include "services/pipeline/backfill_control.hpp"
#include "services/pipeline/plan.hpp"
#include "services/pipeline/ports.hpp"
#include "services/pipeline/step_writer.hpp"

namespace oxbow {

// What the pipeline lends to a session.
struct SessionContext {
  boost::asio::any_io_executor executor;
  const Spec& spec;
  const Plan& plan;
  const PipelinePorts& ports;
  SourceAdmin& source;
  TargetAdmin& target;
  BackfillControl& control;
  const std::map<std::string, std::set<CohortId>>& mirrored;  // by entity
  std::function<void(Finding)> report;
  Protections protections;
};

class StreamSession {
 public:
  explicit StreamSession(SessionContext context);
  ~StreamSession();

  // Sets up both sides, then works until something fails or it is asked to stop.
  Task<void> run();

  // Brings in cohorts that were added to `mirrored`. REQUIRES: is_following().
  Task<void> add_missing_jobs();
  bool is_following() const { return following_; }

  // Runs `at_barrier` when the target holds exactly what the source's log has before a new marker, and
  // nothing of the log is applied meanwhile. Returns the marker's position.
  Task<Lsn> at_marker(std::function<Task<void>()> at_barrier);

  Applier& applier() { return *applier_; }

  // Which cohorts of an entity are mirrored; none: all of them.
  std::optional<std::vector<CohortId>> mirrored_cohorts(const std::string& entity) const;

  // What is known of the row with this key in each table whose key is one column.
  std::vector<std::string> explain_key(const std::string& key);

  std::vector<TableStatus> table_status() const;
  StreamStatus stream_status() const;

 private:
  struct LogChunk {
    std::vector<LogEvent> events;
    bool log_was_idle = false;  // when it was read
  };

  // A copy that is done and waits for the gate.
  struct Waiting {
    TargetWriter* writer = nullptr;
    bool rolled_back = false;
  };

  struct Barrier {
    std::function<Task<void>()> action;
    Status result;
    Lsn position;
    Channel<bool> done;
  };

  Task<void> set_up();
  Task<void> read_log();
  Task<void> follow_log();
  Task<void> feed(LogChunk& chunk);
  Task<void> write_batch();
  Task<void> commit_group();
  Task<void> reach_markers();
  Task<void> keep_house();
  Task<void> watch_health();
  Task<void> watch_rogue_writes();
  Task<void> watch_schemas();

  Task<void> copy_ranges(int lane);
  std::optional<std::pair<std::uint32_t, RangeId>> next_range();
  Task<void> copy_range(RangeCopy& copy, std::uint32_t table, RangeId id, SnapshotReader& reader,
                        TargetWriter& writer);
  Task<bool> take_snapshot(RangeCopy& copy, std::uint32_t table, SnapshotReader& reader);
  Task<std::uint64_t> copy_rows(RangeCopy& copy, std::uint32_t table, const RangeRecord& record,
                                SnapshotReader& reader, TargetWriter& writer, bool carefully);
  Task<void> read_present(std::uint32_t table, const RangeRecord& record, Reconciliation& reconciliation);
  Task<void> commit_copy(RangeCopy& copy, TargetWriter& writer);
  Task<void> add_job(const PlannedTable& table, std::vector<CohortId> members);
  Task<void> wait_for_no_copies(std::uint32_t table);
  Task<void> yield_to_the_log();
  StepWriter step_writer(TargetWriter& writer);
  RangeRead range_read(std::uint32_t table, const RangeRecord& record) const;

  SessionContext context_;
  std::unique_ptr<Applier> applier_;
  // Each connection serves one task at a time, so every task that asks the source has its own.
  std::unique_ptr<SourceAdmin> stream_source_;
  std::unique_ptr<SourceAdmin> marker_source_;
  std::unique_ptr<TargetWriter> writer_;
  std::unique_ptr<LogStream> log_;
  Channel<LogChunk> read_ahead_;
  std::size_t chunks_ahead_ = 0;
  Gate gate_;
  bool following_ = false;
  bool group_begun_ = false;  // the target transaction is open
  bool gate_held_ = false;
  bool closing_ = false;  // a copy holds the gate
  Instant gate_held_since_{};
  std::uint64_t changes_committed_ = 0;
  Lsn stored_;  // the position that the target remembers
  Instant stored_at_{};
  std::uint32_t next_job_ = 0;
  std::map<std::uint32_t, int> copies_in_progress_;         // by table
  std::map<std::uint32_t, std::vector<Waiting*>> at_gate_;  // by table
  std::optional<std::uint32_t> truncating_;                 // no copy of this table may begin
  std::map<std::string, Barrier*> barriers_;
  std::uint64_t next_marker_ = 0;
  std::uint64_t last_rogue_ = 0;

  StreamStatus status_;
  std::map<std::uint32_t, TableStatus> tables_;
  WallTime began_;
};

}  // namespace oxbow
