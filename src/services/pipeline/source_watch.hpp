// Looks at the source of a stream once a second, whether the stream runs or not: a stream that is halted, or
// that cannot start, makes the source keep log, too. Sets the backfill's throttle, and gives the stream up
// when the budget for the log is used up. Lives on the pipeline's executor.
#pragma once

#include <functional>
#include <optional>

#include "core/throttle/throttle.hpp"
#include "model/finding.hpp"
#include "model/side.hpp"
#include "model/spec.hpp"
#include "services/pipeline/backfill_control.hpp"
#include "services/pipeline/ports.hpp"

namespace oxbow {

class SourceWatch {
 public:
  // What the stream lends to the watch, and what the watch asks of it.
  struct Context {
    const Spec& spec;
    Side source;
    const StreamPorts& ports;
    BackfillControl& control;
    std::function<Duration()> lag;
    std::function<void(Error)> end_stream;  // for good
    std::function<void(Finding)> report;
  };

  explicit SourceWatch(Context context) : context_(std::move(context)) {}

  Task<void> run();

  std::uint64_t retained_wal_bytes() const { return signs_.retained_wal_bytes; }

  // Where the source's log ended a second ago; none if it did not answer.
  std::optional<Lsn> log_end() const { return log_end_; }

  // Why it could not take the authority now; empty: it could, or was not asked yet.
  const std::string& why_not_ready() const { return why_not_ready_; }

  // The slot is gone in an orderly way.
  void forget();

 private:
  Task<void> give_up_stream(SourceAdmin& source);

  Context context_;
  LoadSigns signs_;
  std::optional<Lsn> log_end_;
  std::string why_not_ready_;
};

}  // namespace oxbow
