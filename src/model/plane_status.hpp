// What the data plane says of itself at one moment: how far the backfill is, where the stream stands, what
// has been proven. A value, copied out for `oxbow status`; nothing decides by it, because lag and estimates
// prove nothing.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/strong.hpp"
#include "base/time.hpp"
#include "model/catalog.hpp"
#include "model/finding.hpp"
#include "model/position.hpp"

namespace oxbow {

// Limits of the backfill that can be changed while it runs. 0 rows or bytes: no limit.
struct Rate {
  std::uint64_t rows_per_second_max = 0;
  std::uint64_t bytes_per_second_max = 0;
  int workers = 2;  // ranges copied at the same time

  friend bool operator==(const Rate&, const Rate&) = default;
};

enum class TablePhase { idle, planning, copying, following, paused, failed };

inline constexpr std::array kTablePhaseNames = {std::string_view("idle"),    std::string_view("planning"),
                                                std::string_view("copying"), std::string_view("following"),
                                                std::string_view("paused"),  std::string_view("failed")};

constexpr std::string_view name(TablePhase phase) {
  return kTablePhaseNames[static_cast<std::size_t>(phase)];
}

// One table of an entity and how much of it has been brought over. `copied` ranges hold their rows; `settled`
// ones need no filter any more. ranges_settled <= ranges_copied <= ranges_total.
struct TableStatus {
  std::string entity;
  TableName legacy;
  TableName new_side;
  TablePhase phase = TablePhase::idle;
  std::string reason;  // of `paused` and `failed`: one sentence
  std::uint64_t rows_copied = 0;
  std::uint64_t rows_estimated = 0;
  std::uint64_t bytes_copied = 0;
  double rows_per_second = 0;
  double bytes_per_second = 0;
  std::uint64_t ranges_total = 0;
  std::uint64_t ranges_copied = 0;
  std::uint64_t ranges_settled = 0;
  std::optional<Duration> eta;  // none while there is nothing to base it on
};

// How much of the source's disk our slot may hold back: amber slows the backfill, red stops it, black means
// that the stream was given up so that the source keeps running.
enum class WalBudget { green, amber, red, black };

inline constexpr std::array kWalBudgetNames = {std::string_view("green"), std::string_view("amber"),
                                               std::string_view("red"), std::string_view("black")};

constexpr std::string_view name(WalBudget level) {
  return kWalBudgetNames[static_cast<std::size_t>(level)];
}

// What the throttle leaves of the backfill: `slow` is one worker that rests as long as it works.
enum class BackfillPace { full, slow, stopped };

inline constexpr std::array kBackfillPaceNames = {std::string_view("full"), std::string_view("slow"),
                                                  std::string_view("stopped")};

constexpr std::string_view name(BackfillPace pace) {
  return kBackfillPaceNames[static_cast<std::size_t>(pace)];
}

enum class StreamPhase { none, starting, running, reconnecting, stopped, failed };

inline constexpr std::array kStreamPhaseNames = {
    std::string_view("none"),         std::string_view("starting"), std::string_view("running"),
    std::string_view("reconnecting"), std::string_view("stopped"),  std::string_view("failed")};

constexpr std::string_view name(StreamPhase phase) {
  return kStreamPhaseNames[static_cast<std::size_t>(phase)];
}

struct StreamStatus {
  StreamPhase phase = StreamPhase::none;
  std::string reason;                      // of every phase but `none` and `running`: one sentence
  std::vector<std::string> waits;          // for whom our sessions wait, in either database: a sentence each
  Lsn applied;                             // everything before is committed on the target; 0/0: not known yet
  Lsn source;                              // where the source's log ended when it was last asked
  std::optional<std::uint64_t> lag_bytes;  // none: not known
  // Age of the oldest transaction that is committed on the source and not on the target; while nothing is
  // applied, how old it may be by now. None: not known.
  std::optional<Duration> lag;
  std::uint64_t retained_wal_bytes = 0;
  std::uint64_t retained_wal_bytes_max = 0;
  WalBudget budget = WalBudget::green;
  double transactions_per_second = 0;
  double changes_per_second = 0;
  std::uint64_t transactions_applied = 0;  // since this process began
  std::uint64_t changes_applied = 0;
  std::optional<std::uint64_t> quarantined_rows;  // none: the target has not been asked yet
  std::uint64_t rogue_writes = 0;
  BackfillPace pace = BackfillPace::full;
  std::string throttle_reason;  // why the backfill is slower than it may be; empty: it is not
};

using VerifyId = Strong<std::uint64_t, struct VerifyTag>;

enum class VerifyState { running, equal, differs, incomplete, failed };

inline constexpr std::array kVerifyStateNames = {std::string_view("running"), std::string_view("equal"),
                                                 std::string_view("differs"), std::string_view("incomplete"),
                                                 std::string_view("failed")};

constexpr std::string_view name(VerifyState state) {
  return kVerifyStateNames[static_cast<std::size_t>(state)];
}

inline constexpr std::size_t kDivergencesShown = 100;

// The course and the result of one verification. `equal` is said only with a coverage of 100 %.
struct VerifyReport {
  VerifyId id;
  std::string entity;  // empty: all that are mirrored
  VerifyState state = VerifyState::running;
  std::string reason;  // of `incomplete` and `failed`: one sentence; of `running`: what it waits for
  std::uint64_t rows_compared = 0;
  std::uint64_t rows_estimated = 0;
  double rows_per_second = 0;
  std::uint64_t ranges_done = 0;
  std::uint64_t ranges_total = 0;
  double coverage_percent = 0;        // compared / eligible: the tables of what is mirrored
  std::vector<std::string> left_out;  // entity/cohort that is not mirrored, so nothing is claimed of it
  Lsn position;                       // the proof holds for this point: the oldest of its ranges
  Lsn position_newest;
  WallTime taken_at{};  // when the last range was compared
  std::optional<Duration> eta;
  std::uint64_t divergence_count = 0;
  struct OfEntity {
    std::uint64_t rows_compared = 0;
    std::uint64_t divergence_count = 0;
  };
  std::map<std::string, OfEntity> entities;  // each that takes part
  std::vector<Finding> divergences;          // the first kDivergencesShown
  std::uint64_t requeued_keys = 0;        // changed while their range was compared, and compared again later
  std::uint64_t allowed_differences = 0;  // declared in may_differ
};

struct PlaneStatus {
  Rate rate;
  std::vector<TableStatus> tables;
  StreamStatus stream;                      // from legacy to the new side
  std::optional<StreamStatus> stream_back;  // none: nobody needs it
  std::vector<VerifyReport> verifications;  // the running and the latest finished ones, oldest first
};

}  // namespace oxbow
