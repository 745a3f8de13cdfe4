#include "services/pipeline/stream_session.hpp"

#include <fmt/ranges.h>

#include <algorithm>

#include "base/log.hpp"
#include "core/mapping/row_cohort.hpp"
#include "core/value/pg_values.hpp"
#include "model/course.hpp"
#include "model/tuple.hpp"
#include "runtime/failpoint.hpp"
#include "runtime/real_clock.hpp"
#include "runtime/sleep.hpp"
#include "runtime/task_group.hpp"
#include "services/pipeline/rows_at_stake.hpp"

namespace oxbow {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::uint64_t kRowsPerRange = 200'000;
constexpr std::uint64_t kRowsPerStagedRange = 20'000;  // the stream rests while they are placed
constexpr std::uint64_t kRetriesMax = 10'000;          // at a time: each is a fence in memory
constexpr int kLanes = 1 + kClearingLane;
constexpr Duration kHousekeeping = milliseconds(100);
constexpr Duration kHeartbeat = seconds(1);
constexpr Duration kHeartbeatWhileWaiting = milliseconds(20);

std::string left_out_sentence(const std::string& column) {
  return fmt::format("{} is not in the spec: it is left out, and not compared", column);
}

}  // namespace

StreamSession::StreamSession(SessionContext context)
    : parts_(std::move(context)), copier_(parts_), part_watch_(parts_), watch_(parts_, part_watch_) {
  parts_.status.phase = StreamPhase::starting;
  for (const auto& table : parts_.context.plan.tables) {
    parts_.tables[table.id] = {
        .entity = table.entity, .legacy = table.mapping.source, .new_side = table.mapping.target.name};
  }
}

StreamSession::~StreamSession() = default;

Task<void> StreamSession::run() {
  CO_TRY(co_await set_up());
  TaskGroup group(parts_.context.executor);
  group.spawn(follower_->read_ahead());
  group.spawn(follower_->apply());
  group.spawn(keep_house());
  group.spawn(watch_.watch_health());
  if (parts_.context.plan.course == Course::there) group.spawn(watch_.watch_rogue_writes());
  group.spawn(watch_.watch_schemas());
  for (int lane = 1; lane <= kCopyLanesMax; ++lane) group.spawn(copier_.work(lane));
  auto ended = co_await group.wait();
  following_ = false;
  follower_->end();
  co_return ended;
}

