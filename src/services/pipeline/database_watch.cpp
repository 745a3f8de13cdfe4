#include "services/pipeline/database_watch.hpp"

#include <fmt/core.h>

#include "base/log.hpp"
#include "runtime/cancellation.hpp"
#include "runtime/real_clock.hpp"
#include "runtime/sleep.hpp"
#include "runtime/task_group.hpp"
#include "services/pipeline/reach.hpp"

namespace oxbow {
namespace {

constexpr Duration kLookEvery = std::chrono::seconds(1);

std::string subject_of(const SessionWait& wait, Side side) {
  switch (wait.role) {
    case SessionRole::set_up:
      return fmt::format("setting up the stream on the {} side", name(side));
    case SessionRole::read_log:
      return "reading the log";
    case SessionRole::apply:
      return "applying changes";
    case SessionRole::copy:
      return fmt::format("a copy on the {} side", name(side));
    case SessionRole::other:
      break;
  }
  return fmt::format("a session of ours on the {} side", name(side));
}

std::string describe(const SessionWait& wait, Side side) {
  auto whom = wait.pid == 0 ? fmt::format("the prepared transaction {}", wait.who)
                            : fmt::format("pid {} ({})", wait.pid, wait.who);
  if (wait.age) {
    whom +=
        fmt::format(", {} for {}", wait.idle_in_transaction ? "idle in a transaction that is open" : "open",
                    human_duration(*wait.age));
  }
  return fmt::format("{} waits for {}", subject_of(wait, side), whom);
}

}  // namespace

Task<void> DatabaseWatch::run() {
  TaskGroup group(context_.executor);
  group.spawn(watch_source());
  group.spawn(watch_sessions(Side::legacy, legacy_waits_));
  group.spawn(watch_sessions(Side::new_side, new_waits_));
  co_return co_await group.wait();
}

// A database that does not answer is the stream's to report.
Task<void> DatabaseWatch::watch_source() {
  auto source = context_.ports.source_admin();
  while (true) {
    CO_TRY(co_await sleep_for(kLookEvery));
    auto health = co_await source->read_health();
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
Task<void> DatabaseWatch::give_up_stream(SourceAdmin& source) {
  auto what = fmt::format("{}, so the stream was given up and the log released",
                          describe_retained_wal(context_.spec.limits, signs_));
  auto then = "the new side stays as it is; roll every mirrored cohort back to `legacy` and advance it again";
  context_.end_stream({ErrorCode::lost_position, fmt::format("{}; {}", what, then)});
  auto dropped = co_await source.give_up_stream();
  if (!dropped) {
    log_error("the replication slot is not dropped yet: {}", to_string(dropped.error()));
    co_return dropped;
  }
  context_.report({.kind = FindingKind::stream_given_up,
                   .entity = {},
                   .table = {},
                   .key = {},
                   .sentence = what,
                   .detail = then,
                   .owner = context_.spec.owners.legacy});
  co_return Status{};
}

Task<void> DatabaseWatch::watch_sessions(Side side, std::vector<std::string>& waits) {
  auto watch = context_.ports.session_watch(side);
  Reach reach(side);
  while (true) {
    CO_TRY(co_await sleep_for(kLookEvery));
    waits.clear();
    auto found = co_await watch->read_waits();
    if (co_await is_cancelled()) co_return Err(ErrorCode::cancelled);
    if (!found && reach.is_hopeless(found.error()))
      co_return Err(found.error().code, "{} side: {}", name(side), found.error().detail);
    auto line = found ? reach.worked(monotonic_now()) : reach.failed(monotonic_now(), found.error());
    if (line && found) log_info("{}", *line);
    if (line && !found) log_warn("{}", *line);
    if (!found) continue;
    for (const auto& wait : *found) waits.push_back(describe(wait, side));
  }
}

void DatabaseWatch::forget() {
  signs_ = {};
  context_.control.observe(signs_);
}

std::vector<std::string> DatabaseWatch::waits() const {
  auto all = legacy_waits_;
  all.insert(all.end(), new_waits_.begin(), new_waits_.end());
  return all;
}

}  // namespace oxbow
