#include "services/pipeline/stream_session.hpp"

#include <algorithm>

#include "core/value/pg_values.hpp"
#include "flow/backfill/copied_rows.hpp"
#include "model/tuple.hpp"
#include "runtime/deadline.hpp"
#include "runtime/failpoint.hpp"
#include "runtime/real_clock.hpp"
#include "runtime/sleep.hpp"
#include "runtime/task_group.hpp"

namespace oxbow {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::uint64_t kRowsPerRange = 100'000;
constexpr int kLanes = 1 + kCopyLanesMax;
constexpr int kClashesMax = 5;
constexpr Duration kCopyYieldsAfter = seconds(1);
constexpr std::size_t kChunksAheadMax = 16;  // of about 1 MiB

}  // namespace

StreamSession::StreamSession(SessionContext context)
    : context_(std::move(context)),
      read_ahead_(context_.executor, kChunksAheadMax),
      gate_(context_.executor) {
  status_.phase = StreamPhase::starting;
  for (const auto& table : context_.plan.tables) {
    tables_[table.id] = {
        .entity = table.entity, .legacy = table.mapping.legacy, .new_side = table.mapping.new_side};
  }
  began_ = wall_now();
}

StreamSession::~StreamSession() = default;

Task<void> StreamSession::run() {
  CO_TRY(co_await set_up());
  TaskGroup group(context_.executor);
  group.spawn(read_log());
  group.spawn(follow_log());
  group.spawn(keep_house());
  group.spawn(yield_to_the_log());
  group.spawn(watch_health());
  group.spawn(watch_rogue_writes());
  group.spawn(watch_schemas());
  for (int lane = 1; lane <= kCopyLanesMax; ++lane) group.spawn(copy_ranges(lane));
  auto ended = co_await group.wait();
  following_ = false;
  // Whoever waits for a marker waits in vain now.
  for (auto& [content, barrier] : barriers_) barrier->done.close();
  barriers_.clear();
  co_return ended;
}

// The order matters: identities before the publication, so that no UPDATE of the application fails; the slot
// before the first snapshot, so that nothing falls between them.
Task<void> StreamSession::set_up() {
  auto& source = context_.source;
  auto& target = context_.target;
  CO_TRY(co_await target.install(context_.plan.new_tables(), kLanes));
  for (const auto& change : context_.plan.identity_changes) CO_TRY(co_await source.change_identity(change));
  auto slot_begins = CO_TRY(co_await source.ensure_stream(context_.plan.legacy_tables()));
  auto stored = CO_TRY(co_await target.load_stream());
  auto snapshot = CO_TRY(co_await source.current_snapshot());

  // A transaction may have its commit in the log before the slot's beginning and still be invisible. The
  // stream will never bring it, so the first copies have to wait until they see it.
  auto position = stored.position.value_or(StreamPosition{slot_begins, snapshot.running});
  // We confirm to the slot only what the target has stored, so a slot that begins later is not the one we
  // left.
  if (stored.position && position.lsn < slot_begins) {
    co_return Err(
        ErrorCode::lost_position,
        "the target stands at {}, but the legacy server's log for us begins at {}: its slot was made anew; "
        "go back to `legacy` and mirror again",
        to_string(position.lsn), to_string(slot_begins));
  }

  std::vector<MirroredTable> tables;
  for (const auto& table : context_.plan.tables) {
    tables.push_back({&table.mapping, table.cohorts, context_.spec.limits.on_ddl == OnDdl::carry_on});
  }
  applier_ = std::make_unique<Applier>(std::move(tables), ApplyLimits{}, context_.protections);
  applier_->restore(position, stored.quarantine);
  applier_->prove(snapshot);
  status_.quarantined_rows = stored.quarantine.size();

  std::map<std::pair<std::uint32_t, std::uint32_t>, std::vector<RangeRecord>> jobs;
  for (const auto& record : stored.ranges) {
    applier_->reserve_range_ids(record.id);
    if (record.range.is_point()) {
      if (record.phase != RangePhase::settled)
        applier_->fences(record.table).add_point(record, record.range.lower.tuple, position.unproven);
      continue;
    }
    jobs[{record.table, record.job}].push_back(record);
    next_job_ = std::max(next_job_, record.job + 1);
  }
  for (auto& [key, records] : jobs) {
    auto members = records.front().cohorts;
    applier_->fences(key.first).add_job(key.second, members, std::move(records), position.unproven);
  }

  stream_source_ = context_.ports.source_admin();
  marker_source_ = context_.ports.source_admin();
  writer_ = context_.ports.target_writer(0);
  CO_TRY(co_await writer_->begin());
  CO_TRY(co_await writer_->commit(position));
  stored_ = position.lsn;
  stored_at_ = monotonic_now();
  log_ = context_.ports.log_stream(position.lsn);
  following_ = true;
  status_.phase = StreamPhase::running;
  co_return co_await add_missing_jobs();
}

