// Points in a database's log, and what a reader could see at a moment. Orders come from here and never from a
// clock.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/strong.hpp"

namespace oxbow {

// A byte position in PostgreSQL's write-ahead log.
using Lsn = Strong<std::uint64_t, struct LsnTag>;

std::string to_string(Lsn lsn);  // "16/B374D848"
Result<Lsn> parse_lsn(std::string_view text);

// A top-level transaction id that never wraps (PostgreSQL's xid8). The log carries only its lower 32 bits.
using Xid = Strong<std::uint64_t, struct XidTag>;

// Widens an id from the log to the one nearest to `reference`; right while they are less than 2^31 apart,
// which PostgreSQL guarantees for any transaction that can still be running or invisible.
Xid widen(std::uint32_t xid, Xid reference);

// What `pg_current_snapshot()` says: a transaction is visible if it began before `xmax` and is not running.
struct Snapshot {
  Xid xmin;                  // everything below is finished
  Xid xmax;                  // nothing from here on is visible
  std::vector<Xid> running;  // sorted; all in [xmin, xmax)

  bool sees(Xid xid) const;

  friend bool operator==(const Snapshot&, const Snapshot&) = default;
};

std::string to_string(const Snapshot& snapshot);  // "10:20:10,14,15", as PostgreSQL prints it
Result<Snapshot> parse_snapshot(std::string_view text);

}  // namespace oxbow
