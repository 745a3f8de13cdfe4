#include "services/control/envelope_watch.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "core/envelope/envelope.hpp"
#include "runtime/cancellation.hpp"
#include "runtime/sleep.hpp"

namespace oxbow {
namespace {

constexpr Duration kLookEvery = std::chrono::milliseconds(100);

}  // namespace

Task<void> EnvelopeWatch::run() {
  while (!co_await is_cancelled()) {
    note();
    CO_TRY(co_await sleep_for(kLookEvery));
  }
  co_return Err(ErrorCode::cancelled);
}

void EnvelopeWatch::note() {
  auto stream_back = parts_.plane.stream_back();
  if (!stream_back.waiting || !why_away(stream_back).empty()) return;
  std::vector<Wish> news;
  for (const auto& [scope, life] : parts_.lifecycle().cohorts) {
    bool is_at_home_there = authority(life.state) == Side::new_side && life.state != State::fully_cutover;
    if (!is_at_home_there) {
      emptied_at_.erase(scope);
      continue;
    }
    auto cohort = parts_.cohort_id(scope);
    auto row = std::ranges::find_if(*stream_back.waiting, [&](const RowAtStake& each) {
      return each.entity == scope.entity && each.cohort.value_or(cohort) == cohort;
    });
    bool waits = row != stream_back.waiting->end();
    if (waits) emptied_at_.erase(scope);
    if (waits && !life.narrowed) news.push_back(NarrowEnvelope{scope, row->table, row->key, row->reason});
    if (waits || !life.narrowed) continue;
    auto emptied = emptied_at_.try_emplace(scope, parts_.now()).first->second;
    if (is_proven_since(life, emptied)) news.push_back(WidenEnvelope{scope});
  }
  for (auto& wish : news) {
    auto noted = parts_.execute(std::move(wish));
    if (!noted) log_warn("what became of an envelope is not in the journal: {}", to_string(noted.error()));
  }
}

}  // namespace oxbow