Task<void> StreamSession::add_missing_jobs() {
  for (const auto& table : context_.plan.tables) {
    auto wanted = context_.mirrored.find(table.entity);
    if (wanted == context_.mirrored.end()) continue;
    std::vector<CohortId> missing;
    for (auto cohort : wanted->second) {
      if (!applier_->fences(table.id).covers(cohort)) missing.push_back(cohort);
    }
    if (!missing.empty()) CO_TRY(co_await add_job(table, std::move(missing)));
  }
  co_return Status{};
}

Task<void> StreamSession::add_job(const PlannedTable& table, std::vector<CohortId> members) {
  auto& status = tables_[table.id];
  status.phase = TablePhase::planning;
  std::vector<KeyBound> bounds;
  if (table.mapping.ranges_hold_on_target && KeyOrder::of(table.mapping.source_key)) {
    bounds = CO_TRY(
        co_await context_.source.plan_ranges(table.mapping.legacy, table.mapping.source_key, kRowsPerRange));
  }
  std::vector<RangeRecord> records;
  for (std::size_t i = 0; i <= bounds.size(); ++i) {
    KeyRange range{i == 0 ? KeyBound{} : bounds[i - 1], i == bounds.size() ? KeyBound{} : bounds[i]};
    records.push_back({.id = applier_->next_range_id(),
                       .table = table.id,
                       .job = next_job_,
                       .cohorts = members,
                       .range = std::move(range)});
  }
  CO_TRY(co_await context_.target.save_ranges(records));
  // Changes of these cohorts were passed over until now, so a copy has to see all that the stream has passed.
  CO_TRY(co_await gate_.enter());
  applier_->fences(table.id).add_job(next_job_, std::move(members), std::move(records), applier_->unproven());
  gate_.leave();
  ++next_job_;
  status.phase = TablePhase::copying;
  co_return Status{};
}

// --- the log
// ---------------------------------------------------------------------------------------------------------

// Reads ahead, so that the source goes on decoding while the target writes. Only this task touches the log's
// reading side: asking whether it is idle may take a message in, and must not overtake one that read() is
// waiting for.
Task<void> StreamSession::read_log() {
  while (!co_await is_cancelled()) {
    LogChunk chunk;
    CO_TRY(co_await log_->read(chunk.events));
    chunk.log_was_idle = log_->idle();
    ++chunks_ahead_;
    CO_TRY(co_await read_ahead_.send(std::move(chunk)));
  }
  co_return Err(ErrorCode::cancelled);
}

Task<void> StreamSession::follow_log() {
  while (!co_await is_cancelled()) {
    auto chunk = CO_TRY(co_await read_ahead_.receive());
    if (!chunk) break;
    --chunks_ahead_;
    CO_TRY(co_await feed(*chunk));
  }
  co_return Err(ErrorCode::cancelled);
}

