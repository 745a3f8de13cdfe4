#include "services/pipeline/rows_at_stake.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "core/cohort/cohorts.hpp"
#include "core/mapping/row_cohort.hpp"
#include "core/mapping/row_mapper.hpp"
#include "core/value/pg_values.hpp"
#include "model/tuple.hpp"
#include "protocol/copy_binary.hpp"

namespace oxbow {
namespace {

constexpr std::size_t kKeysPerRead = 500;

using Texts = std::vector<std::optional<std::string>>;
using TextsByKey = std::map<std::vector<std::string>, Texts>;

using Key = std::pair<std::uint32_t, std::string>;  // table, and key in binary

std::map<Key, std::size_t> first_records(const std::vector<QuarantineRecord>& records) {
  std::map<Key, std::size_t> first;
  for (std::size_t i = 0; i < records.size(); ++i)
    first.try_emplace({records[i].table, records[i].key_tuple}, i);
  return first;
}

// Of several changes of one key: where one tells whose it is, all are his.
std::map<Key, std::optional<CohortId>> cohorts_by_key(const Plan& back,
                                                      const std::vector<QuarantineRecord>& records) {
  std::map<Key, std::optional<CohortId>> cohorts;
  for (const auto& record : records) {
    auto& known = cohorts[{record.table, record.key_tuple}];
    if (known) continue;
    const auto& table = back.tables[record.table];
    auto cohort = cohort_of_row(table.mapping, *table.cohorts, record.row);
    if (cohort) known = *cohort;
  }
  return cohorts;
}

Result<std::vector<std::string>> literals(const std::vector<KeyColumn>& key, std::string_view tuple) {
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < key.size(); ++i)
    texts.push_back(TRY(binary_to_text(key[i].type, field_at(tuple, i).bytes)));
  return texts;
}

Result<std::string> key_on_legacy(const TableMapping& back, std::string_view row) {
  std::string key;
  RowMapper mapper(back);
  TRY(mapper.map_key(row, key));
  if (has_unsent(key)) return Err(ErrorCode::unsupported, "the log does not carry its whole key");
  return key;
}

// A row of legacy of which only the key is known, and whose it is.
Result<QuarantineRecord> given_up(const PlannedTable& there, const PlannedTable& back,
                                  const QuarantineRecord& record) {
  const auto& mapping = there.mapping;
  if (mapping.source_key.empty() || back.mapping.source_key.empty())
    return Err(ErrorCode::unsupported,
               "{} has no key, so legacy's rows cannot be put in the place of its own",
               to_string(mapping.target.name));
  auto key = TRY(key_on_legacy(back.mapping, record.row));
  std::vector<Field> fields(mapping.source_columns.size(), Field::unsent());
  std::string shown, entity_key;
  for (std::size_t i = 0; i < mapping.source_key.size(); ++i) {
    const auto& column = mapping.source_key[i];
    fields[mapping.source_key_fields[i]] = field_at(key, i);
    shown +=
        (i > 0 ? ", " : "") + column.name + "=" + TRY(binary_to_text(column.type, field_at(key, i).bytes));
  }
  if (mapping.entity_key_field && back.mapping.entity_key_field) {
    auto of_new = field_at(record.row, *back.mapping.entity_key_field);
    auto& of_legacy = fields[*mapping.entity_key_field];
    if (of_legacy.is_unsent() && of_new.kind == Field::Kind::value) {
      auto text = TRY(key_text(back.mapping.entity_key_type, of_new.bytes));
      entity_key = TRY(text_to_binary(mapping.entity_key_type, text));
      of_legacy = Field::value(entity_key);
    }
  }
  auto row = make_tuple_bytes(fields);
  return QuarantineRecord{.table = record.table,
                          .key = std::move(shown),
                          .key_tuple = std::move(key),
                          .reason = std::string(kGivenUp),
                          .sqlstate = {},
                          .row = std::move(row),
                          .op = RowOp::update,
                          .lsn = record.lsn};
}

// The key's columns as text, and behind them what is compared, in the terms of the new side.
RangeRead read_of(const TableMapping& there, Side side, const std::vector<KeyColumn>& key) {
  bool legacy = side == Side::legacy;
  RangeRead read{.table = legacy ? there.source : there.target.name, .key = key};
  for (const auto& column : key) read.select.push_back("(" + quote_identifier(column.name) + ")::text");
  for (const auto& column : there.compared)
    read.select.push_back("(" + (legacy ? column.legacy_sql : column.new_sql) + ")::text");
  return read;
}

Task<void> read_texts(SnapshotReader& reader, RangeRead read, const std::set<std::vector<std::string>>& keys,
                      TextsByKey& found) {
  auto key_fields = read.key.size();
  auto next = keys.begin();
  while (next != keys.end()) {
    read.keys.clear();
    for (; next != keys.end() && read.keys.size() < kKeysPerRead; ++next) read.keys.push_back({{}, *next});
    auto rows = CO_TRY(co_await reader.open(read));
    RowChunk chunk;
    while (true) {
      CO_TRY(co_await rows->read(chunk));
      if (chunk.rows == 0) break;
      for (std::string_view rest = chunk.bytes; !rest.empty(); rest.remove_prefix(tuple_size(rest))) {
        FieldReader fields(rest);
        std::vector<std::string> key;
        for (std::size_t i = 0; i < key_fields; ++i) key.emplace_back(fields.next().bytes);
        auto& texts = found[std::move(key)];
        while (!fields.done()) {
          auto field = fields.next();
          texts.push_back(field.is_null() ? std::nullopt : std::optional(std::string(field.bytes)));
        }
      }
    }
  }
  co_return Status{};
}

void add_fields(const TableMapping& there, const Texts* of_new, const Texts* of_legacy, LostRow& row) {
  row.on_new = of_new != nullptr;
  row.on_legacy = of_legacy != nullptr;
  for (std::size_t i = 0; i < there.compared.size(); ++i) {
    auto value = [&](const Texts* texts) { return texts ? (*texts)[i] : std::nullopt; };
    LostRow::Field field{there.compared[i].name, value(of_new), value(of_legacy)};
    bool is_lost = of_new == nullptr || of_legacy == nullptr || field.new_side != field.legacy;
    if (is_lost) row.fields.push_back(std::move(field));
  }
}

}  // namespace

