// What is true of a stream while nothing is applied: nothing moves, and the lag grows, although nobody reads
// the log. Values.
#pragma once

#include <optional>

#include "model/plane_status.hpp"

namespace oxbow {

struct LastLag {
  Duration lag;
  Instant measured_at;
};

// Replaces what was measured while the stream ran. `log_end`: where the source's log ends now, if it answers.
inline void show_at_rest(StreamStatus& stream, const std::optional<LastLag>& last, std::optional<Lsn> log_end,
                         Instant now) {
  stream.transactions_per_second = 0;
  stream.changes_per_second = 0;
  stream.lag = last ? std::optional(last->lag + (now - last->measured_at)) : std::nullopt;
  stream.lag_bytes.reset();
  if (!log_end) return;
  stream.source = *log_end;
  if (stream.applied == Lsn{}) return;
  stream.lag_bytes = *log_end > stream.applied ? log_end->value() - stream.applied.value() : 0;
}

}  // namespace oxbow