// The gate is held from the first event of a group to its commit: at any other moment the target stands
// exactly at the stream's position, which is what closing a range and comparing both sides need.
Task<void> StreamSession::feed(LogChunk& chunk) {
  auto& events = chunk.events;
  for (std::size_t i = 0; i < events.size(); ++i) {
    if (!gate_held_) {
      CO_TRY(co_await gate_.enter());
      gate_held_ = true;
      gate_held_since_ = monotonic_now();
    }
    CO_TRY(applier_->on_event(events[i], monotonic_now()));
    if (applier_->wants_write()) CO_TRY(co_await write_batch());
    bool idle = i + 1 == events.size() && chunks_ahead_ == 0 && chunk.log_was_idle;
    if (applier_->group_is_due(monotonic_now(), idle)) CO_TRY(co_await commit_group());
  }
  if (gate_held_ && !applier_->group_is_open() && applier_->between_transactions()) {
    gate_held_ = false;
    gate_.leave();
  }
  co_return Status{};
}

Task<void> StreamSession::write_batch() {
  auto steps = applier_->take_steps();
  if (steps.empty()) co_return Status{};
  if (!group_begun_) {
    CO_TRY(co_await writer_->begin());
    group_begun_ = true;
  }
  co_return co_await step_writer(*writer_).write(std::move(steps));
}

Task<void> StreamSession::commit_group() {
  CO_TRY(co_await write_batch());
  // A group that held nothing of ours is worth a commit only from time to time, so that the source may forget
  // it.
  bool touched_us = applier_->counters().changes != changes_committed_;
  if (touched_us || monotonic_now() - stored_at_ > seconds(1)) {
    if (!group_begun_) CO_TRY(co_await writer_->begin());
    failpoint("before_group_commit");
    auto position = applier_->position();
    if (position.unproven.size() > 256) {
      auto snapshot = CO_TRY(co_await stream_source_->current_snapshot());
      applier_->prove(snapshot);
      position = applier_->position();
    }
    auto lsn = position.lsn;
    CO_TRY(co_await writer_->commit(std::move(position)));
    failpoint("after_group_commit");
    stored_ = lsn;
    stored_at_ = monotonic_now();
    changes_committed_ = applier_->counters().changes;
  }
  group_begun_ = false;
  applier_->group_committed();
  CO_TRY(co_await reach_markers());
  gate_held_ = false;
  gate_.leave();
  co_return Status{};
}

Task<void> StreamSession::reach_markers() {
  for (const auto& content : applier_->take_markers()) {
    auto at = barriers_.find(content);
    if (at == barriers_.end()) continue;
    Barrier& barrier = *at->second;
    barriers_.erase(at);
    failpoint("after_marker");
    barrier.position = applier_->position().lsn;
    barrier.result = co_await barrier.action();
    bool token = true;
    barrier.done.try_send(token);
  }
  co_return Status{};
}

Task<Lsn> StreamSession::at_marker(std::function<Task<void>()> at_barrier) {
  if (!following_) co_return Err(ErrorCode::connection_lost, "the stream is not running");
  auto content = fmt::format("barrier-{}-{}", began_.time_since_epoch().count(), ++next_marker_);
  Barrier barrier{std::move(at_barrier), {}, {}, Channel<bool>(context_.executor, 1)};
  barriers_[content] = &barrier;
  auto emitted = co_await marker_source_->emit_marker(content);
  if (!emitted) {
    barriers_.erase(content);
    co_return std::unexpected(emitted.error());
  }
  auto done = co_await barrier.done.receive();
  barriers_.erase(content);
  if (!done) co_return std::unexpected(done.error());
  if (!*done) co_return Err(ErrorCode::connection_lost, "the stream ended before it reached the marker");
  if (!barrier.result) co_return std::unexpected(barrier.result.error());
  co_return barrier.position;
}

// --- housekeeping
// ----------------------------------------------------------------------------------------------------

