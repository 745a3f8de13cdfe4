// What a migration sets up, watches and takes away in its two databases, apart from moving rows. One
// connection each.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/time.hpp"
#include "model/catalog.hpp"
#include "model/key_range.hpp"
#include "model/position.hpp"
#include "model/server_facts.hpp"
#include "model/table_parts.hpp"
#include "ports/target.hpp"
#include "runtime/task.hpp"

namespace oxbow {

struct SourceHealth {
  std::uint64_t retained_wal_bytes = 0;  // kept by our slot
  std::string slot_wal_status;           // reserved, extended, unreserved, lost; empty: there is no slot
  std::uint64_t active_sessions = 0;     // of others, at work
  Duration oldest_transaction{};         // of others; a prepared one counts
  Lsn log_end;
  bool takes_writes = true;  // it is no standby, and sessions may write unless they say otherwise
};

struct IdentityChange {
  TableName table;
  ReplicaIdentity identity;
  std::string index;  // for ReplicaIdentity::index
};

// What can be asked of either side.
class Admin {
 public:
  virtual ~Admin() = default;

  virtual Task<Catalog> read_catalog() = 0;
  virtual Task<ServerFacts> read_facts(std::vector<TableName> tables) = 0;

  // Takes everything of this migration away that is on this side. Returns what it did.
  virtual Task<std::vector<std::string>> remove() = 0;
};

class SourceAdmin : public Admin {
 public:
  virtual Task<SourceHealth> read_health() = 0;
  virtual Task<Snapshot> current_snapshot() = 0;

  // Remembers the identity of before in schema oxbow, so that remove() can restore it. Waits for its lock at
  // most 1 s at a time, so that it never queues the application behind itself; `timeout` after a minute of
  // tries.
  virtual Task<void> change_identity(IdentityChange change) = 0;

  // Creates what is missing; what exists stays as it is. Returns where the slot's stream begins.
  virtual Task<Lsn> ensure_stream(std::vector<TableName> tables) = 0;

  // Drops the slot at once, also under a session that reads it: the server forgets the log that it kept for
  // us, and the stream can never be taken up again.
  virtual Task<void> give_up_stream() = 0;

  // Puts a message into the log and returns a position at or behind it. Durable at once, and not held up by a
  // synchronous standby.
  virtual Task<Lsn> emit_marker(std::string content) = 0;

  // Puts a number into the log that the source remembers as well. A target that knows of a larger one than
  // its source does has applied what the source has forgotten: a server that came back without its last
  // transactions. REQUIRES: ensure_stream()
  virtual Task<void> beat(std::uint64_t number) = 0;
  virtual Task<std::uint64_t> last_beat() = 0;  // 0: none yet

  virtual Task<PartsLook> look_at_parts(std::vector<TableName> tables) = 0;

  // Whether this part holds rows that were written before a transaction began to write, or by it before one
  // of its commands. Looks through so many rows as it can in a second or so.
  virtual Task<OldRows> find_old_rows(TableName part, std::uint32_t xid, std::uint32_t command) = 0;

  // Bounds that cut the table into about `rows / rows_per_range` parts of similar size; empty if it is small.
  virtual Task<std::vector<KeyBound>> plan_ranges(TableName table, std::vector<KeyColumn> key,
                                                  std::uint64_t rows_per_range) = 0;
};

// A write on a projection by somebody else, as the watching trigger saw it.
struct RogueWrite {
  std::uint64_t id = 0;
  WallTime at;
  TableName table;
  std::string operation;    // INSERT, UPDATE, DELETE, TRUNCATE
  std::string before_json;  // empty where there is none
  std::string after_json;
  std::string user;
  std::string application;
  std::string address;
};

struct StoredStream {
  std::optional<StreamPosition> position;  // none: this stream has never committed
  std::vector<RangeRecord> ranges;
  std::vector<QuarantineRecord> quarantine;
};

class TargetAdmin : public Admin {
 public:
  // Takes the migration's lock for the life of this connection; `already_running` if somebody has it.
  virtual Task<void> lock() = 0;

  // Creates schema oxbow, the origins of `lanes` lanes, and the watching trigger on each table; idempotent. A
  // table that we watch may hold rows: they are ours. `rows_unexpected` if a table that we do not watch yet
  // has some.
  virtual Task<void> install(std::vector<TableName> tables, int lanes) = 0;
  virtual Task<bool> holds_rows(TableName table) = 0;

  // Writes of others on these tables are recorded as rogue, or are no more: where guards let only those
  // through who may. Tables without the watching trigger are left as they are.
  virtual Task<void> watch(std::vector<TableName> tables) = 0;
  virtual Task<void> stop_watching(std::vector<TableName> tables) = 0;
  virtual Task<StoredStream> load_stream() = 0;

  // Takes position, ranges and quarantine away. The tables stay watched, so their rows stay known as ours.
  virtual Task<void> forget_stream() = 0;
  // Takes these cohorts out of the ranges of these tables (by number); ranges without cohorts go.
  virtual Task<void> forget_cohorts(std::vector<std::uint32_t> tables, std::vector<CohortId> cohorts) = 0;
  virtual Task<void> save_ranges(std::vector<RangeRecord> records) = 0;
  virtual Task<std::vector<RogueWrite>> rogue_writes_after(std::uint64_t id) = 0;

  // The parts of the legacy tables as they were when the stream last agreed with them.
  virtual Task<std::vector<TableParts>> load_parts() = 0;
  virtual Task<void> save_parts(std::vector<TableParts> tables) = 0;
  // The transactions (their lower 32 bits) whose TRUNCATE of this table was applied, as far back as parts
  // remember.
  virtual Task<std::vector<std::uint32_t>> truncations_of(std::vector<std::uint32_t> tables) = 0;
};

}  // namespace oxbow
