#include "flow/apply/applier.hpp"

#include <algorithm>

#include "base/assert.hpp"
#include "core/compare/shown_row.hpp"
#include "core/mapping/row_cohort.hpp"
#include "core/value/pg_values.hpp"
#include "model/tuple.hpp"

namespace oxbow {
namespace {

constexpr std::uint32_t kPointJob = UINT32_MAX;
constexpr std::size_t kStraysMax = 100;  // told by their keys, until somebody takes them

// Its copy has to begin again under another snapshot, which sees what was held.
void copy_again(FenceBook::Range& range) {
  range.fence.abandon();
  range.held.clear();
  range.held_bytes = 0;
}

void null_where_unsent(std::string_view tuple, std::string& out) {
  append_big_endian(out, field_count(tuple));
  for (FieldReader reader(tuple); !reader.done();) {
    auto field = reader.next();
    bool is_value = field.kind == Field::Kind::value;
    append_big_endian(out, is_value ? static_cast<std::int32_t>(field.bytes.size()) : std::int32_t{-1});
    out.append(field.bytes);
  }
}

std::vector<bool> sent_fields(std::string_view tuple) {
  std::vector<bool> sent;
  for (FieldReader reader(tuple); !reader.done();) sent.push_back(!reader.next().is_unsent());
  return sent;
}

// A tuple of the whole target layout that holds only the key; a remove needs no more.
void key_only_tuple(const TableMapping& mapping, std::string_view key, std::string& out) {
  std::vector<Field> fields(mapping.target.columns.size() + mapping.target.staged_only.size());
  FieldReader reader(key);
  for (std::size_t place : mapping.target_key_fields) fields[place] = reader.next();
  out += make_tuple_bytes(fields);
}

// The whole row is its identity.
std::string shown_row(const TableMapping& mapping, std::string_view tuple) {
  ShownRow row;
  FieldReader fields(tuple);
  for (std::size_t i = 0; !fields.done(); ++i) {
    auto field = fields.next();
    auto text = binary_to_text(mapping.source_types[i], field.bytes);
    const auto& column = mapping.source_columns[i];
    if (field.kind != Field::Kind::value) {
      row.add_null(column);
    } else if (text) {
      row.add(column, *text);
    } else {
      row.add_unknown(column, field.bytes.size());
    }
  }
  return row.to_string(tuple);
}

// "payment_id=4711, line=2"; what cannot be printed is shown as bytes.
std::string shown_key(const TableMapping& mapping, std::string_view tuple) {
  if (mapping.source_key.empty()) return shown_row(mapping, tuple);
  std::string out;
  for (std::size_t i = 0; i < mapping.source_key.size(); ++i) {
    auto field = field_at(tuple, mapping.source_key_fields[i]);
    auto text = binary_to_text(mapping.source_key[i].type, field.bytes);
    if (i > 0) out += ", ";
    out += mapping.source_key[i].name + "=" + (text ? *text : fmt::format("({} bytes)", field.bytes.size()));
  }
  return out;
}

}  // namespace

Applier::Applier(std::vector<MirroredTable> tables, ApplyLimits limits, Protections protections,
                 std::string own_origins)
    : limits_(limits), protections_(protections), own_origins_(std::move(own_origins)), routes_(tables) {
  for (const auto& table : tables) {
    tables_.push_back(TableState{table,
                                 FenceBook(table.mapping->source_key, protections),
                                 RowMerger(table.mapping->source_key_fields),
                                 RowMapper(*table.mapping),
                                 {}});
    OXBOW_ASSERT(table.mapping->target.id + 1 == tables_.size(), "table {} has id {}", tables_.size() - 1,
                 table.mapping->target.id);
  }
}

void Applier::restore(const StreamPosition& position, const std::vector<QuarantineRecord>& quarantine) {
  applied_ = seen_ = position.lsn;
  unproven_ = position.unproven;
  for (const auto& record : quarantine)
    tables_[record.table].quarantined.emplace(record.key_tuple, record.key);
}

void Applier::reserve_range_ids(RangeId used) {
  last_range_id_ = std::max(last_range_id_, used.value());
}

void Applier::prove(const Snapshot& snapshot) {
  reference_ = std::max(reference_, snapshot.xmax);
  std::erase_if(unproven_, [&](Xid xid) { return snapshot.sees(xid); });
  for (auto& state : tables_) state.fences.prove(snapshot);
}

Status Applier::on_event(const LogEvent& event, Instant now) {
  struct Visitor {
    Applier& self;
    Instant now;

    Status operator()(const Begin& e) { return self.begin(e, now); }
    Status operator()(const PartEnd&) { return self.part_end(); }
    Status operator()(const NextPart& e) { return self.next_part(e); }
    Status operator()(const Commit& e) { return self.commit(e); }
    Status operator()(const Relation& e) { return self.routes_.learn(e), Status{}; }
    Status operator()(const Insert& e) { return self.insert(e.relation, e.after); }
    Status operator()(const Update& e) { return self.update(e.relation, e.before, e.after); }
    Status operator()(const Delete& e) { return self.remove(e.relation, e.before); }
    Status operator()(const Truncate& e) { return self.truncate(e); }
    Status operator()(const Message& e) {
      if (self.transaction_ && e.prefix == "oxbow") self.transaction_->markers.push_back(e.content);
      return {};
    }
    Status operator()(const Origin& e) { return self.name_origin(e.name); }
    Status operator()(const Keepalive& e) {
      if (self.between_transactions()) self.seen_ = std::max(self.seen_, e.end_lsn);
      return {};
    }
  };
  return std::visit(Visitor{*this, now}, event);
}

Status Applier::begin(const Begin& begin, Instant now) {
  if (transaction_) return Err(ErrorCode::internal, "the log begins a transaction inside another");
  last_close_.reset();
  transaction_ = Transaction{.xid = widen(begin.xid, reference_),
                             .final_lsn = begin.final_lsn,
                             .committed_at = begin.committed_at,
                             .already_applied = !begin.in_parts && begin.final_lsn < applied_,
                             .in_parts = begin.in_parts,
                             .is_echo = false,
                             .markers = {}};
  group_came_in_parts_ = group_came_in_parts_ || begin.in_parts;
  reference_ = std::max(reference_, transaction_->xid);
  if (!transaction_->already_applied && !group_since_) group_since_ = now;
  return {};
}

// What our own stream back has written is on the other side already: there it comes from.
Status Applier::name_origin(std::string_view origin) {
  if (!transaction_) return Err(ErrorCode::internal, "the log names an origin outside of a transaction");
  transaction_->is_echo = !own_origins_.empty() && origin.starts_with(own_origins_);
  return {};
}

Status Applier::part_end() {
  if (!transaction_ || !transaction_->in_parts)
    return Err(ErrorCode::internal, "the log pauses a transaction that does not come in parts");
  auto xid = static_cast<std::uint32_t>(transaction_->xid.value());
  paused_.emplace(xid, std::move(*transaction_));
  transaction_.reset();
  return {};
}

Status Applier::next_part(const NextPart& next) {
  auto paused = paused_.extract(next.xid);
  if (transaction_ || !paused)
    return Err(ErrorCode::internal, "the log resumes transaction {}, which is not paused", next.xid);
  transaction_ = std::move(paused.mapped());
  return {};
}

Status Applier::commit(const Commit& commit) {
  if (commit.xid != 0) TRY(next_part({commit.xid}));
  if (!transaction_) return Err(ErrorCode::internal, "the log commits a transaction that it did not begin");
  if (!transaction_->already_applied) {
    unproven_.push_back(transaction_->xid);
    applied_ = commit.end_lsn;
    seen_ = std::max(seen_, applied_);
    last_commit_time_ = commit.committed_at;
    ++counters_.transactions;
    std::ranges::move(transaction_->markers, std::back_inserter(markers_));
  }
  transaction_.reset();
  return {};
}

Status Applier::insert(RelationId relation, std::string_view after) {
  if (transaction_->is_passed_over()) return {};
  for (const auto& route : *TRY(routes_.of(relation))) {
    std::string scratch;
    TRY(route_change(route, RowOp::insert, route.project(after, scratch)));
  }
  return {};
}

Status Applier::update(RelationId relation, std::string_view before, std::string_view after) {
  if (transaction_->is_passed_over()) return {};
  for (const auto& route : *TRY(routes_.of(relation))) {
    std::string old_scratch, new_scratch;
    auto old_row = before.empty() ? before : route.project(before, old_scratch);
    TRY(update_row(route, old_row, route.project(after, new_scratch)));
  }
  return {};
}

Status Applier::remove(RelationId relation, std::string_view before) {
  if (transaction_->is_passed_over()) return {};
  for (const auto& route : *TRY(routes_.of(relation))) {
    std::string scratch;
    TRY(route_change(route, RowOp::remove, route.project(before, scratch)));
  }
  return {};
}

// An update that changes the key is a remove under one key and an insert under another, each behind its own
// fence.
Status Applier::update_row(const RelationRoute& route, std::string_view before, std::string_view after) {
  if (before.empty()) return route_change(route, RowOp::update, after);
  const TableState& state = tables_[route.table];
  std::string filled;
  if (has_unsent(after)) {
    filled = merge_fields(before, after);
    after = filled;
  }
  bool has_key = !state.table.mapping->source_key.empty();
  if (has_key && key_of(state, before) == key_of(state, after)) {
    // A row may go over to an entity of another cohort without a change of its own key.
    auto from = TRY(cohort(state, before));
    auto to = TRY(cohort(state, after));
    if (!from || from == to) return route_change(route, RowOp::update, after);
  }
  TRY(route_change(route, RowOp::remove, before));
  return route_change(route, RowOp::insert, after);
}

// Every fence that has a say about this row says what happens to the change.
Status Applier::route_change(const RelationRoute& route, RowOp op, std::string_view tuple) {
  TableState& state = tables_[route.table];
  ++counters_.changes;
  auto of = TRY(cohort(state, tuple));
  if (of && is_elsewhere_ && !state.fences.covers(*of) && is_elsewhere_(route.table, *of))
    note_stray(state, tuple, *of);
  if (route.misfit) state.changed.forget();
  if (route.misfit) return pass_over(state, tuple, of, *route.misfit);
  auto key = key_of(state, tuple);
  if (state.changed.is_active()) state.changed.record(of, key);
  if (touched_.is_active()) touched_.record(state.table.mapping->target.id, key, transaction_->xid);

  bool applies = false;
  std::vector<FenceBook::Range*> holding;
  state.fences.for_each(key, of, [&](FenceBook::Range* range) {
    auto verdict = range == nullptr ? Fence::Verdict::apply
                                    : range->fence.judge(transaction_->xid, transaction_->final_lsn);
    if (verdict == Fence::Verdict::apply) applies = true;
    if (verdict == Fence::Verdict::hold) holding.push_back(range);
  });
  if (!applies && holding.empty()) return {};

  RowChange change{op, std::string(tuple), transaction_->xid, transaction_->final_lsn, !of.has_value()};
  for (auto* range : holding) {
    range->held_bytes += tuple.size() + sizeof(RowChange);
    if (range->held_bytes > limits_.held_bytes_max) {
      copy_again(*range);
    } else {
      range->held.push_back(change);
    }
  }
  if (!applies) return {};

  auto rows_before = state.merger.rows();
  auto bytes_before = state.merger.bytes();
  TRY(apply_change(state, state.merger, change, steps_));
  merged_rows_ += state.merger.rows() - rows_before;
  merged_bytes_ += state.merger.bytes() - bytes_before;
  return {};
}

void Applier::note_stray(const TableState& state, std::string_view tuple, CohortId cohort) {
  if (strays_.rows.size() == kStraysMax) {
    ++strays_.more;
    return;
  }
  strays_.rows.push_back({state.table.mapping->target.id, cohort, shown_key(*state.table.mapping, tuple),
                          transaction_->final_lsn});
}

// A row that does not fit the mapping does no harm where nobody follows it, and where a copy has its change
// or will have it. A copy under way would have to hold it, so that one begins again.
Status Applier::pass_over(TableState& state, std::string_view tuple, std::optional<CohortId> cohort,
                          const Error& misfit) {
  bool applies = false;
  auto judge = [&](FenceBook::Range* range) {
    auto verdict = range == nullptr ? Fence::Verdict::apply
                                    : range->fence.judge(transaction_->xid, transaction_->final_lsn);
    if (verdict == Fence::Verdict::hold) copy_again(*range);
    applies = applies || verdict == Fence::Verdict::apply;
  };
  auto key = key_of(state, tuple);
  bool key_is_known = state.table.mapping->source_key.empty() || !has_unsent(key);
  if (key_is_known) {
    state.fences.for_each(key, cohort, judge);
  } else {
    state.fences.for_each_possible(cohort, [&](FenceBook::Range& range) { judge(&range); });
  }
  if (applies) return std::unexpected(misfit);
  return {};
}

Status Applier::apply_change(TableState& state, RowMerger& merger, const RowChange& change,
                             std::vector<WriteStep>& steps) {
  if (!state.quarantined.empty()) {
    auto key = key_of(state, change.tuple);
    if (state.quarantined.contains(key)) return wait_in_quarantine(state, change, key, steps), Status{};
  }
  switch (change.op) {
    case RowOp::insert:
      if (has_unsent(change.tuple)) return read_again(state, change, steps), Status{};
      return merger.insert(change.tuple, change.commit_lsn);
    case RowOp::update:
      return merger.update(change.tuple, change.commit_lsn);
    case RowOp::remove:
      return merger.remove(change.tuple, change.commit_lsn, change.missing_allowed);
  }
  OXBOW_ASSERT(false, "a change has kind {}", static_cast<int>(change.op));
}

// What is gone on the source can be gone here, too; then nothing of it has to wait any more.
void Applier::wait_in_quarantine(TableState& state, const RowChange& change, const std::string& key,
                                 std::vector<WriteStep>& steps) {
  if (change.op == RowOp::remove && !state.table.mapping->source_key.empty()) {
    release(state, key, steps);
    std::ranges::move(remove_key_steps(state.table.mapping->target.id, key), std::back_inserter(steps));
  } else {
    auto record = quarantine_row(state, change.op, change.tuple, change.commit_lsn,
                                 "an earlier change of this key waits in quarantine");
    record.is_behind = true;
    steps.push_back(std::move(record));
  }
}

void Applier::release(TableState& state, std::string_view key, std::vector<WriteStep>& steps) {
  auto waiting = state.quarantined.find(key);
  if (waiting == state.quarantined.end()) return;
  steps.push_back(QuarantineRelease{state.table.mapping->target.id, waiting->first, waiting->second});
  auto released = state.quarantined.extract(waiting);
  if (last_close_) last_close_->released.insert(std::move(released));
}

bool Applier::retry(std::uint32_t table, const std::string& key) {
  TableState& state = tables_[table];
  if (state.table.mapping->source_key.empty()) return false;
  if (state.fences.find_point(key) != nullptr) return true;
  if (!add_point(state, key, not_surely_visible())) return false;
  state.fences.find_point(key)->after_others = true;
  return true;
}

// What a copy that begins now has to see, because its changes were passed over until now.
std::vector<Xid> Applier::not_surely_visible() const {
  auto xids = unproven_;
  if (transaction_) xids.push_back(transaction_->xid);
  return xids;
}

// The row is new under its key, yet the log does not carry all of it: its large values did not change. They
// are read from the source like a range of one key, and the record that says so is committed with this group.
void Applier::read_again(TableState& state, const RowChange& change, std::vector<WriteStep>& steps) {
  auto key = key_of(state, change.tuple);
  auto point = add_point(state, key, {change.xid});
  if (point && last_close_) last_close_->points.push_back(key);
  if (point) return steps.push_back(std::move(*point));
  steps.push_back(quarantine_row(
      state, change.op, change.tuple, change.commit_lsn,
      fmt::format("its key changed and its large values cannot be read again: {}", point.error().detail)));
}

// `unsupported` if the key has no text to ask the source by.
Result<RangeRecord> Applier::add_point(TableState& state, std::string key, const std::vector<Xid>& skipped) {
  const auto& mapping = *state.table.mapping;
  KeyBound bound{key, {}};
  for (std::size_t i = 0; i < mapping.source_key.size(); ++i)
    bound.literals.push_back(TRY(binary_to_text(mapping.source_key[i].type, field_at(key, i).bytes)));
  RangeRecord record{
      .id = next_range_id(), .table = mapping.target.id, .job = kPointJob, .range = {bound, bound}};
  state.fences.add_point(record, std::move(key), skipped);
  return record;
}

std::vector<WriteStep> Applier::read_again_later(const RowWrite& write, std::size_t row) {
  TableState& state = tables_[write.batch.table->id];
  if (state.table.mapping->source_key.empty() || state.fences.all_settled()) return {};
  auto key = key_of(state, write.origin[row].tuple);
  auto steps = remove_key_steps(write.batch.table->id, key);
  auto point = add_point(state, key, not_surely_visible());
  if (!point) return {};
  if (last_close_) last_close_->points.push_back(key);
  state.fences.find_point(key)->after_others = true;
  steps.push_back(std::move(*point));
  return steps;
}

Status Applier::truncate(const Truncate& truncate) {
  if (transaction_->is_passed_over()) return {};
  for (auto relation : truncate.relations) {
    for (const auto& route : *TRY(routes_.of(relation))) {
      TableState& state = tables_[route.table];
      ++counters_.changes;
      flush_mergers();
      state.changed.truncated();
      // While a copy is under way, what it has and what it lacks is simplest told by starting over: the table
      // is empty or nearly so.
      bool copying = !state.fences.all_settled();
      if (copying) std::ranges::move(state.fences.restart(transaction_->xid), std::back_inserter(steps_));
      steps_.push_back(TruncateWrite{&state.table.mapping->target, copying, transaction_->xid});
      if (state.quarantined.empty()) continue;
      state.quarantined.clear();
      steps_.push_back(QuarantineRelease{route.table, {}, {}});
    }
  }
  return {};
}

Result<std::optional<CohortId>> Applier::cohort(const TableState& state, std::string_view tuple) const {
  return cohort_of_row(*state.table.mapping, *state.table.cohorts, tuple);
}

std::string Applier::key_of(const TableState& state, std::string_view tuple) const {
  const auto& fields = state.table.mapping->source_key_fields;
  if (fields.empty()) return std::string(tuple);
  std::string key;
  project(tuple, fields, key);
  return key;
}

bool Applier::group_is_due(Instant now, bool log_is_idle) const {
  if (!group_since_ || !between_transactions()) return false;
  return log_is_idle || has_markers() || group_rows_ + merged_rows_ >= limits_.group_rows_max ||
         now - *group_since_ >= limits_.group_age_max;
}

StreamPosition Applier::position() const {
  return {applied_, unproven_};
}

void Applier::group_committed() {
  OXBOW_ASSERT(between_transactions() && steps_.empty() && merged_rows_ == 0,
               "a group is committed with rows unwritten");
  group_since_.reset();
  group_came_in_parts_ = false;
  group_rows_ = 0;
}

std::optional<Lsn> Applier::confirmable() const {
  if (group_since_ || !between_transactions()) return std::nullopt;
  return seen_;
}

std::vector<std::string> Applier::take_markers() {
  return std::exchange(markers_, {});
}

std::vector<WriteStep> Applier::take_steps() {
  flush_mergers();
  rows_in_steps_ = bytes_in_steps_ = 0;
  return std::exchange(steps_, {});
}

void Applier::flush_mergers() {
  for (auto& state : tables_) {
    if (!state.merger.empty()) merged_to_steps(state, state.merger.take(), steps_);
  }
  group_rows_ += merged_rows_;
  rows_in_steps_ += merged_rows_;
  bytes_in_steps_ += merged_bytes_;
  merged_rows_ = 0;
  merged_bytes_ = 0;
}

bool Applier::needs_another_snapshot(std::uint32_t table, RangeId id, const CopiedRange& copied) {
  const auto* range = tables_[table].fences.find(id);
  if (!range->record.range.is_point()) return false;
  return std::ranges::any_of(range->held, [&](const RowChange& change) {
    return change.op == RowOp::insert && has_unsent(change.tuple) &&
           !range->fence.contains(change.xid, change.commit_lsn, copied.snapshot, copied.snapshot_at);
  });
}

std::vector<WriteStep> Applier::close_range(std::uint32_t table, RangeId id, const CopiedRange& copied) {
  OXBOW_ASSERT(!group_since_, "range {} is closed inside a group", id.value());
  TableState& state = tables_[table];
  auto* range = state.fences.find(id);
  OXBOW_ASSERT(range != nullptr && range->fence.phase() == Fence::Phase::opening, "range {} is not opening",
               id.value());

  last_close_ = LastClose{table, *range, counters_, {}, {}, {}};
  std::vector<WriteStep> steps;
  for (const auto& row : copied.rejected) {
    steps.push_back(quarantine_row(state, RowOp::insert, row.tuple, copied.snapshot_at, row.reason));
  }
  if (range->record.range.is_point() && copied.rejected.empty())
    release(state, range->record.range.lower.tuple, steps);
  RowMerger merger(state.table.mapping->source_key_fields);
  auto held = std::exchange(range->held, {});
  range->held_bytes = 0;
  auto fence = range->fence;
  range->fence.close(copied.snapshot, copied.snapshot_at);
  range->record.phase = RangePhase::copied;
  range->record.snapshot = copied.snapshot;
  range->record.settled_at = copied.snapshot_at;
  range->record.rows = copied.rows;
  auto record = range->record;
  for (const auto& change : held) {
    if (fence.contains(change.xid, change.commit_lsn, copied.snapshot, copied.snapshot_at)) continue;
    // An earlier held change may have sent its key to be read again; then this one waits for that, too.
    auto* point = state.fences.find_point(key_of(state, change.tuple));
    if (point != nullptr && point != range) {
      point->fence.judge(change.xid, change.commit_lsn);
      continue;
    }
    auto applied = apply_change(state, merger, change, steps);
    OXBOW_ASSERT(applied, "{}", applied.error().detail);
  }
  merged_to_steps(state, merger.take(), steps);
  steps.push_back(record);
  return steps;
}

bool Applier::closes_behind_snapshot(std::uint32_t table, RangeId id) {
  const auto& mirrored = tables_[table].table;
  const auto& record = tables_[table].fences.find(id)->record;
  bool beside_other_cohorts = mirrored.cohort_count > 1 && record.cohorts.size() < mirrored.cohort_count;
  return protections_.close_behind_snapshot &&
         (mirrored.mapping->rows_exclude_each_other || beside_other_cohorts);
}

void Applier::undo_close() {
  OXBOW_ASSERT(last_close_, "no range was closed since the last event");
  TableState& state = tables_[last_close_->table];
  for (const auto& key : last_close_->quarantined) state.quarantined.erase(key);
  state.quarantined.merge(last_close_->released);
  counters_ = last_close_->counters;
  for (const auto& key : last_close_->points) state.fences.remove_point(key);
  auto id = last_close_->before.record.id;
  *state.fences.find(id) = std::move(last_close_->before);
  abandon_range(last_close_->table, id);
  last_close_.reset();
}

void Applier::abandon_range(std::uint32_t table, RangeId id) {
  copy_again(*tables_[table].fences.find(id));
}

std::vector<WriteStep> Applier::steps_for(std::uint32_t table, std::vector<MergedRow> rows) {
  std::vector<WriteStep> steps;
  merged_to_steps(tables_[table], std::move(rows), steps);
  return steps;
}

std::vector<WriteStep> Applier::remove_key_steps(std::uint32_t table, std::string_view key) {
  TableState& state = tables_[table];
  const auto& mapping = *state.table.mapping;
  std::vector<Field> fields(mapping.source_columns.size(), Field::unsent());
  FieldReader reader(key);
  for (std::size_t place : mapping.source_key_fields) fields[place] = reader.next();
  return steps_for(table,
                   {{.op = RowOp::remove, .tuple = make_tuple_bytes(fields), .missing_allowed = true}});
}

void Applier::merged_to_steps(TableState& state, std::vector<MergedRow> rows, std::vector<WriteStep>& steps) {
  const auto& mapping = *state.table.mapping;
  struct Shape {
    RowOp op;
    bool missing_allowed;
    std::vector<bool> sent;
    bool operator==(const Shape&) const = default;
  };
  std::vector<std::pair<Shape, RowWrite>> writes;
  std::string target;
  for (auto& row : rows) {
    target.clear();
    bool by_key = row.op == RowOp::remove && !mapping.source_key.empty();
    auto mapped = by_key ? state.mapper.map_key(row.tuple, target) : state.mapper.map(row.tuple, target);
    if (!mapped) {
      steps.push_back(quarantine_row(state, row.op, row.tuple, row.lsn, mapped.error().detail));
      continue;
    }
    Shape shape{row.op, row.missing_allowed, {}};
    if (row.op == RowOp::update) shape.sent = sent_fields(target);
    auto at = std::ranges::find(writes, shape, &std::pair<Shape, RowWrite>::first);
    if (at == writes.end()) {
      at = writes.insert(writes.end(), {shape, RowWrite{}});
      at->second.batch.table = &mapping.target;
      at->second.batch.op = shape.op;
      at->second.batch.sent = shape.sent;
      at->second.batch.missing_allowed = shape.missing_allowed;
    }
    auto& batch = at->second.batch;
    for (std::int64_t copy = 0; copy < row.copies; ++copy) {
      batch.offsets.push_back(batch.tuples.size());
      if (by_key) {
        key_only_tuple(mapping, target, batch.tuples);
      } else {
        null_where_unsent(target, batch.tuples);
      }
      ++batch.rows;
      at->second.origin.push_back(row);
    }
    ++counters_.rows_written;
  }
  for (auto& [shape, write] : writes) steps.push_back(std::move(write));
}

QuarantineRecord Applier::quarantine(const RowWrite& write, std::size_t row, const Error& reason) {
  TableState& state = tables_[write.batch.table->id];
  const auto& origin = write.origin[row];
  return quarantine_row(state, origin.op, origin.tuple, origin.lsn, reason.detail);
}

std::string Applier::describe(const RowWrite& write, std::size_t row) const {
  return shown_key(*tables_[write.batch.table->id].table.mapping, write.origin[row].tuple);
}

QuarantineRecord Applier::quarantine_row(TableState& state, RowOp op, std::string_view tuple, Lsn lsn,
                                         std::string reason) {
  ++counters_.quarantined;
  auto key = key_of(state, tuple);
  auto shown = shown_key(*state.table.mapping, tuple);
  bool is_new = state.quarantined.emplace(key, shown).second;
  if (is_new && last_close_) last_close_->quarantined.push_back(key);
  return {.table = state.table.mapping->target.id,
          .key = std::move(shown),
          .key_tuple = std::move(key),
          .reason = std::move(reason),
          .sqlstate = {},
          .row = std::string(tuple),
          .op = op,
          .lsn = lsn};
}

}  // namespace oxbow
