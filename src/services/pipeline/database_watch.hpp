// Looks at both databases once a second, whether the stream runs or not: a stream that is halted, or that
// cannot start, makes the source keep log, too. Sets the backfill's throttle, and gives the stream up when
// the budget for the log is used up. Lives on the pipeline's executor.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <string>
#include <vector>

#include "core/throttle/throttle.hpp"
#include "model/finding.hpp"
#include "model/side.hpp"
#include "model/spec.hpp"
#include "services/pipeline/backfill_control.hpp"
#include "services/pipeline/ports.hpp"

namespace oxbow {

// What the pipeline lends to the watch, and what the watch asks of it.
struct WatchContext {
  boost::asio::any_io_executor executor;
  const Spec& spec;
  const PipelinePorts& ports;
  BackfillControl& control;
  std::function<Duration()> lag;
  std::function<void(Error)> end_stream;  // for good
  std::function<void(Finding)> report;
};

class DatabaseWatch {
 public:
  explicit DatabaseWatch(WatchContext context) : context_(std::move(context)) {}

  // Ends with the error of a database that never let us in and never will.
  Task<void> run();

  std::uint64_t retained_wal_bytes() const { return signs_.retained_wal_bytes; }

  // Where the source's log ended a second ago; none if it did not answer.
  std::optional<Lsn> log_end() const { return log_end_; }

  // The slot is gone in an orderly way.
  void forget();

  // For whom our sessions wait, a sentence each.
  std::vector<std::string> waits() const;

 private:
  Task<void> watch_source();
  Task<void> watch_sessions(Side side, std::vector<std::string>& waits);
  Task<void> give_up_stream(SourceAdmin& source);

  WatchContext context_;
  LoadSigns signs_;
  std::optional<Lsn> log_end_;
  std::vector<std::string> legacy_waits_;
  std::vector<std::string> new_waits_;
};

}  // namespace oxbow