// The order matters: identities before the publication, so that no UPDATE of the application fails; the slot
// before the first snapshot, so that nothing falls between them.
Task<void> StreamSession::set_up() {
  auto& source = parts_.context.source;
  auto& target = parts_.context.target;
  auto& doing = parts_.status.reason;
  doing = "both databases are being prepared";
  // Users of legacy are kept out by guards, where they have to be, and nothing else is put on its tables.
  bool is_there = parts_.context.plan.course == Course::there;
  CO_TRY(co_await target.install(is_there ? parts_.context.plan.target_tables() : std::vector<TableName>(),
                                 kLanes));
  failpoint("set_up_after_install");
  for (const auto& change : parts_.context.plan.identity_changes)
    CO_TRY(co_await source.change_identity(change));
  failpoint("set_up_after_identities");
  CO_TRY(co_await end_strange_stream());
  auto stored = CO_TRY(co_await target.load_stream());
  // A new slot would not bring what was lost with the old one, and would keep log for nobody.
  auto health = CO_TRY(co_await source.read_health());
  if (stored.position && health.slot_wal_status.empty()) {
    co_return Err(ErrorCode::lost_position,
                  "the {} side stands at {}, but the {} server has no slot of ours any more; {}",
                  name(target_of(parts_.context.plan.course)), to_string(stored.position->lsn),
                  name(source_of(parts_.context.plan.course)), begin_again());
  }
  if (stored.position) CO_TRY(co_await refuse_what_went_back(*stored.position, health.log_end));
  if (!stored.position) CO_TRY(refuse_forgotten_way_back());
  CO_TRY(co_await compare_parts(stored));
  doing = health.slot_wal_status.empty()
              ? "the slot is being made, which waits for all transactions that write at this moment"
              : "the publication is being brought up to date";
  auto slot_begins = CO_TRY(co_await source.ensure_stream(parts_.context.plan.source_tables()));
  failpoint("set_up_after_slot");
  auto snapshot = CO_TRY(co_await source.current_snapshot());

  // A transaction may have its commit in the log before the slot's beginning and still be invisible. The
  // stream will never bring it, so the first copies have to wait until they see it.
  auto position = stored.position.value_or(StreamPosition{slot_begins, snapshot.running});
  // We confirm to the slot only what the target has stored, so a slot that begins later is not the one we
  // left, or the target has forgotten what it had stored.
  if (stored.position && position.lsn < slot_begins) {
    co_return Err(ErrorCode::lost_position,
                  "the {0} side stands at {1}, but the {2} server's log for us begins at {3}: its slot was "
                  "made anew, or the {0} side has come back without its last transactions; {4}",
                  name(target_of(parts_.context.plan.course)), to_string(position.lsn),
                  name(source_of(parts_.context.plan.course)), to_string(slot_begins), begin_again());
  }

  std::vector<MirroredTable> tables;
  const auto& catalog = parts_.context.plan.source;
  for (const auto& table : parts_.context.plan.tables) {
    tables.push_back({&table.mapping, table.cohorts, parts_.context.spec.limits.on_ddl == OnDdl::carry_on,
                      parts_.context.spec.find_entity(table.entity)->cohorts.size(),
                      RelationId(catalog.find(table.mapping.source)->oid)});
  }
  parts_.applier = std::make_unique<Applier>(
      std::move(tables), ApplyLimits{}, parts_.context.protections,
      origin_prefix(stream_name(parts_.context.spec.migration, other(parts_.context.plan.course))));
  parts_.applier->look_for_strays([&context = parts_.context](std::uint32_t table, CohortId cohort) {
    return context.homes.is_elsewhere(context.plan.tables[table].entity, cohort,
                                      source_of(context.plan.course));
  });
  parts_.applier->restore(position, stored.quarantine);
  parts_.applier->prove(snapshot);

  CO_TRY(refuse_newly_mapped(stored));
  restore(stored, position);
  remember_given_up(stored);
  follower_ = std::make_unique<LogFollower>(parts_);
  CO_TRY(co_await follower_->begin(std::move(position), health.log_end));
  failpoint("set_up_after_position");
  doing = "the ranges of the tables are being planned";
  if (is_there) CO_TRY(co_await add_missing_jobs());  // what goes back is there already, and joins
  doing.clear();
  close_what_is_over();
  parts_.status.phase = StreamPhase::running;
  following_ = has_followed_ = true;
  log_info("the stream to the {} side runs, from {} on", name(target_of(parts_.context.plan.course)),
           to_string(parts_.applier->position().lsn));
  co_return Status{};
}

std::string StreamSession::begin_again() const {
  if (parts_.context.plan.course == Course::there)
    return "roll every mirrored cohort back to `legacy` and advance it again";
  return "the cohorts that are at home on the new side have no way back any more";
}

// What could not be taken away when its last cohort went back would bring an old log, for rows that nobody
// has, or stand at a position that no slot has any more.
Task<void> StreamSession::end_strange_stream() {
  if (!parts_.context.begins_anew) co_return Status{};
  CO_TRY(co_await parts_.context.source.give_up_stream());
  CO_TRY(co_await parts_.context.target.forget_stream());
  parts_.context.begins_anew = false;
  co_return Status{};
}