// Settles ranges, lets the source forget, and keeps the log moving while something waits for it.
Task<void> StreamSession::keep_house() {
  auto source = context_.ports.source_admin();
  auto target = context_.ports.target_admin();
  Instant last_heartbeat{};
  while (true) {
    CO_TRY(co_await sleep_for(milliseconds(100)));
    auto passed = applier_->confirmable();
    if (passed) {
      // A copier holds the gate from closing its range to the commit; nothing is settled that may still be
      // undone.
      CO_TRY(co_await gate_.enter());
      std::vector<RangeRecord> settled;
      for (const auto& table : context_.plan.tables) {
        std::ranges::move(applier_->fences(table.id).settle(*passed), std::back_inserter(settled));
      }
      gate_.leave();
      if (!settled.empty()) CO_TRY(co_await target->save_ranges(std::move(settled)));
      status_.applied = *passed;
    }
    failpoint("before_confirm");
    log_->confirm(stored_);
    if (monotonic_now() - last_heartbeat >= seconds(1)) {
      last_heartbeat = monotonic_now();
      CO_TRY(co_await source->emit_marker("heartbeat"));
    }
  }
}

Task<void> StreamSession::watch_health() {
  auto source = context_.ports.source_admin();
  ApplyCounters before;
  Instant then = monotonic_now();
  while (true) {
    auto health = CO_TRY(co_await source->read_health());
    auto snapshot = CO_TRY(co_await source->current_snapshot());
    applier_->prove(snapshot);
    status_.source = health.log_end;
    status_.lag_bytes =
        health.log_end > status_.applied ? health.log_end.value() - status_.applied.value() : 0;
    bool behind = applier_->group_is_open() || status_.lag_bytes > (1u << 20);
    auto committed = applier_->last_commit_time();
    status_.lag = behind && committed ? std::max(Duration{}, Duration(wall_now() - *committed)) : Duration{};
    status_.retained_wal_bytes = health.retained_wal_bytes;
    status_.retained_wal_bytes_max = context_.spec.limits.retained_wal_bytes_max;
    context_.control.observe(health, status_.lag);
    status_.budget = context_.control.budget();
    status_.throttle_reason = context_.control.throttle_reason();
    if (health.slot_wal_status == "lost") {
      co_return Err(ErrorCode::lost_position,
                    "the legacy server has given up the log that we had not read yet; go back "
                    "to `legacy` and mirror again");
    }
    auto now = monotonic_now();
    const auto& counters = applier_->counters();
    auto elapsed = std::chrono::duration<double>(now - then).count();
    if (elapsed > 0.5) {
      status_.transactions_per_second =
          static_cast<double>(counters.transactions - before.transactions) / elapsed;
      status_.changes_per_second = static_cast<double>(counters.changes - before.changes) / elapsed;
      before = counters;
      then = now;
    }
    CO_TRY(co_await sleep_for(seconds(1)));
  }
}

Task<void> StreamSession::watch_rogue_writes() {
  auto target = context_.ports.target_admin();
  while (true) {
    auto writes = CO_TRY(co_await target->rogue_writes_after(last_rogue_));
    for (const auto& write : writes) {
      last_rogue_ = std::max(last_rogue_, write.id);
      ++status_.rogue_writes;
      context_.report(
          {.kind = FindingKind::rogue_write,
           .entity = {},
           .table = to_string(write.table),
           .key = fmt::format("write {}", write.id),
           .sentence = fmt::format("{} wrote on the projection: {} by {} ({}) at {}; only oxbow writes there",
                                   write.user, write.operation, write.application, write.address,
                                   to_string(write.at)),
           .detail = fmt::format("before: {}\nafter: {}", write.before_json, write.after_json),
           .owner = context_.spec.owners.new_side});
    }
    CO_TRY(co_await sleep_for(seconds(1)));
  }
}