RowsAtStake rows_at_stake(const Plan& back, const std::vector<QuarantineRecord>& records) {
  RowsAtStake rows;
  auto cohorts = cohorts_by_key(back, records);
  for (const auto& [key, first] : first_records(records)) {
    const auto& record = records[first];
    const auto& table = back.tables[record.table];
    rows.push_back(
        {table.entity, cohorts.at(key), to_string(table.mapping.source), record.key, record.reason});
  }
  return rows;
}

std::vector<QuarantineRecord> records_of(const Plan& back, const std::vector<QuarantineRecord>& records,
                                         const std::string& entity, CohortId cohort) {
  std::vector<QuarantineRecord> found;
  auto cohorts = cohorts_by_key(back, records);
  for (const auto& record : records) {
    bool is_of_entity = back.tables[record.table].entity == entity;
    auto of = cohorts.at({record.table, record.key_tuple});
    if (is_of_entity && of.value_or(cohort) == cohort) found.push_back(record);
  }
  return found;
}

Result<std::vector<QuarantineRecord>> given_up(const Plan& there, const Plan& back,
                                               const std::vector<QuarantineRecord>& records) {
  std::vector<QuarantineRecord> found;
  for (const auto& [key, first] : first_records(records))
    found.push_back(TRY(given_up(there.tables[key.first], back.tables[key.first], records[first])));
  return found;
}

Task<std::vector<LostRow>> read_lost_rows(const Plan& there, const Plan& back, const StreamPorts& ports_there,
                                          std::vector<QuarantineRecord> records) {
  std::vector<LostRow> lost;
  std::map<std::uint32_t, std::vector<const QuarantineRecord*>> by_table;
  for (const auto& [key, first] : first_records(records)) by_table[key.first].push_back(&records[first]);
  auto of_new = ports_there.snapshot_reader(Side::new_side);
  auto of_legacy = ports_there.snapshot_reader(Side::legacy);
  CO_TRY(co_await of_new->begin({}));
  CO_TRY(co_await of_legacy->begin({}));
  for (const auto& [id, of_table] : by_table) {
    const auto& mapping = there.tables[id].mapping;
    const auto& way_back = back.tables[id].mapping;
    std::set<std::vector<std::string>> new_keys, legacy_keys;
    std::vector<std::pair<std::vector<std::string>, std::vector<std::string>>> keys;
    for (const auto* record : of_table) {
      auto& [on_new, on_legacy] = keys.emplace_back();
      if (way_back.source_key.empty()) continue;
      on_new = CO_TRY(literals(way_back.source_key, record->key_tuple));
      new_keys.insert(on_new);
      // A key that legacy cannot have is not there.
      auto tuple = key_on_legacy(way_back, record->row);
      auto texts = tuple ? literals(mapping.source_key, *tuple) : std::unexpected(tuple.error());
      if (texts) on_legacy = *texts;
      if (texts) legacy_keys.insert(*std::move(texts));
    }
    TextsByKey new_rows, legacy_rows;
    CO_TRY(co_await read_texts(*of_new, read_of(mapping, Side::new_side, way_back.source_key), new_keys,
                               new_rows));
    CO_TRY(co_await read_texts(*of_legacy, read_of(mapping, Side::legacy, mapping.source_key), legacy_keys,
                               legacy_rows));
    for (std::size_t i = 0; i < of_table.size(); ++i) {
      LostRow row{.row = rows_at_stake(back, {*of_table[i]}).front(),
                  .legacy_table = to_string(mapping.source),
                  .fields = {}};
      auto find = [](const TextsByKey& rows, const std::vector<std::string>& key) {
        auto found = rows.find(key);
        return found == rows.end() ? nullptr : &found->second;
      };
      add_fields(mapping, find(new_rows, keys[i].first), find(legacy_rows, keys[i].second), row);
      lost.push_back(std::move(row));
    }
  }
  CO_TRY(co_await of_new->end());
  CO_TRY(co_await of_legacy->end());
  co_return lost;
}

}  // namespace oxbow
