// The data plane against two simulated stores, on one thread, from one seed: writers, a log that is delivered
// in pieces and again after a crash, copiers, delays in visibility, kills at any point. The applier and the
// range copies are the production objects; only what surrounds them is simulated.
#pragma once

#include <cstdint>
#include <string>

#include "sim/marks.hpp"

namespace oxbow::sim {

// A protection taken away. A simulation that does not notice proves nothing.
enum class Bug {
  none,
  plain_watermark,
  forgotten_skipped,
  range_apart,
  position_apart,
  closed_ahead,   // a copy among rows that exclude each other is placed before the stream has passed its
                  // snapshot
  settled_early,  // a range is settled between its close and the commit of its rows
  released_ahead  // a key leaves quarantine when it is to be read again, and not when its row is there
};

struct Options {
  std::uint64_t seed = 1;
  Bug bug = Bug::none;
  int steps = 600;
};

struct Outcome {
  std::string failure;  // empty: every invariant held
  Marks marks;
};

// What a campaign must have reached.
inline constexpr const char* kMarks[] = {
    "change skipped while its range was pending",
    "change held while its range was opening",
    "snapshot refused: it does not see a skipped transaction",
    "snapshot judged after a newer one",
    "range closed with held changes",
    "copy waited until the stream had passed its snapshot",
    "unique value changed hands during the backfill",
    "crash between close and commit of a range",
    "copied range met a change that its snapshot sees",
    "commit in the log, invisible in the snapshot",
    "unsent value read again after a change of key",
    "truncate during the backfill",
    "range abandoned and copied again",
    "crash with a range opening",
    "crash with a group open",
    "crash between write and commit",
    "transaction delivered again after a crash",
    "transaction written in several batches",
    "transaction in parts around another",
    "row refused by the stream",
    "row refused by a copy",
    "quarantined key read again",
    "retried row refused once more",
    "retried row brought with changes that were held",
    "quarantined key released by a delete",
    "clock jumped",
};

Outcome simulate(const Options& options);

}  // namespace oxbow::sim
