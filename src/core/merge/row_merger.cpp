#include "core/merge/row_merger.hpp"

#include <algorithm>
#include <utility>

#include "model/tuple.hpp"

namespace oxbow {
namespace {

Status impossible(std::string_view history) {
  return Err(ErrorCode::internal, "the log holds {} of one row within a transaction group", history);
}

}  // namespace

void project(std::string_view tuple, const std::vector<std::size_t>& fields, std::string& out) {
  out.clear();
  append_big_endian(out, static_cast<std::uint16_t>(fields.size()));
  for (std::size_t wanted : fields) {
    auto field = field_at(tuple, wanted);
    append_big_endian(out, field.kind == Field::Kind::value ? static_cast<std::int32_t>(field.bytes.size())
                                                            : std::int32_t{field.is_null() ? -1 : -2});
    out.append(field.bytes);
  }
}

std::string merge_fields(std::string_view older, std::string_view newer) {
  TupleBuilder merged;
  merged.begin(field_count(newer));
  FieldReader before(older), after(newer);
  while (!after.done()) {
    auto field = after.next();
    auto fallback = before.next();
    merged.add(field.is_unsent() ? fallback : field);
  }
  return merged.take();
}

RowMerger::RowMerger(std::vector<std::size_t> key_fields) : key_fields_(std::move(key_fields)) {}

Status RowMerger::insert(std::string_view tuple, Lsn lsn) {
  if (key_fields_.empty()) return count(tuple, +1, lsn), Status{};
  auto key = key_of(tuple);
  Row* row = find(key);
  // Whether the removed row was ours is not known, so it must not be turned into an update of it.
  bool apart = row != nullptr && row->merged.op == RowOp::remove && row->merged.missing_allowed;
  if (row == nullptr || apart) return add(key, tuple, RowOp::insert, lsn), Status{};
  if (row->gone) {
    row->gone = false;
  } else if (row->merged.op == RowOp::remove) {
    row->merged.op = RowOp::update;
  } else {
    return impossible("an insert behind an insert or update");
  }
  bytes_ += tuple.size() - row->merged.tuple.size();
  row->merged.tuple = tuple;
  row->merged.lsn = lsn;
  return {};
}

Status RowMerger::update(std::string_view tuple, Lsn lsn) {
  auto key = key_of(tuple);
  Row* row = find(key);
  if (row == nullptr) return add(key, tuple, RowOp::update, lsn), Status{};
  if (row->gone || row->merged.op == RowOp::remove) return impossible("an update behind a remove");
  bytes_ -= row->merged.tuple.size();
  row->merged.tuple = has_unsent(tuple) ? merge_fields(row->merged.tuple, tuple) : std::string(tuple);
  bytes_ += row->merged.tuple.size();
  row->merged.lsn = lsn;
  return {};
}

Status RowMerger::remove(std::string_view tuple, Lsn lsn, bool missing_allowed) {
  if (key_fields_.empty()) return count(tuple, -1, lsn), Status{};
  auto key = key_of(tuple);
  Row* row = find(key);
  if (row == nullptr) {
    add(key, tuple, RowOp::remove, lsn).merged.missing_allowed = missing_allowed;
    return {};
  }
  if (row->gone || row->merged.op == RowOp::remove) return impossible("a remove behind a remove");
  if (row->merged.op == RowOp::insert) {
    row->gone = true;
  } else {
    row->merged.op = RowOp::remove;
  }
  row->merged.lsn = lsn;
  return {};
}

std::vector<MergedRow> RowMerger::take() {
  static_assert(RowOp::remove < RowOp::update && RowOp::update < RowOp::insert);
  std::vector<Row*> rows;
  rows.reserve(rows_.size());
  for (auto& row : rows_) {
    if (row.merged.copies < 0) {
      row.merged.op = RowOp::remove;
      row.merged.copies = -row.merged.copies;
    }
    if (!row.gone && row.merged.copies > 0) rows.push_back(&row);
  }
  auto place = [](const Row* row) { return std::pair(row->merged.op, row->key); };
  if (!std::ranges::is_sorted(rows, {}, place)) std::ranges::sort(rows, {}, place);
  std::vector<MergedRow> out;
  out.reserve(rows.size());
  for (auto* row : rows) out.push_back(std::move(row->merged));
  rows_.clear();
  by_key_.clear();
  bytes_ = 0;
  return out;
}

RowMerger::Row* RowMerger::find(std::string_view key) {
  auto at = by_key_.find(key);
  return at == by_key_.end() ? nullptr : &rows_[at->second];
}

RowMerger::Row& RowMerger::add(std::string_view key, std::string_view tuple, RowOp op, Lsn lsn) {
  auto at = by_key_.insert_or_assign(std::string(key), rows_.size()).first;
  bytes_ += tuple.size() + key.size();
  Row row;
  row.merged.op = op;
  row.merged.tuple = tuple;
  row.merged.lsn = lsn;
  row.key = at->first;
  return rows_.emplace_back(std::move(row));
}

std::string_view RowMerger::key_of(std::string_view tuple) {
  project(tuple, key_fields_, key_);
  return key_;
}

void RowMerger::count(std::string_view tuple, std::int64_t delta, Lsn lsn) {
  Row* row = find(tuple);
  if (row == nullptr) {
    row = &add(tuple, tuple, RowOp::insert, lsn);
    row->merged.copies = 0;
  }
  row->merged.copies += delta;
  row->merged.lsn = lsn;
}

}  // namespace oxbow