// A server that was brought back from a copy, or a standby that was promoted before it had everything. Its
// log goes on from an earlier place, with other transactions than those that the target has applied.
Task<void> StreamSession::refuse_what_went_back(const StreamPosition& position, Lsn log_end) {
  auto beat = CO_TRY(co_await parts_.context.source.last_beat());
  parts_.context.beats.begin(source_of(parts_.context.plan.course), beat);
  if (!has_gone_back(position, log_end, beat)) co_return Status{};
  auto source = name(source_of(parts_.context.plan.course));
  co_return Err(
      ErrorCode::lost_position,
      "the {} server has come back without its last transactions: the {} side has applied its log to {} and "
      "its beat {}, it knows of {} and {}; what it has forgotten is still on the {} side; {}",
      source, name(target_of(parts_.context.plan.course)), to_string(position.lsn), position.beat,
      to_string(log_end), beat, name(target_of(parts_.context.plan.course)), begin_again());
}

// What goes back is never copied, so a target that was brought back from a time before the stream lacks rows
// that nothing would bring it any more.
Status StreamSession::refuse_forgotten_way_back() const {
  bool carries_any = std::ranges::any_of(parts_.context.carried,
                                         [](const auto& of_entity) { return !of_entity.second.empty(); });
  if (parts_.context.plan.course == Course::there || !carries_any) return {};
  return Err(
      ErrorCode::lost_position,
      "the {} server does not know of the stream to it any more: it has come back from a time before that, "
      "without what was written on the {} side since; {}",
      name(target_of(parts_.context.plan.course)), name(source_of(parts_.context.plan.course)),
      begin_again());
}

// Before the publication takes a table in that has only the name of the one that was copied.
Task<void> StreamSession::compare_parts(const StoredStream& stored) {
  const auto& tables = parts_.context.plan.tables;
  auto is_copied = [&](const TableName& name) {
    return std::ranges::any_of(stored.ranges, [&](const RangeRecord& range) {
      return range.phase != RangePhase::pending && tables[range.table].mapping.source == name;
    });
  };
  CO_TRY(co_await part_watch_.begin(parts_.context.target));
  co_return co_await part_watch_.look(parts_.context.source, parts_.context.target, is_copied);
}

// A stream that follows fits both schemas and has its log. What left quarantine may have done so in an
// earlier session that could not say it any more.
void StreamSession::close_what_is_over() {
  const auto& close = parts_.context.close_findings;
  auto at = to_string(parts_.applier->position().lsn);
  for (const auto& column : parts_.context.plan.left_out) {
    auto sentence = left_out_sentence(column);
    parts_.context.report({.kind = FindingKind::drift,
                           .entity = {},
                           .table = {},
                           .key = sentence,
                           .sentence = sentence,
                           .detail = {},
                           .owner = parts_.context.spec.owners.coexistence});
  }
  close({.kind = FindingKind::drift, .but = what_still_holds(FindingKind::drift)},
        fmt::format("the stream goes on at {}: the spec fits both schemas", at));
  close({.kind = FindingKind::stream_given_up, .key = std::string(words_for(parts_.context.plan.course))},
        fmt::format("it follows again, from {} on", at));
  close({.kind = FindingKind::quarantined_row, .but = what_still_holds(FindingKind::quarantined_row)},
        fmt::format("it waits in quarantine no longer, as of {}", at));
}

FindingNames StreamSession::what_still_holds(FindingKind kind) const {
  FindingNames names;
  if (kind == FindingKind::drift)
    for (const auto& column : parts_.context.plan.left_out) names.emplace("", left_out_sentence(column));
  if (kind == FindingKind::quarantined_row)
    for (const auto& table : parts_.context.plan.tables)
      for (const auto& [key, shown] : parts_.applier->quarantined(table.id))
        names.emplace(to_string(table.mapping.source), shown);
  return names;
}

Result<std::uint64_t> StreamSession::retry_quarantined(const std::optional<std::string>& key) {
  std::uint64_t retried = 0, waiting = 0;
  for (const auto& table : parts_.context.plan.tables) {
    for (const auto& [tuple, shown] : parts_.applier->quarantined(table.id)) {
      if (key && !names_key(shown, *key)) continue;
      ++waiting;
      if (table.mapping.source_key.empty() || retried >= kRetriesMax) continue;
      retries_.emplace(table.id, tuple);
      ++retried;
    }
  }
  begin_retries();
  if (retried > 0) return retried;
  if (waiting > 0)
    return Err(ErrorCode::unsupported,
               "a row without a key cannot be read again alone; roll its entity back and advance it again");
  if (key) return Err(ErrorCode::not_found, "no row with key {} waits in quarantine", *key);
  return Err(ErrorCode::not_found, "no row waits in quarantine");
}

