// The ports of the data plane over PostgreSQL. Each object opens its own session when it is first used, on
// the executor of the task that uses it, and belongs to that executor. After `connection_lost` or `timeout`
// an object may be used again and opens a new session, except for a log stream and for a target admin that
// held the migration's lock: their state went with their session, so make a new one (or call lock() again).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ports/admin.hpp"
#include "ports/guards.hpp"
#include "ports/log.hpp"
#include "ports/reader_search.hpp"
#include "ports/row_trial.hpp"
#include "ports/rows.hpp"
#include "ports/sequences.hpp"
#include "ports/session_watch.hpp"
#include "ports/target.hpp"
#include "ports/violation_counter.hpp"

namespace oxbow::postgres {

// `url` as libpq takes it; `migration` names what we leave in the databases.
std::unique_ptr<SourceAdmin> make_source_admin(std::string url, std::string migration);
std::unique_ptr<TargetAdmin> make_target_admin(std::string url, std::string migration);
std::unique_ptr<SnapshotReader> make_snapshot_reader(std::string url, std::string migration);

// Begins at `start`, or where the slot was last confirmed if that is later.
std::unique_ptr<LogStream> make_log_stream(std::string url, std::string migration, Lsn start,
                                           LargeTransactions large);

// `lane` counts from 0 to the `lanes` of TargetAdmin::install(); each is written by one session at a time.
std::unique_ptr<TargetWriter> make_target_writer(std::string url, std::string migration, int lane);

std::unique_ptr<RowTrial> make_row_trial(std::string url, std::string migration);

// Gives up on a count after `time_max`.
std::unique_ptr<ViolationCounter> make_violation_counter(std::string url, std::string migration,
                                                         Duration time_max);

std::unique_ptr<Guards> make_guards(std::string url, std::string migration, Side side);

std::unique_ptr<Sequences> make_sequences(std::string url, std::string migration);

std::unique_ptr<SessionWatch> make_session_watch(std::string url, std::string migration);

std::unique_ptr<ReaderSearch> make_reader_search(std::string legacy_url, std::string new_url,
                                                 std::string migration);

// What of a migration is on one side, of both of its streams and of the guards of these entities: one phrase
// each, as "replication slot oxbow_shop".
Task<std::vector<std::string>> list_traces(std::string url, std::string migration, Side side,
                                           std::vector<std::string> entities);

// A session of somebody else that waits for a lock of ours.
struct BlockedSession {
  std::int64_t pid = 0;
  std::string who;              // its application and user
  std::optional<Duration> age;  // of the wait
  std::string waits_for;        // what our session calls itself
};

// Who waits for sessions of this stream, longest first.
Task<std::vector<BlockedSession>> list_blocked(std::string url, std::string stream);

// Who holds locks on those of these tables, and of their parts, that have no guard of this entity yet:
// whoever puts it on waits for him.
Task<std::vector<WriterAtWork>> list_writers_without_guard(std::string url, std::string migration, Side side,
                                                           std::string entity, std::vector<TableName> tables);

// Our role, if it may not see what sessions of others do, and since when; none: it may.
Task<std::optional<std::string>> role_without_sight(std::string url, std::string migration);

}  // namespace oxbow::postgres
