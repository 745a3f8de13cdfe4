#include "flow/backfill/reconciliation.hpp"

#include "core/merge/row_merger.hpp"
#include "model/tuple.hpp"
#include "protocol/copy_binary.hpp"

namespace oxbow {

void Reconciliation::add_present(std::string_view tuples) {
  while (!tuples.empty()) {
    auto tuple = tuples.substr(0, tuple_size(tuples));
    tuples.remove_prefix(tuple.size());
    present_.emplace(key_of(tuple), tuple);
  }
}

std::vector<MergedRow> Reconciliation::judge(RangeCopy& copy, std::string_view source_tuples) {
  std::vector<MergedRow> rows;
  std::string target;
  while (!source_tuples.empty()) {
    auto tuple = source_tuples.substr(0, tuple_size(source_tuples));
    source_tuples.remove_prefix(tuple.size());
    target.clear();
    auto mapped = mapper_.map(tuple, target);
    if (!mapped) {
      copy.row_rejected(std::string(tuple), mapped.error().detail);
      continue;
    }
    auto present = present_.find(key_of(target));
    if (present == present_.end()) {
      rows.push_back({.op = RowOp::insert, .tuple = std::string(tuple)});
      continue;
    }
    if (present->second != target) rows.push_back({.op = RowOp::update, .tuple = std::string(tuple)});
    present_.erase(present);
  }
  return rows;
}

RowWrite Reconciliation::leftovers() {
  RowWrite write;
  write.batch.table = &mapping_.target;
  write.batch.op = RowOp::remove;
  write.batch.missing_allowed = true;
  for (const auto& [key, tuple] : present_) {
    write.batch.offsets.push_back(write.batch.tuples.size());
    write.batch.tuples += tuple;
    write.origin.push_back({.op = RowOp::remove});
    ++write.batch.rows;
  }
  return write;
}

std::string Reconciliation::key_of(std::string_view target_tuple) const {
  if (mapping_.target_key_fields.empty()) return std::string(target_tuple);
  std::string key;
  project(target_tuple, mapping_.target_key_fields, key);
  return key;
}

}  // namespace oxbow