// A row that is being read already was perhaps read before its cause was mended, so it gets its turn behind
// that.
void StreamSession::begin_retries() {
  auto& applier = *parts_.applier;
  std::erase_if(retries_, [&](const auto& retry) {
    const auto& [table, key] = retry;
    auto* point = applier.fences(table).find_point(key);
    bool is_read = point != nullptr && point->fence.phase() != Fence::Phase::pending;
    if (is_read) return false;
    if (applier.quarantined(table).contains(key)) applier.retry(table, key);
    return true;
  });
}

void StreamSession::remember_given_up(const StoredStream& stored) {
  const auto& carried = parts_.context.carried;
  for (const auto& record : stored.quarantine) {
    const auto& table = parts_.context.plan.tables[record.table];
    if (record.reason != kGivenUp) continue;
    auto cohort = cohort_of_row(table.mapping, *table.cohorts, record.row);
    if (!cohort || !*cohort) continue;
    given_up_[{record.table, record.key_tuple}] = **cohort;
    auto of_entity = carried.find(table.entity);
    if (of_entity != carried.end() && of_entity->second.contains(**cohort))
      read_given_up(table.entity, **cohort);
  }
}

Task<void> StreamSession::take_given_up(CohortId cohort, std::vector<QuarantineRecord> records) {
  auto is_known = [&](const QuarantineRecord& record) {
    return parts_.applier->quarantined(record.table).contains(record.key_tuple);
  };
  CO_TRY(co_await beside_the_stream([&](TargetWriter& writer) -> Task<void> {
    for (const auto& record : records)
      if (!is_known(record)) CO_TRY(co_await writer.quarantine(record));
    co_return Status{};
  }));
  for (const auto& record : records) {
    given_up_[{record.table, record.key_tuple}] = cohort;
    parts_.applier->wait_to_be_read(record.table, record.key_tuple, record.key);
  }
  co_return Status{};
}

// As a row that was refused is read again: its own fence, and it leaves quarantine when it is there.
void StreamSession::read_given_up(const std::string& entity, CohortId cohort) {
  std::erase_if(given_up_, [&](const auto& each) {
    const auto& [key, of] = each;
    bool is_meant = of == cohort && parts_.context.plan.tables[key.first].entity == entity;
    if (is_meant) retries_.insert(key);
    return is_meant;
  });
  begin_retries();
}

Task<void> StreamSession::let_go(std::vector<QuarantineRelease> rows) {
  CO_TRY(co_await beside_the_stream([&](TargetWriter& writer) -> Task<void> {
    for (const auto& row : rows) CO_TRY(co_await writer.release(row));
    co_return Status{};
  }));
  for (auto& row : rows) {
    parts_.applier->let_go(row.table, row.key_tuple);
    parts_.released.push_back(std::move(row));
  }
  parts_.close_released();
  co_return Status{};
}

// A transaction of its own, while the target stands at the stream's position.
Task<void> StreamSession::beside_the_stream(std::function<Task<void>(TargetWriter&)> write) {
  auto writer = parts_.context.ports.target_writer(kClearingLane);
  CO_TRY(co_await writer->begin());
  CO_TRY(co_await parts_.gate.enter());
  auto written = co_await write(*writer);
  if (written) written = co_await writer->commit(std::nullopt);
  parts_.gate.leave();
  co_return written;
}

