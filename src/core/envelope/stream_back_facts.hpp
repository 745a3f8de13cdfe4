// What the data plane knows of the stream back: whether it lives, and which rows it could not bring to
// legacy. Values.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/time.hpp"
#include "model/cohort.hpp"

namespace oxbow {

// A row of the new side that legacy does not have as it is there: what a rollback would lose. Later changes
// of its key wait behind it and are the same row.
struct RowAtStake {
  std::string entity;
  std::optional<CohortId> cohort;  // none: the log does not tell whose row it is
  std::string table;               // on the new side
  std::string key;                 // "id=4711"
  std::string reason;

  friend bool operator==(const RowAtStake&, const RowAtStake&) = default;
};

using RowsAtStake = std::vector<RowAtStake>;

struct StreamBackFacts {
  bool is_stopped = false;  // by a person, or for a reason that only a person can mend
  bool is_lost = false;     // the log between the two sides is gone: no session can take it up again
  std::string why_not;      // while it does not run: one sentence

  // Since when nothing moved. A stream that runs moves every second, because it is made to.
  Duration silent_for{};
  std::optional<Duration> lag;

  // Of all entities. Null: it has not been read yet.
  std::shared_ptr<const RowsAtStake> waiting;

  std::uint64_t retained_wal_bytes = 0;  // by the new side
  std::uint64_t retained_wal_bytes_max = 0;
  double retained_bytes_per_second = 0;  // by which it grows

  std::string legacy_not_ready;  // why legacy cannot take traffic back; empty: it can
};

// Shorter than this, a new session is no news.
inline constexpr Duration kSilentMax = std::chrono::seconds(5);

// Why nobody knows at this moment what the way back is worth; empty: it is known.
std::string why_away(const StreamBackFacts& facts);

}  // namespace oxbow
