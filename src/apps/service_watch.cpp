#include "apps/service_watch.hpp"

#include <optional>

#include "base/log.hpp"
#include "runtime/real_clock.hpp"
#include "runtime/sleep.hpp"

namespace oxbow {
namespace {

constexpr Duration kLookEvery = std::chrono::seconds(1);

Status keep(FindingStore& findings, const std::vector<Finding>& failing) {
  FindingSelection over{.kind = FindingKind::service_failing};
  for (const auto& each : failing) over.but.insert({each.table, each.key});
  TRY(findings.close(over, "no failure of it is known any more", wall_now()));
  if (!failing.empty()) TRY(findings.record_all(failing, wall_now()));
  return {};
}

}  // namespace

// The first look closes what an earlier run has left open.
Task<void> watch_services(FindingStore& findings, std::function<std::vector<Finding>()> failing) {
  std::optional<std::vector<Finding>> known;
  while (true) {
    if (auto now = failing(); known != now) {
      auto kept = keep(findings, now);
      if (kept)
        known = std::move(now);
      else
        log_warn("a finding about a service could not be kept: {}", to_string(kept.error()));
    }
    CO_TRY(co_await sleep_for(kLookEvery));
  }
}

}  // namespace oxbow