// Rows that were copied without a column hold nothing of it, and what their log said of it has gone by.
Status StreamSession::refuse_newly_mapped(const StoredStream& stored) const {
  for (const auto& record : stored.ranges) {
    if (record.phase == RangePhase::pending || record.read_columns.empty()) continue;
    const auto& mapping = parts_.context.plan.tables[record.table].mapping;
    for (const auto& column : mapping.source_columns) {
      if (std::ranges::count(record.read_columns, column) > 0) continue;
      return Err(ErrorCode::schema_drift,
                 "{0}.{1} is mapped now, and the rows of {0} that came over before lack it; drop it in the "
                 "spec, or roll every mirrored cohort of {2} back to `legacy` and advance it again",
                 to_string(mapping.source), column, parts_.context.plan.tables[record.table].entity);
    }
  }
  return {};
}

void StreamSession::restore(const StoredStream& stored, const StreamPosition& position) {
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::vector<RangeRecord>> jobs;
  for (auto record : stored.ranges) {
    parts_.applier->reserve_range_ids(record.id);
    if (record.phase == RangePhase::pending)
      record.read_columns = parts_.context.plan.tables[record.table].mapping.source_columns;
    if (record.range.is_point()) {
      if (record.phase != RangePhase::settled)
        parts_.applier->fences(record.table).add_point(record, record.range.lower.tuple, position.unproven);
      continue;
    }
    jobs[{record.table, record.job}].push_back(record);
    next_job_ = std::max(next_job_, record.job + 1);
  }
  for (auto& [key, records] : jobs) {
    auto members = records.front().cohorts;
    parts_.applier->fences(key.first).add_job(key.second, members, std::move(records), position.unproven);
  }
}

Task<void> StreamSession::add_missing_jobs() {
  for (const auto& table : parts_.context.plan.tables) {
    auto wanted = parts_.context.carried.find(table.entity);
    if (wanted == parts_.context.carried.end()) continue;
    std::vector<CohortId> missing;
    for (auto cohort : wanted->second) {
      if (!parts_.applier->fences(table.id).covers(cohort)) missing.push_back(cohort);
    }
    if (missing.empty()) continue;
    CO_TRY(co_await clear_strange_rows(table, missing));
    CO_TRY(co_await add_job(table, std::move(missing)));
  }
  co_return Status{};
}

// Rows that an earlier mirror left and nobody follows would hold unique values against those that come.
Task<void> StreamSession::clear_strange_rows(const PlannedTable& table,
                                             const std::vector<CohortId>& members) {
  const auto& mapping = table.mapping;
  auto cohorts = static_cast<std::uint32_t>(parts_.context.spec.find_entity(table.entity)->cohorts.size());
  const auto& followed = parts_.context.carried.at(table.entity);
  auto strange = filter_on_target(table, {});
  auto at_home = parts_.context.at_home_on_target.find(table.entity);
  bool any_at_home = at_home != parts_.context.at_home_on_target.end() && !at_home->second.empty();
  for (std::uint32_t cohort = 0; cohort < cohorts; ++cohort) {
    if (parts_.applier->fences(table.id).covers(CohortId(cohort))) co_return Status{};
    bool is_strange =
        !followed.contains(CohortId(cohort)) && !(any_at_home && at_home->second.contains(CohortId(cohort)));
    if (is_strange) strange.members.push_back(CohortId(cohort));
  }
  if (members.size() == cohorts || strange.members.empty()) co_return Status{};
  if (!CO_TRY(co_await parts_.context.target.holds_rows(mapping.target.name))) co_return Status{};
  if (mapping.new_entity_key.empty()) {
    if (any_at_home) co_return Status{};
    co_return Err(
        ErrorCode::rows_unexpected,
        "{} holds rows and does not tell to which cohort they belong; empty it, or advance all cohorts of {} "
        "together",
        to_string(mapping.target.name), table.entity);
  }
  auto writer = parts_.context.ports.target_writer(kClearingLane);
  CO_TRY(co_await writer->begin());
  CO_TRY(co_await writer->remove_rows({.table = mapping.target.name, .cohorts = std::move(strange)}));
  co_return co_await writer->commit(std::nullopt);
}