// DDL that no row has met yet, and tables that nobody mentioned.
Task<void> StreamSession::watch_schemas() {
  auto source = context_.ports.source_admin();
  auto target = context_.ports.target_admin();
  auto legacy = CO_TRY(co_await source->read_catalog());
  auto new_side = CO_TRY(co_await target->read_catalog());
  while (true) {
    CO_TRY(co_await sleep_for(seconds(4)));
    auto legacy_now = CO_TRY(co_await source->read_catalog());
    auto new_now = CO_TRY(co_await target->read_catalog());
    auto changes = schema_changes(context_.plan, Side::legacy, legacy, legacy_now);
    std::ranges::move(schema_changes(context_.plan, Side::new_side, new_side, new_now),
                      std::back_inserter(changes));
    for (const auto& change : changes) {
      context_.report({.kind = FindingKind::drift,
                       .entity = {},
                       .table = {},
                       .key = change,
                       .sentence = "a schema changed: " + change,
                       .detail = {},
                       .owner = context_.spec.owners.coexistence});
    }
    for (const auto& table : uncovered_tables(context_.spec, legacy_now)) {
      context_.report(
          {.kind = FindingKind::not_covered,
           .entity = {},
           .table = to_string(table),
           .key = {},
           .sentence = fmt::format("no entity names {}; map it or list it under `exclude`", to_string(table)),
           .detail = {},
           .owner = context_.spec.owners.legacy});
    }
    if (!changes.empty() && context_.spec.limits.on_ddl == OnDdl::pause) {
      co_return Err(ErrorCode::schema_drift,
                    "{}; bring spec and schemas together, then start `oxbow up` again", changes.front());
    }
    legacy = std::move(legacy_now);
    new_side = std::move(new_now);
  }
}

// --- the backfill
// ----------------------------------------------------------------------------------------------------

Task<void> StreamSession::copy_ranges(int lane) {
  std::unique_ptr<SnapshotReader> reader;
  std::unique_ptr<TargetWriter> writer;
  while (!co_await is_cancelled()) {
    bool may_copy = lane <= context_.control.rate().workers && context_.control.throttle_reason().empty();
    auto next = may_copy ? next_range() : std::nullopt;
    if (!next) {
      CO_TRY(co_await sleep_for(milliseconds(50)));
      continue;
    }
    if (!reader) reader = context_.ports.snapshot_reader(Side::legacy);
    if (!writer) writer = context_.ports.target_writer(lane);
    auto [table, id] = *next;
    RangeCopy copy(*applier_, table, id);
    copy.start();
    ++copies_in_progress_[table];
    auto copied = co_await copy_range(copy, table, id, *reader, *writer);
    --copies_in_progress_[table];
    if (!copied) co_return copied;
  }
  co_return Err(ErrorCode::cancelled);
}

// Points first: somebody may be waiting for that row. Then tables in the order of the spec.
std::optional<std::pair<std::uint32_t, RangeId>> StreamSession::next_range() {
  std::optional<std::pair<std::uint32_t, RangeId>> found;
  bool found_point = false;
  for (const auto& table : context_.plan.tables) {
    if (context_.control.is_paused(table.entity) || truncating_ == table.id) continue;
    applier_->fences(table.id).for_each_range([&](FenceBook::Range& range) {
      if (range.fence.phase() != Fence::Phase::pending || found_point) return;
      if (found && !range.record.range.is_point()) return;
      found = {table.id, range.record.id};
      found_point = range.record.range.is_point();
    });
  }
  return found;
}

