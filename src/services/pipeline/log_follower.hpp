// Follows the source's log and commits it on the target, group by group; runs what has to happen at a marker.
// Reading ahead and applying are two tasks, so that the source goes on decoding while the target writes. A
// batch of a large group is written while the next one is collected; a row that the target rejects then comes
// too late to hold back later changes of its key, so the session ends with `needs_care` and the next one
// writes batch after batch.
// Belongs to one session and its thread; any error ends the session.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "runtime/channel.hpp"
#include "runtime/task_group.hpp"
#include "services/pipeline/session_parts.hpp"
#include "services/pipeline/step_writer.hpp"

namespace oxbow {

// A place in the source's log, and what happens when the stream comes to it.
struct Marker {
  std::function<Task<void>()> action;
  Status result;
  Lsn position;
  Channel<bool> done;
};

class LogFollower {
 public:
  explicit LogFollower(SessionParts& parts);
  ~LogFollower();

  // Stores `position` on the target and asks the source for everything behind it, up to now `log_end`.
  Task<void> begin(StreamPosition position, Lsn log_end);

  // The two tasks. REQUIRES: begin()
  Task<void> read_ahead();
  Task<void> apply();

  // Puts a marker into the log. When the stream comes to it, `at_barrier` runs.
  Task<std::shared_ptr<Marker>> mark(std::function<Task<void>()> at_barrier);

  // Waits until `at_barrier` has run, and returns the marker's position.
  Task<Lsn> reach(std::shared_ptr<Marker> marker);

  // Both at once. Runs `at_barrier` when the target holds exactly what the source's log has before a new
  // marker, and nothing of the log is applied meanwhile. Returns the marker's position.
  Task<Lsn> at_marker(std::function<Task<void>()> at_barrier);

  // Lets the source forget what the target has stored.
  void confirm();

  // Nobody reads the log any more, so whoever waits for a marker waits in vain. The source hears what is
  // stored.
  void end();

 private:
  struct LogChunk {
    std::vector<LogEvent> events;
    bool log_was_idle = false;  // when it was read
  };

  Task<void> apply_chunks();
  Task<void> feed(LogChunk& chunk);
  Status tell_drift(Status taken);
  Task<void> write_beside();
  Task<void> end_writing();
  Task<void> write(std::vector<WriteStep> steps, OnReject on_reject);
  Task<void> commit_group();
  Task<void> store_position();
  void hear_beats();
  void tell_strays();
  Task<void> reach_markers();

  SessionParts& parts_;
  // Each connection serves one task at a time, so the two tasks that ask the source have their own.
  std::unique_ptr<SourceAdmin> source_;
  std::unique_ptr<SourceAdmin> marker_source_;
  std::unique_ptr<TargetWriter> writer_;
  std::unique_ptr<LogStream> log_;
  Channel<LogChunk> chunks_;
  std::size_t chunks_ahead_ = 0;
  bool holds_gate_ = false;
  bool group_begun_ = false;  // the target transaction is open
  std::optional<TaskGroup> writing_;
  std::uint64_t changes_committed_ = 0;
  Lsn stored_;  // the position that the target remembers
  std::uint64_t beat_ = 0;
  Instant stored_at_{};
  std::map<std::string, std::shared_ptr<Marker>> markers_;  // not reached yet
  std::string marker_prefix_;                               // no other session uses it
  std::uint64_t next_marker_ = 0;
};

}  // namespace oxbow