Task<void> StreamSession::add_job(const PlannedTable& table, std::vector<CohortId> members) {
  auto& status = parts_.tables[table.id];
  status.phase = TablePhase::planning;
  std::vector<KeyBound> bounds;
  if (table.mapping.ranges_hold_on_target && KeyOrder::of(table.mapping.source_key)) {
    auto rows = table.mapping.rows_exclude_each_other ? kRowsPerStagedRange : kRowsPerRange;
    bounds = CO_TRY(
        co_await parts_.context.source.plan_ranges(table.mapping.source, table.mapping.source_key, rows));
  }
  std::vector<RangeRecord> records;
  for (std::size_t i = 0; i <= bounds.size(); ++i) {
    KeyRange range{i == 0 ? KeyBound{} : bounds[i - 1], i == bounds.size() ? KeyBound{} : bounds[i]};
    records.push_back({.id = parts_.applier->next_range_id(),
                       .table = table.id,
                       .job = next_job_,
                       .cohorts = members,
                       .range = std::move(range),
                       .read_columns = table.mapping.source_columns});
  }
  CO_TRY(co_await parts_.context.target.save_ranges(records));
  failpoint("set_up_after_ranges");
  // Changes of these cohorts were passed over until now, so a copy has to see all that the stream has passed.
  CO_TRY(co_await parts_.gate.enter());
  parts_.applier->fences(table.id).add_job(next_job_, std::move(members), std::move(records),
                                           parts_.applier->unproven());
  parts_.gate.leave();
  ++next_job_;
  status.phase = TablePhase::copying;
  co_return Status{};
}

// Neither waits for the gate: whoever holds it may wait for a lock of some user, and nothing of the cohort is
// on its way while its authority changes hands.
Task<void> StreamSession::join(const std::string& entity, CohortId cohort, bool is_equal) {
  std::vector<RangeRecord> records;
  for (const auto& table : parts_.context.plan.tables) {
    if (table.entity != entity || parts_.applier->fences(table.id).covers(cohort)) continue;
    records.push_back({.id = parts_.applier->next_range_id(),
                       .table = table.id,
                       .job = next_job_++,
                       .cohorts = {cohort},
                       .range = {},
                       .phase = RangePhase::settled,
                       .read_columns = table.mapping.source_columns});
  }
  if (!records.empty()) CO_TRY(co_await parts_.context.target.save_ranges(records));
  for (auto& record : records) {
    auto table = record.table;
    auto job = record.job;
    parts_.applier->fences(table).add_job(job, {cohort}, {std::move(record)}, parts_.applier->unproven());
    if (is_equal) parts_.applier->changed(table).is_equal_now(cohort);
  }
  co_return Status{};
}

// What is written of the cohort from now on, this stream does not see.
Task<void> StreamSession::leave(const std::string& entity, CohortId cohort) {
  auto tables = table_numbers(parts_.context.spec, entity);
  for (auto table : tables) {
    parts_.applier->fences(table).remove_members({cohort});
    parts_.applier->changed(table).is_unknown_now(cohort);
  }
  co_return co_await parts_.context.target.forget_cohorts(tables, {cohort});
}

Status StreamSession::is_complete(const std::string& entity, CohortId cohort, Quarantine quarantine) const {
  for (const auto& table : parts_.context.plan.tables) {
    if (table.entity != entity) continue;
    const auto& fences = parts_.applier->fences(table.id);
    auto source = to_string(table.mapping.source);
    if (!fences.has_settled(cohort))
      return Err(ErrorCode::incomplete, "rows of {} are still being copied", source);
    if (auto points = fences.points(); !points.empty())
      return Err(ErrorCode::incomplete, "{} rows of {} are still being read again", points.size(), source);
    if (auto waiting = parts_.applier->quarantined(table.id).size();
        waiting > 0 && quarantine == Quarantine::matters)
      return Err(ErrorCode::illegal_transition,
                 "{} rows of {} wait in quarantine, so the {} side lacks them; `oxbow quarantine` shows them",
                 waiting, source, name(target_of(parts_.context.plan.course)));
  }
  return {};
}

