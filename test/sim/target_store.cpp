#include "sim/target_store.hpp"

#include <fmt/core.h>

#include <algorithm>

#include "model/tuple.hpp"

namespace oxbow::sim {
namespace {

struct TargetRow {
  std::int64_t key;
  Row row;
};

TargetRow decode(std::string_view tuple) {
  std::vector<Field> fields;
  read_fields(tuple, fields);
  TargetRow out{read_big_endian<std::int64_t>(fields[0].bytes.data()), {}};
  if (!fields[1].is_null()) out.row.value = read_big_endian<std::int64_t>(fields[1].bytes.data());
  out.row.large = fields[2].bytes;
  return out;
}

}  // namespace

void TargetStore::commit(Transaction transaction) {
  for (const auto& write : transaction.writes_) {
    if (auto* rows = std::get_if<Rows>(&write)) copy(*rows);
    if (auto* step = std::get_if<WriteStep>(&write)) perform(*step);
  }
  if (unique_values_) check_values();
  if (!transaction.position_) return;
  if (stored_.position && transaction.position_->lsn < stored_.position->lsn)
    anomalies_.push_back("the stream's position moves back");
  stored_.position = transaction.position_;
}

void TargetStore::check_values() {
  std::map<std::int64_t, std::int64_t> holders;
  for (const auto& [key, row] : stored_.rows) {
    if (!holders.emplace(row.value, key).second) anomaly("a row has the unique value of another", key);
  }
}

void TargetStore::copy(const Rows& rows) {
  for (const auto& [key, row] : rows) {
    if (!stored_.rows.emplace(key, row).second) anomaly("the copy meets a row that is there already", key);
  }
}

void TargetStore::perform(const WriteStep& step) {
  if (auto* write = std::get_if<RowWrite>(&step)) apply(*write);
  if (std::get_if<TruncateWrite>(&step)) stored_.rows.clear();
  if (auto* record = std::get_if<RangeRecord>(&step)) save(*record);
  if (auto* record = std::get_if<QuarantineRecord>(&step)) stored_.quarantine[record->key_tuple] = *record;
  if (auto* release = std::get_if<QuarantineRelease>(&step)) {
    std::erase_if(stored_.quarantine, [&](const auto& entry) {
      return release->key_tuple.empty() || entry.first == release->key_tuple;
    });
  }
}

void TargetStore::apply(const RowWrite& write) {
  const auto& batch = write.batch;
  for (std::size_t i = 0; i < batch.rows; ++i) {
    auto [key, row] = decode(std::string_view(batch.tuples).substr(batch.offsets[i]));
    auto at = stored_.rows.find(key);
    switch (batch.op) {
      case RowOp::insert:
        if (at != stored_.rows.end()) anomaly("an insert meets a row that is there already", key);
        stored_.rows[key] = row;
        break;
      case RowOp::update:
        if (at == stored_.rows.end()) {
          anomaly("an update meets no row", key);
          break;
        }
        if (batch.sent[1]) at->second.value = row.value;
        if (batch.sent[2]) at->second.large = row.large;
        break;
      case RowOp::remove:
        if (at == stored_.rows.end() && !batch.missing_allowed) anomaly("a remove meets no row", key);
        if (at != stored_.rows.end()) stored_.rows.erase(at);
        break;
    }
  }
}

void TargetStore::anomaly(std::string what, std::int64_t key) {
  anomalies_.push_back(fmt::format("{} (key {})", what, key));
}

}  // namespace oxbow::sim
