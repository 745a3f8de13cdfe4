#include "services/pipeline/source_watch.hpp"

#include <fmt/core.h>

#include "base/log.hpp"
#include "runtime/sleep.hpp"

namespace oxbow {
namespace {

constexpr Duration kLookEvery = std::chrono::seconds(1);

}  // namespace

// A database that does not answer is the stream's to report.
Task<void> SourceWatch::run() {
  auto source = context_.ports.source_admin();
  while (true) {
    CO_TRY(co_await sleep_for(kLookEvery));
    auto health = co_await source->read_health();
    why_not_ready_ = !health                 ? "its database does not answer: " + to_string(health.error())
                     : !health->takes_writes ? "its database takes no writes"
                                             : "";
    log_end_ = health ? std::optional(health->log_end) : std::nullopt;
    // Without a slot nothing is kept: it is not made yet, or given up, and then what led to that stays shown.
    if (!health || health->slot_wal_status.empty()) continue;
    signs_ = {.retained_wal_bytes = health->retained_wal_bytes,
              .lag = context_.lag(),
              .active_sessions = health->active_sessions,
              .oldest_transaction = health->oldest_transaction};
    context_.control.observe(signs_);
    if (context_.control.throttle().budget == WalBudget::black) co_await give_up_stream(*source);
  }
}

// The stream ends before its slot goes, so that it does not take this for a broken connection. If the slot
// cannot be dropped now, the next look tries again.
Task<void> SourceWatch::give_up_stream(SourceAdmin& source) {
  auto what = fmt::format("{}, so the stream was given up and the log released",
                          describe_retained_wal(context_.spec.limits, signs_));
  bool is_legacy = context_.source == Side::legacy;
  auto then = is_legacy
                  ? "the new side stays as it is; roll every mirrored cohort back to `legacy` and advance "
                    "it again"
                  : "the cohorts that are at home on the new side have no way back any more: recovery "
                    "goes forward only";
  context_.end_stream({ErrorCode::lost_position, fmt::format("{}; {}", what, then)});
  auto dropped = co_await source.give_up_stream();
  if (!dropped) log_error("the replication slot is not dropped yet: {}", to_string(dropped.error()));
  co_return dropped;
}

void SourceWatch::forget() {
  signs_ = {};
  context_.control.observe(signs_);
}

}  // namespace oxbow