Task<std::shared_ptr<Marker>> StreamSession::mark(std::function<Task<void>()> at_barrier) {
  if (!following_) co_return Err(ErrorCode::connection_lost, "the stream is not running");
  co_return co_await follower_->mark(std::move(at_barrier));
}

Task<Lsn> StreamSession::reach(std::shared_ptr<Marker> marker) {
  if (!following_) co_return Err(ErrorCode::connection_lost, "the stream is not running");
  co_return co_await follower_->reach(std::move(marker));
}

Task<Lsn> StreamSession::at_marker(std::function<Task<void>()> at_barrier) {
  if (!following_) co_return Err(ErrorCode::connection_lost, "the stream is not running");
  co_return co_await follower_->at_marker(std::move(at_barrier));
}

// Settles ranges, lets the source forget, and keeps the log moving while something waits for it.
Task<void> StreamSession::keep_house() {
  auto source = parts_.context.ports.source_admin();
  auto target = parts_.context.ports.target_admin();
  auto& beats = parts_.context.beats;
  auto from = source_of(parts_.context.plan.course);
  Instant last_heartbeat{};
  Instant last_round{};
  while (true) {
    CO_TRY(co_await sleep_for(kHeartbeatWhileWaiting));
    auto now = monotonic_now();
    bool is_waited_for = parts_.waiting_for_log > 0 || beats.is_hurried(from);
    if (now - last_heartbeat >= (is_waited_for ? kHeartbeatWhileWaiting : kHeartbeat)) {
      last_heartbeat = now;
      CO_TRY(co_await source->beat(beats.send(from, wall_now())));
    }
    if (now - last_round < kHousekeeping) continue;
    last_round = now;
    begin_retries();
    if (auto passed = parts_.applier->confirmable()) CO_TRY(co_await settle_ranges(*target, *passed));
    failpoint("before_confirm");
    follower_->confirm();
  }
}

// A copier holds the gate from closing its range to the commit; nothing is settled that may still be undone.
Task<void> StreamSession::settle_ranges(TargetAdmin& target, Lsn passed) {
  CO_TRY(co_await parts_.gate.enter());
  std::vector<RangeRecord> settled;
  for (const auto& table : parts_.context.plan.tables) {
    std::ranges::move(parts_.applier->fences(table.id).settle(passed), std::back_inserter(settled));
  }
  // Still inside: a TRUNCATE that starts these ranges over must not be overtaken by this record.
  Status saved;
  if (!settled.empty()) saved = co_await target.save_ranges(std::move(settled));
  parts_.gate.leave();
  co_return saved;
}

std::optional<std::vector<CohortId>> StreamSession::carried_cohorts(const std::string& entity) const {
  const auto* spec = parts_.context.spec.find_entity(entity);
  auto mirrored = parts_.context.carried.find(entity);
  if (spec == nullptr || mirrored == parts_.context.carried.end() ||
      mirrored->second.size() == spec->cohorts.size())
    return std::nullopt;
  return std::vector(mirrored->second.begin(), mirrored->second.end());
}

std::vector<std::string> StreamSession::explain_key(const KeySearch& search) {
  std::vector<std::string> lines;
  for (const auto& table : search.tables()) {
    std::map<std::string, std::string> waiting;  // as shown: what to do
    for (const auto& [tuple, shown] : parts_.applier->quarantined(table.id)) {
      if (!search.asked().means(shown, table.names)) continue;
      bool is_sole = table.names.legacy.size() == 1;
      auto key = is_sole ? shown.substr(shown.find('=') + 1) : "'" + shown + "'";
      waiting[shown] = fmt::format("waits in quarantine; `oxbow quarantine --retry {}` reads it again", key);
    }
    for (const auto& row : table.rows) {
      auto shown = table.shown(row);
      auto new_side = to_string(table.new_side);
      auto where = row.on_legacy && row.on_new ? fmt::format("legacy and {} have it", new_side)
                   : row.on_legacy             ? fmt::format("legacy has it, {} has not", new_side)
                                               : fmt::format("{} has it, legacy has not", new_side);
      lines.push_back(
          fmt::format("{} {}: {}; {}", to_string(table.legacy), shown, where, describe_range(table, row)));
      if (auto waits = waiting.extract(shown)) lines.back() += "; it " + waits.mapped();
    }
    for (const auto& [shown, waits] : waiting)
      lines.push_back(fmt::format("{} {}: {}", to_string(table.legacy), shown, waits));
  }
  return lines;
}

