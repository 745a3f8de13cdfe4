#include "services/pipeline/stream_back_watch.hpp"

#include "base/log.hpp"
#include "runtime/real_clock.hpp"
#include "runtime/sleep.hpp"
#include "services/pipeline/rows_at_stake.hpp"

namespace oxbow {
namespace {

constexpr Duration kLookEvery = std::chrono::milliseconds(200);
constexpr Duration kMeasureGrowthEvery = std::chrono::seconds(1);

}  // namespace

StreamBackWatch::StreamBackWatch(const Stream& there, Stream& back)
    : there_(there), back_(back), moved_at_(monotonic_now()) {}

Task<void> StreamBackWatch::run() {
  while (true) {
    CO_TRY(co_await sleep_for(kLookEvery));
    see_whether_it_moves();
    auto read = co_await read_what_waits();
    if (!read && read.error().code == ErrorCode::cancelled) co_return read;
    if (!read) read_at_ = {};  // legacy is away, which is the stream's to say
  }
}

void StreamBackWatch::see_whether_it_moves() {
  auto now = monotonic_now();
  auto status = back_.status();
  std::pair stands_at(status.applied, status.changes_applied);
  bool moves = back_.following() != nullptr && stands_at != stood_at_;
  stood_at_ = stands_at;
  if (moves || !back_.is_wanted()) moved_at_ = now;
  if (now - measured_growth_at_ < kMeasureGrowthEvery) return;
  measured_growth_at_ = now;
  growth_.observe(now, status.retained_wal_bytes);
}

StreamBackWatch::Mark StreamBackWatch::mark_of(StreamSession& session) const {
  Mark mark{&session, session.applier().counters().quarantined, 0};
  for (const auto& table : session.plan().tables)
    mark.waiting += session.applier().quarantined(table.id).size();
  return mark;
}

// A row counts when its quarantine is committed; what the session knows is a moment ahead of that.
Task<void> StreamBackWatch::read_what_waits() {
  auto* session = back_.following();
  if (session == nullptr || mark_of(*session) == read_at_) co_return Status{};
  co_return co_await back_.visit([this](StreamSession& visited) -> Task<void> {
    auto mark = mark_of(visited);
    RowsAtStake rows;
    if (mark.waiting > 0) {
      auto target = back_.parts().ports.target_admin();
      auto stored = CO_TRY(co_await target->load_stream());
      rows = rows_at_stake(visited.plan(), stored.quarantine);
    }
    bool is_committed = rows.size() == mark.waiting;
    waiting_ = std::make_shared<const RowsAtStake>(std::move(rows));
    if (is_committed) read_at_ = mark;
    co_return Status{};
  });
}

StreamBackFacts StreamBackWatch::facts() const {
  auto status = back_.status();
  StreamBackFacts facts;
  facts.is_stopped = !back_.halted().empty() || back_.failure().has_value();
  facts.is_lost = back_.failure() && back_.failure()->code == ErrorCode::lost_position;
  facts.why_not = status.reason;
  facts.silent_for = monotonic_now() - moved_at_;
  facts.lag = status.lag;
  facts.waiting = waiting_;
  facts.retained_wal_bytes = status.retained_wal_bytes;
  facts.retained_wal_bytes_max = status.retained_wal_bytes_max;
  facts.retained_bytes_per_second = growth_.bytes_per_second();
  facts.legacy_not_ready = there_.why_source_is_not_ready();
  return facts;
}

}  // namespace oxbow
