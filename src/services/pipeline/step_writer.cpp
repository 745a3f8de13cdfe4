#include "services/pipeline/step_writer.hpp"

#include <map>
#include <utility>

namespace oxbow {
namespace {

constexpr std::string_view phrase(RowOp op) {
  switch (op) {
    case RowOp::insert:
      return "an insert";
    case RowOp::update:
      return "an update";
    case RowOp::remove:
      return "a delete";
  }
  return "?";
}

// A unique value or an exclusion constraint: another row stands in the way, which may itself be about to
// move.
bool is_clash(const Error& error) {
  return error.detail.starts_with("23505 ") || error.detail.starts_with("23P01 ");
}

}  // namespace

RowWrite part_of(const RowWrite& write, std::size_t begin, std::size_t end) {
  RowWrite part;
  const auto& batch = write.batch;
  part.batch.table = batch.table;
  part.batch.op = batch.op;
  part.batch.sent = batch.sent;
  part.batch.missing_allowed = batch.missing_allowed;
  part.batch.spared = batch.spared;
  part.batch.rows = end - begin;
  auto from = batch.offsets[begin];
  auto to = end < batch.rows ? batch.offsets[end] : batch.tuples.size();
  part.batch.tuples = batch.tuples.substr(from, to - from);
  for (auto i = begin; i < end; ++i) part.batch.offsets.push_back(batch.offsets[i] - from);
  part.origin.assign(write.origin.begin() + static_cast<std::ptrdiff_t>(begin),
                     write.origin.begin() + static_cast<std::ptrdiff_t>(end));
  return part;
}

Task<void> StepWriter::write(std::vector<WriteStep> steps) {
  for (auto& step : steps) CO_TRY(co_await write_step(std::move(step)));
  co_return co_await settle_clashes();
}

Task<void> StepWriter::write_step(WriteStep step) {
  if (auto* rows = std::get_if<RowWrite>(&step)) {
    bool is_staged = rows->batch.table != &plan_.tables[rows->batch.table->id].mapping.target;
    if (!is_staged) rows->batch.spared = parts_.spared(rows->batch.table->id);
    CO_TRY(co_await write_rows(std::move(*rows)));
  } else if (auto* truncate = std::get_if<TruncateWrite>(&step)) {
    CO_TRY(co_await settle_clashes());
    CO_TRY(co_await writer_.truncate(*truncate->table, truncate->beside_copies, truncate->wanted_by));
  } else if (auto* record = std::get_if<RangeRecord>(&step)) {
    CO_TRY(co_await writer_.save_range(*record));
  } else if (auto* quarantined = std::get_if<QuarantineRecord>(&step)) {
    CO_TRY(co_await quarantine(std::move(*quarantined)));
  } else if (auto* release = std::get_if<QuarantineRelease>(&step)) {
    CO_TRY(co_await writer_.release(*release));
    parts_.released.push_back(std::move(*release));
  }
  co_return Status{};
}

Task<void> StepWriter::settle_clashes() {
  settling_ = true;
  auto left = std::exchange(clashing_, {});
  std::map<const TargetTable*, std::vector<RowWrite>> updates;
  std::vector<RowWrite> inserts;
  for (auto& write : left) {
    bool is_update = write.batch.op == RowOp::update;
    (is_update ? updates[write.batch.table] : inserts).push_back(std::move(write));
  }
  for (auto& [table, writes] : updates) CO_TRY(co_await settle_updates(std::move(writes)));
  for (auto& write : inserts) CO_TRY(co_await write_rows(std::move(write)));
  settling_ = false;
  co_return Status{};
}

Task<void> StepWriter::settle_updates(std::vector<RowWrite> updates) {
  std::vector<const RowBatch*> batches;
  for (const auto& write : updates) batches.push_back(&write.batch);
  auto outcomes = co_await writer_.apply_together(std::move(batches));
  if (!outcomes && outcomes.error().code != ErrorCode::row_rejected)
    co_return std::unexpected(outcomes.error());
  for (std::size_t i = 0; i < updates.size(); ++i) {
    if (!outcomes) {  // a row among them is rejected for another reason
      CO_TRY(co_await write_rows(std::move(updates[i])));
      continue;
    }
    if (!updates[i].batch.missing_allowed) report_missing(updates[i], (*outcomes)[i]);
    for (auto row : (*outcomes)[i].clashing) CO_TRY(co_await write_rows(part_of(updates[i], row, row + 1)));
  }
  co_return Status{};
}

Task<void> StepWriter::write_rows(RowWrite write) {
  auto outcome = co_await writer_.apply(write.batch);
  if (outcome) {
    if (!write.batch.missing_allowed) report_missing(write, *outcome);
    co_return Status{};
  }
  if (outcome.error().code != ErrorCode::row_rejected) co_return std::unexpected(outcome.error());
  if (!settling_ && is_clash(outcome.error()) && write.batch.op != RowOp::remove) {
    clashing_.push_back(std::move(write));
    co_return Status{};
  }
  if (write.batch.rows == 1) co_return co_await give_up_row(std::move(write), outcome.error());
  auto middle = write.batch.rows / 2;
  auto first = part_of(write, 0, middle);
  auto second = part_of(write, middle, write.batch.rows);
  CO_TRY(co_await write_rows(std::move(first)));
  co_return co_await write_rows(std::move(second));
}

Task<void> StepWriter::give_up_row(RowWrite row, Error reason) {
  if (on_reject_ == OnReject::give_up) {
    co_return Err(ErrorCode::needs_care, "a row with {} is rejected within a large transaction: {}",
                  applier_.describe(row, 0), reason.detail);
  }
  if (is_clash(reason)) {
    auto steps = applier_.read_again_later(row, 0);
    for (auto& step : steps) CO_TRY(co_await write_step(std::move(step)));
    if (!steps.empty()) co_return Status{};
  }
  auto record = applier_.quarantine(row, 0, reason);
  co_return co_await quarantine(std::move(record));
}

Task<void> StepWriter::quarantine(QuarantineRecord record) {
  if (!record.is_behind) report_refused(record);
  co_return co_await writer_.quarantine(record);
}

void StepWriter::report_refused(const QuarantineRecord& record) {
  const auto& table = plan_.tables[record.table];
  parts_.context.report({.kind = FindingKind::quarantined_row,
                         .entity = table.entity,
                         .table = to_string(table.mapping.source),
                         .key = record.key,
                         .sentence = fmt::format(
                             "the {} side does not take a row of {}; it waits in quarantine, and so do later "
                             "changes of its key: mend the cause, then run `oxbow quarantine --retry KEY`",
                             name(target_of(plan_.course)), to_string(table.mapping.source)),
                         .detail = record.reason,
                         .owner = parts_.context.spec.owners.coexistence});
}

void StepWriter::report_missing(const RowWrite& write, const BatchOutcome& outcome) {
  for (auto row : outcome.missing) {
    const auto& table = plan_.tables[write.batch.table->id];
    auto record = applier_.describe(write, row);
    parts_.context.report(
        {.kind = FindingKind::rows_unexpected,
         .entity = table.entity,
         .table = to_string(table.mapping.target.name),
         .key = record,
         .sentence = fmt::format("{} of this row of {} met no row in {}; somebody else removed it there",
                                 phrase(write.batch.op), to_string(table.mapping.source),
                                 to_string(table.mapping.target.name)),
         .detail = {},
         .owner = parts_.context.spec.owners.new_side});
  }
}

}  // namespace oxbow
