// The log of a database as a stream of events, in commit order; see model/change.hpp.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "model/change.hpp"
#include "model/position.hpp"
#include "runtime/task.hpp"

namespace oxbow {

// How a large transaction comes: when the server has decoded all of it, or in parts meanwhile. In parts only
// what is known to be committed is given out: a large transaction that is still open ends the stream with
// `needs_care`.
enum class LargeTransactions { whole, in_parts };

class LogStream {
 public:
  virtual ~LogStream() = default;

  // Waits for at least one event and appends what has arrived to `out`, at most about 1 MiB of it. Answers
  // keepalives by itself. `schema_drift` or `lost_position` if the log cannot be followed any further.
  virtual Task<void> read(std::vector<LogEvent>& out) = 0;

  // True if read() would have to wait for the server, or waits already in another task.
  virtual bool idle() const = 0;

  // Everything before `position` is durable on the other side, so the server may forget it. Sent with the
  // next status message, at most a second later, and at the latest when the stream is destroyed.
  virtual void confirm(Lsn position) = 0;
};

}  // namespace oxbow