Task<void> StreamSession::copy_range(RangeCopy& copy, std::uint32_t table, RangeId id, SnapshotReader& reader,
                                     TargetWriter& writer) {
  auto give_up = [&] {
    copy.failed();
    return Status{};
  };
  bool admitted = CO_TRY(co_await take_snapshot(copy, table, reader));
  if (!admitted) co_return give_up();
  failpoint("after_range_snapshot");
  auto* range = applier_->fences(table).find(id);
  if (range == nullptr) co_return give_up();
  auto record = range->record;

  bool carefully = false;
  int clashes = 0;
  while (true) {
    CO_TRY(co_await writer.begin());
    auto rows = co_await copy_rows(copy, table, record, reader, writer, carefully);
    if (!rows) {
      // The connection may be in the middle of a COPY; what can be undone is, the rest goes with the session.
      CO_TRY(co_await writer.rollback());
      if (rows.error().code == ErrorCode::row_rejected && !carefully) {
        // Ranges copied under different snapshots may clash over a unique value that went from one to the
        // other. That passes once the stream has passed this snapshot; only what goes on clashing is looked
        // at row by row.
        carefully = !rows.error().detail.contains("23505") || ++clashes > kClashesMax;
        if (!carefully) CO_TRY(co_await sleep_for(milliseconds(300)));
        CO_TRY(co_await reader.cancel());
        CO_TRY(co_await reader.end());
        bool again = CO_TRY(co_await take_snapshot(copy, table, reader));
        if (!again) co_return give_up();
        continue;
      }
      if (rows.error().code == ErrorCode::incomplete && !carefully) {
        CO_TRY(co_await reader.cancel());
        CO_TRY(co_await reader.end());
        co_return give_up();
      }
      co_return std::unexpected(rows.error());
    }
    CO_TRY(co_await reader.end());
    Waiting waiting{&writer};
    at_gate_[table].push_back(&waiting);
    auto entered = co_await gate_.enter();
    std::erase(at_gate_[table], &waiting);
    if (!entered) co_return entered;
    closing_ = true;
    gate_held_since_ = monotonic_now();
    bool in_vain = waiting.rolled_back || copy.rows_copied(*rows) == RangeCopy::Next::roll_back ||
                   copy.close() == RangeCopy::Next::roll_back;
    if (in_vain) {
      closing_ = false;
      gate_.leave();
      if (!waiting.rolled_back) CO_TRY(co_await writer.rollback());
      // A careful copy has put keys into quarantine that are not there now; the next session asks the target.
      if (carefully)
        co_return Err(ErrorCode::incomplete, "a range with rejected rows has to be copied again");
      co_return give_up();
    }
    co_return co_await commit_copy(copy, writer);
  }
}

// False: no snapshot saw what was skipped before, within a second; another range may have more luck
// meanwhile.
Task<bool> StreamSession::take_snapshot(RangeCopy& copy, std::uint32_t table, SnapshotReader& reader) {
  for (int attempt = 0; attempt < 100; ++attempt) {
    auto snapshot = CO_TRY(co_await reader.begin({context_.plan.tables[table].mapping.legacy}));
    auto position = CO_TRY(co_await reader.log_position());
    auto next = copy.snapshot_taken(snapshot, position);
    if (next == RangeCopy::Next::copy_rows) co_return true;
    CO_TRY(co_await reader.end());
    if (next == RangeCopy::Next::roll_back) co_return false;
    CO_TRY(co_await sleep_for(milliseconds(10)));
  }
  co_return false;
}

std::optional<std::vector<CohortId>> StreamSession::mirrored_cohorts(const std::string& entity) const {
  const auto* spec = context_.spec.find_entity(entity);
  auto mirrored = context_.mirrored.find(entity);
  if (spec == nullptr || mirrored == context_.mirrored.end() ||
      mirrored->second.size() == spec->cohorts.size())
    return std::nullopt;
  return std::vector(mirrored->second.begin(), mirrored->second.end());
}

RangeRead StreamSession::range_read(std::uint32_t table, const RangeRecord& record) const {
  const auto& planned = context_.plan.tables[table];
  RangeRead read{.table = planned.mapping.legacy, .key = planned.mapping.source_key};
  for (const auto& column : planned.mapping.source_columns) read.select.push_back(quote_identifier(column));
  if (record.range.is_point()) {
    read.keys = {record.range.lower};
  } else {
    read.range = record.range;
  }
  const auto* entity = context_.spec.find_entity(planned.entity);
  bool some = !record.cohorts.empty() && record.cohorts.size() < entity->cohorts.size();
  if (some) read.cohorts = CohortFilter{*planned.cohorts, record.cohorts};
  return read;
}