std::string StreamSession::describe_range(const KeySearch::Table& table, const KeySearch::Row& row) {
  const auto& entity = parts_.context.plan.tables[table.id].entity;
  const auto& cohorts = parts_.context.spec.find_entity(entity)->cohorts;
  auto cohort = cohorts.size() == 1 ? std::optional(CohortId(0)) : row.cohort;
  if (cohort && !parts_.applier->fences(table.id).covers(*cohort)) {
    auto there = parts_.context.at_home_on_target.find(entity);
    bool is_there = there != parts_.context.at_home_on_target.end() && there->second.contains(*cohort);
    return fmt::format("it belongs to {}/{}, which is {}", entity, cohorts[cohort->value()].name,
                       is_there ? "at home on the new side" : "in legacy");
  }
  constexpr std::string_view phases[] = {"waits for its copy", "is being copied", "is copied",
                                         "follows the log"};
  std::vector<Field> fields;
  std::vector<std::string> binaries(row.key.size());
  for (std::size_t i = 0; i < row.key.size(); ++i) {
    auto binary = text_to_binary(table.legacy_key[i].type, row.key[i]);
    if (!binary) return "its range is unknown";
    binaries[i] = std::move(*binary);
    fields.push_back(Field::value(binaries[i]));
  }
  std::set<std::string_view> found;
  parts_.applier->fences(table.id).for_each(make_tuple_bytes(fields), cohort, [&](FenceBook::Range* range) {
    auto phase = range == nullptr ? Fence::Phase::settled : range->fence.phase();
    found.insert(phases[static_cast<std::size_t>(phase)]);
  });
  return found.empty() ? "nobody mirrors it" : fmt::format("its range {}", fmt::join(found, " and "));
}

std::vector<TableStatus> StreamSession::table_status() const {
  std::vector<TableStatus> out;
  for (const auto& table : parts_.context.plan.tables) {
    auto status = parts_.tables.at(table.id);
    if (parts_.applier) {
      status.ranges_total = status.ranges_copied = status.ranges_settled = 0;
      std::uint64_t rows_stored = 0;
      parts_.applier->fences(table.id).for_each_range([&](FenceBook::Range& range) {
        if (range.record.range.is_point()) return;
        ++status.ranges_total;
        bool copied =
            range.fence.phase() == Fence::Phase::copied || range.fence.phase() == Fence::Phase::settled;
        status.ranges_copied += copied ? 1 : 0;
        status.ranges_settled += range.fence.phase() == Fence::Phase::settled ? 1 : 0;
        rows_stored += copied ? range.record.rows : 0;
      });
      status.rows_copied += rows_stored;
      bool paused = parts_.context.control.is_paused(table.entity);
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

std::map<std::string, std::set<CohortId>> StreamSession::copied_cohorts() const {
  auto copied = parts_.context.carried;
  for (const auto& table : parts_.context.plan.tables) {
    auto of_entity = copied.find(table.entity);
    if (of_entity == copied.end()) continue;
    const auto& fences = parts_.applier->fences(table.id);
    std::erase_if(of_entity->second, [&](CohortId cohort) { return !fences.has_settled(cohort); });
  }
  return copied;
}

StreamStatus StreamSession::stream_status() const {
  auto status = parts_.status;
  if (parts_.applier) {
    status.transactions_applied = parts_.applier->counters().transactions;
    status.changes_applied = parts_.applier->counters().changes;
    std::uint64_t quarantined = 0;
    for (const auto& table : parts_.context.plan.tables)
      quarantined += parts_.applier->quarantined(table.id).size();
    status.quarantined_rows = quarantined;
  }
  return status;
}

}  // namespace oxbow
