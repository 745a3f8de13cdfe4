#include "services/pipeline/session_waits.hpp"

#include <fmt/core.h>

#include "base/log.hpp"
#include "runtime/cancellation.hpp"
#include "runtime/real_clock.hpp"
#include "runtime/sleep.hpp"
#include "runtime/task_group.hpp"
#include "services/pipeline/reach.hpp"

namespace oxbow {
namespace {

constexpr Duration kLookEvery = std::chrono::milliseconds(500);  // a wait of ours may last but a second

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

Task<void> SessionWaits::run() {
  TaskGroup group(executor_);
  group.spawn(watch(Side::legacy, legacy_waits_));
  group.spawn(watch(Side::new_side, new_waits_));
  co_return co_await group.wait();
}

Task<void> SessionWaits::watch(Side side, std::vector<std::string>& waits) {
  auto watch = ports_.session_watch(side);
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

std::vector<std::string> SessionWaits::sentences() const {
  auto all = legacy_waits_;
  all.insert(all.end(), new_waits_.begin(), new_waits_.end());
  return all;
}

}  // namespace oxbow