// `incomplete`: the copy was interrupted on purpose. `row_rejected`: the database refused a row; copy
// carefully then.
Task<std::uint64_t> StreamSession::copy_rows(RangeCopy& copy, std::uint32_t table, const RangeRecord& record,
                                             SnapshotReader& reader, TargetWriter& writer, bool carefully) {
  const auto& planned = context_.plan.tables[table];
  auto& status = tables_[table];
  auto steps = step_writer(writer);
  CO_TRY(co_await steps.write(copy.steps_before_copy()));
  Reconciliation reconciliation(planned.mapping);
  CO_TRY(co_await read_present(table, record, reconciliation));
  bool row_by_row = carefully || !reconciliation.finds_nothing();

  auto rows_in = CO_TRY(co_await reader.open(range_read(table, record)));
  if (!row_by_row) CO_TRY(co_await writer.copy_begin(planned.mapping.target));
  RowMapper mapper(planned.mapping);
  RowChunk chunk, mapped;
  std::uint64_t rows = 0;
  while (true) {
    if (copy.is_abandoned() || context_.control.is_paused(planned.entity))
      co_return Err(ErrorCode::incomplete, "the copy of a range was interrupted");
    CO_TRY(co_await rows_in->read(chunk));
    if (chunk.rows == 0) break;
    auto wait = context_.control.spend(monotonic_now(), chunk.rows, chunk.bytes.size());
    if (wait > Duration{}) CO_TRY(co_await sleep_for(std::min<Duration>(wait, seconds(1))));
    rows += chunk.rows;
    status.rows_copied += chunk.rows;
    status.bytes_copied += chunk.bytes.size();
    if (row_by_row) {
      auto writes = applier_->steps_for(table, reconciliation.judge(copy, chunk.bytes));
      CO_TRY(co_await steps.write(std::move(writes)));
    } else if (planned.mapping.is_identity) {
      CO_TRY(co_await writer.copy_rows(chunk));
    } else {
      mapped.rows = map_copied_rows(copy, mapper, chunk.bytes, mapped.bytes);
      CO_TRY(co_await writer.copy_rows(mapped));
    }
    failpoint("during_range_copy");
  }
  if (row_by_row) {
    std::vector<WriteStep> leftovers;
    leftovers.emplace_back(reconciliation.leftovers());
    CO_TRY(co_await steps.write(std::move(leftovers)));
  } else {
    CO_TRY(co_await writer.copy_end());
  }
  co_return rows;
}

// Rows of an earlier mirror may stand where this range goes. Other cohorts' rows may, too, and these are not
// for us to judge, so a copy of some cohorts expects an empty place.
Task<void> StreamSession::read_present(std::uint32_t table, const RangeRecord& record,
                                       Reconciliation& reconciliation) {
  const auto& planned = context_.plan.tables[table];
  bool all_cohorts = record.cohorts.size() == context_.spec.find_entity(planned.entity)->cohorts.size();
  if (!all_cohorts || record.range.is_point()) co_return Status{};
  RangeRead read{.table = planned.mapping.new_side, .key = planned.mapping.target_key, .range = record.range};
  for (const auto& column : planned.mapping.target.columns)
    read.select.push_back(quote_identifier(column.name));
  for (std::size_t i = 0; i < planned.mapping.target.staged_only.size(); ++i) read.select.push_back("NULL");

  auto reader = context_.ports.snapshot_reader(Side::new_side);
  CO_TRY(co_await reader->begin({planned.mapping.new_side}));
  auto rows = CO_TRY(co_await reader->open(std::move(read)));
  RowChunk chunk;
  while (true) {
    CO_TRY(co_await rows->read(chunk));
    if (chunk.rows == 0) break;
    reconciliation.add_present(chunk.bytes);
  }
  co_return co_await reader->end();
}

// Holds the gate. Once the copy's transaction has the changes that were held, any error ends the session:
// whether the commit took effect is then for the target to say.
Task<void> StreamSession::commit_copy(RangeCopy& copy, TargetWriter& writer) {
  CO_TRY(co_await step_writer(writer).write(copy.take_steps()));
  failpoint("before_range_commit");
  CO_TRY(co_await writer.commit(std::nullopt));
  failpoint("after_range_commit");
  closing_ = false;
  gate_.leave();
  co_return Status{};
}

// We hold the gate, so a copy that waits there waits for us: its transaction is rolled back in its place.
// Those that are still reading come to the gate or give up, and no new one begins.
Task<void> StreamSession::wait_for_no_copies(std::uint32_t table) {
  truncating_ = table;
  Status ended;
  while (ended) {
    auto& waiting = at_gate_[table];
    for (auto* copy : waiting) {
      if (copy->rolled_back) continue;
      copy->rolled_back = true;
      ended = co_await copy->writer->rollback();
      break;
    }
    bool all_back = std::ranges::all_of(waiting, [](const Waiting* copy) { return copy->rolled_back; });
    if (all_back && copies_in_progress_[table] == static_cast<int>(waiting.size())) break;
    if (ended) ended = co_await sleep_for(milliseconds(2));
  }
  truncating_.reset();
  co_return ended;
}

