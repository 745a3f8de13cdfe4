#include "services/pipeline/log_follower.hpp"

#include <fmt/core.h>

#include <algorithm>

#include "model/course.hpp"
#include "runtime/failpoint.hpp"
#include "runtime/real_clock.hpp"

namespace oxbow {
namespace {

using std::chrono::seconds;

constexpr int kLane = 0;
constexpr std::size_t kChunksAheadMax = 4;        // of about 1 MiB
constexpr Duration kIdleStoreEvery = seconds(1);  // of positions with nothing of ours before them
constexpr std::size_t kUnprovenMax = 256;
constexpr std::uint64_t kBacklogBytes = 64 << 20;  // then its large transactions are most likely at their end

}  // namespace

LogFollower::LogFollower(SessionParts& parts)
    : parts_(parts),
      source_(parts.context.ports.source_admin()),
      marker_source_(parts.context.ports.source_admin()),
      writer_(parts.context.ports.target_writer(kLane)),
      chunks_(parts.context.executor, kChunksAheadMax),
      marker_prefix_(fmt::format("barrier-{}", wall_now().time_since_epoch().count())) {}

LogFollower::~LogFollower() = default;

Task<void> LogFollower::begin(StreamPosition position, Lsn log_end) {
  stored_ = parts_.status.applied = position.lsn;
  stored_at_ = monotonic_now();
  beat_ = position.beat;
  CO_TRY(co_await writer_->begin());
  CO_TRY(co_await writer_->commit(std::move(position)));
  bool is_behind = log_end.value() > stored_.value() + kBacklogBytes;
  bool may_hurry = is_behind && !parts_.context.careful;
  log_ = parts_.context.ports.log_stream(stored_,
                                         may_hurry ? LargeTransactions::in_parts : LargeTransactions::whole);
  co_return Status{};
}

// Only this task touches the log's reading side: asking whether it is idle may take a message in, and must
// not overtake one that read() is waiting for.
Task<void> LogFollower::read_ahead() {
  while (!co_await is_cancelled()) {
    LogChunk chunk;
    CO_TRY(co_await log_->read(chunk.events));
    chunk.log_was_idle = log_->idle();
    ++chunks_ahead_;
    CO_TRY(co_await chunks_.send(std::move(chunk)));
  }
  co_return Err(ErrorCode::cancelled);
}

Task<void> LogFollower::apply() {
  auto ended = co_await apply_chunks();
  if (writing_) {
    writing_->cancel();
    co_await writing_->wait();
  }
  co_return ended;
}

Task<void> LogFollower::apply_chunks() {
  while (!co_await is_cancelled()) {
    auto chunk = CO_TRY(co_await chunks_.receive());
    if (!chunk) break;
    --chunks_ahead_;
    CO_TRY(co_await feed(*chunk));
  }
  co_return Err(ErrorCode::cancelled);
}

Task<void> LogFollower::feed(LogChunk& chunk) {
  auto& applier = *parts_.applier;
  auto& events = chunk.events;
  auto now = monotonic_now();
  for (std::size_t i = 0; i < events.size(); ++i) {
    if (!holds_gate_) {
      CO_TRY(co_await parts_.gate.enter());
      holds_gate_ = true;
    }
    CO_TRY(tell_drift(applier.on_event(events[i], now)));
    if (applier.wants_write()) {
      CO_TRY(co_await write_beside());
      now = monotonic_now();
    }
    bool idle = i + 1 == events.size() && chunks_ahead_ == 0 && chunk.log_was_idle;
    if (applier.group_is_due(now, idle)) {
      CO_TRY(co_await commit_group());
      now = monotonic_now();
    }
  }
  if (holds_gate_ && !applier.group_is_open() && applier.between_transactions()) {
    holds_gate_ = false;
    parts_.gate.leave();
  }
  co_return Status{};
}

// The log may tell of a change before the next look at the schemas does.
Status LogFollower::tell_drift(Status taken) {
  if (!taken && taken.error().code == ErrorCode::schema_drift)
    parts_.context.report({.kind = FindingKind::drift,
                           .entity = {},
                           .table = {},
                           .key = taken.error().detail,
                           .sentence = taken.error().detail,
                           .detail = {},
                           .owner = parts_.context.spec.owners.coexistence});
  return taken;
}

// One batch is being written at a time.
Task<void> LogFollower::write_beside() {
  auto steps = parts_.applier->take_steps();
  CO_TRY(co_await end_writing());
  if (parts_.context.careful) co_return co_await write(std::move(steps), OnReject::quarantine);
  writing_.emplace(parts_.context.executor);
  writing_->spawn(write(std::move(steps), OnReject::give_up));
  co_return Status{};
}

Task<void> LogFollower::end_writing() {
  if (!writing_) co_return Status{};
  auto written = co_await writing_->wait();
  writing_.reset();
  co_return written;
}

Task<void> LogFollower::write(std::vector<WriteStep> steps, OnReject on_reject) {
  if (steps.empty()) co_return Status{};
  if (!group_begun_) {
    CO_TRY(co_await writer_->begin());
    group_begun_ = true;
  }
  StepWriter step_writer(parts_, *writer_, on_reject);
  co_return co_await step_writer.write(std::move(steps));
}

Task<void> LogFollower::commit_group() {
  auto& applier = *parts_.applier;
  CO_TRY(co_await end_writing());
  auto on_reject = applier.group_came_in_parts() ? OnReject::give_up : OnReject::quarantine;
  CO_TRY(co_await write(applier.take_steps(), on_reject));
  hear_beats();
  // A group that held nothing of ours is worth a commit only from time to time, so that the source may forget
  // it.
  bool touched_us = applier.counters().changes != changes_committed_;
  if (group_begun_ || touched_us || monotonic_now() - stored_at_ > kIdleStoreEvery)
    CO_TRY(co_await store_position());
  applier.group_committed();
  tell_strays();
  parts_.context.beats.arrive(source_of(parts_.context.plan.course), beat_);
  parts_.close_released();
  CO_TRY(co_await reach_markers());
  holds_gate_ = false;
  parts_.gate.leave();
  co_return Status{};
}

Task<void> LogFollower::store_position() {
  auto& applier = *parts_.applier;
  if (!group_begun_) CO_TRY(co_await writer_->begin());
  failpoint("before_group_commit");
  auto position = applier.position();
  if (position.unproven.size() > kUnprovenMax) {
    auto snapshot = CO_TRY(co_await source_->current_snapshot());
    applier.prove(snapshot);
    position = applier.position();
  }
  position.beat = beat_;
  auto lsn = position.lsn;
  CO_TRY(co_await writer_->commit(std::move(position)));
  failpoint("after_group_commit");
  group_begun_ = false;
  stored_ = lsn;
  stored_at_ = monotonic_now();
  changes_committed_ = applier.counters().changes;
  co_return Status{};
}

// A guard would have refused them, so they went around it. Their home never hears of them.
void LogFollower::tell_strays() {
  auto strays = parts_.applier->take_strays();
  if (strays.rows.empty()) return;
  const auto& context = parts_.context;
  auto from = source_of(context.plan.course);
  auto report = [&](const StrayWrites::Row& row, std::string key, const std::string& what) {
    const auto& table = context.plan.tables[row.table];
    const auto& cohort = context.spec.find_entity(table.entity)->cohorts[row.cohort.value()].name;
    context.report(
        {.kind = FindingKind::rogue_write,
         .entity = table.entity,
         .table = to_string(table.mapping.source),
         .key = std::move(key),
         .sentence =
             fmt::format("somebody wrote {} on the {} side, around its guard: {}/{} is at home on the "
                         "{} side, and nothing of this is carried there",
                         what, name(from), table.entity, cohort, name(other(from))),
         .detail = "in the transaction that ended at " + to_string(row.commit_lsn),
         .owner = from == Side::legacy ? context.spec.owners.legacy : context.spec.owners.new_side});
  };
  for (const auto& row : strays.rows) report(row, row.key, row.key);
  if (strays.more > 0) report(strays.rows.back(), "more", fmt::format("{} rows more", strays.more));
}

void LogFollower::hear_beats() {
  const auto& context = parts_.context;
  auto prefix = beat_prefix(stream_name(context.spec.migration, context.plan.course));
  for (const auto& content : parts_.applier->markers())
    if (content.starts_with(prefix))
      beat_ = std::max<std::uint64_t>(beat_, std::stoull(content.substr(prefix.size())));
}

Task<void> LogFollower::reach_markers() {
  for (const auto& content : parts_.applier->take_markers()) {
    auto found = markers_.extract(content);
    if (!found) continue;
    auto marker = found.mapped();
    failpoint("after_marker");
    marker->position = parts_.applier->position().lsn;
    marker->result = co_await marker->action();
    bool token = true;
    marker->done.try_send(token);
  }
  co_return Status{};
}

Task<std::shared_ptr<Marker>> LogFollower::mark(std::function<Task<void>()> at_barrier) {
  auto content = fmt::format("{}-{}", marker_prefix_, ++next_marker_);
  auto marker = std::make_shared<Marker>(
      Marker{std::move(at_barrier), {}, {}, Channel<bool>(parts_.context.executor, 1)});
  markers_[content] = marker;
  auto emitted = co_await marker_source_->emit_marker(content);
  if (emitted) co_return marker;
  markers_.erase(content);
  co_return std::unexpected(emitted.error());
}

Task<Lsn> LogFollower::reach(std::shared_ptr<Marker> marker) {
  auto done = co_await marker->done.receive();
  if (!done) co_return std::unexpected(done.error());
  if (!*done) co_return Err(ErrorCode::connection_lost, "the stream ended before it reached the marker");
  if (!marker->result) co_return std::unexpected(marker->result.error());
  co_return marker->position;
}

// An action that nobody waits for any more must not run: what it refers to may be gone.
Task<Lsn> LogFollower::at_marker(std::function<Task<void>()> at_barrier) {
  auto marker = CO_TRY(co_await mark(std::move(at_barrier)));
  auto reached = co_await reach(marker);
  std::erase_if(markers_, [&](const auto& each) { return each.second == marker; });
  co_return reached;
}

void LogFollower::confirm() {
  log_->confirm(stored_);
  parts_.status.applied = std::max(parts_.status.applied, stored_);
}

void LogFollower::end() {
  for (auto& [content, marker] : markers_) marker->done.close();
  markers_.clear();
  confirm();
}

}  // namespace oxbow