// A copy that waits for the gate may hold what the stream's statement waits for: a unique value went from a
// row of its range to a row that is followed already. Neither would ever move, so after a moment the copy
// gives way.
Task<void> StreamSession::yield_to_the_log() {
  while (true) {
    CO_TRY(co_await sleep_for(milliseconds(100)));
    bool held = gate_held_ || closing_;
    if (!held || monotonic_now() - gate_held_since_ < kCopyYieldsAfter) continue;
    Waiting* copy = nullptr;
    for (auto& [table, waiting] : at_gate_) {
      auto held_up = std::ranges::find(waiting, false, &Waiting::rolled_back);
      if (held_up != waiting.end()) copy = *held_up;
    }
    if (copy == nullptr) continue;
    copy->rolled_back = true;
    CO_TRY(co_await copy->writer->rollback());
  }
}

StepWriter StreamSession::step_writer(TargetWriter& writer) {
  return StepWriter(context_.plan, *applier_, writer, context_.report,
                    [this](std::uint32_t table) { return wait_for_no_copies(table); });
}

// --- what it says of itself
// ------------------------------------------------------------------------------------------

std::vector<std::string> StreamSession::explain_key(const std::string& key) {
  constexpr std::string_view phases[] = {"waits for its copy", "is being copied", "is copied",
                                         "follows the log"};
  std::vector<std::string> lines;
  for (const auto& table : context_.plan.tables) {
    const auto& mapping = table.mapping;
    if (mapping.source_key.size() != 1) continue;
    auto binary = text_to_binary(mapping.source_key.front().type, key);
    if (!binary) continue;
    auto tuple = make_tuple_bytes(std::vector{Field::value(*binary)});
    applier_->fences(table.id).for_each(tuple, std::nullopt, [&](FenceBook::Range* range) {
      auto phase = range == nullptr ? Fence::Phase::settled : range->fence.phase();
      lines.push_back(fmt::format("{} {}={}: its range {}", to_string(mapping.legacy),
                                  mapping.source_key.front().name, key,
                                  phases[static_cast<std::size_t>(phase)]));
    });
  }
  return lines;
}

std::vector<TableStatus> StreamSession::table_status() const {
  std::vector<TableStatus> out;
  for (const auto& table : context_.plan.tables) {
    auto status = tables_.at(table.id);
    if (applier_) {
      status.ranges_total = status.ranges_copied = status.ranges_settled = 0;
      std::uint64_t rows_stored = 0;
      applier_->fences(table.id).for_each_range([&](FenceBook::Range& range) {
        ++status.ranges_total;
        bool copied =
            range.fence.phase() == Fence::Phase::copied || range.fence.phase() == Fence::Phase::settled;
        status.ranges_copied += copied ? 1 : 0;
        status.ranges_settled += range.fence.phase() == Fence::Phase::settled ? 1 : 0;
        rows_stored += copied ? range.record.rows : 0;
      });
      status.rows_copied = std::max(status.rows_copied, rows_stored);
      bool paused = context_.control.is_paused(table.entity);
      status.phase = status.ranges_total == 0                       ? TablePhase::idle
                     : status.ranges_settled == status.ranges_total ? TablePhase::following
                     : paused                                       ? TablePhase::paused
                                                                    : TablePhase::copying;
      if (paused && status.phase == TablePhase::paused) status.reason = "paused by an operator";
    }
    out.push_back(std::move(status));
  }
  return out;
}

StreamStatus StreamSession::stream_status() const {
  auto status = status_;
  if (applier_) {
    status.transactions_applied = applier_->counters().transactions;
    status.changes_applied = applier_->counters().changes;
    status.quarantined_rows += applier_->counters().quarantined;
  }
  return status;
}

}  // namespace oxbow
