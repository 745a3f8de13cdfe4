#include "services/pipeline/key_search.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <boost/json.hpp>

#include "core/cohort/cohorts.hpp"
#include "core/value/pg_values.hpp"
#include "model/tuple.hpp"
#include "protocol/copy_binary.hpp"

namespace oxbow {
namespace {

namespace json = boost::json;

constexpr std::size_t kRowsShown = 100;  // of one table

std::vector<std::string> names_of(const std::vector<KeyColumn>& key) {
  std::vector<std::string> names;
  for (const auto& column : key) names.push_back(column.name);
  return names;
}

std::vector<KeyNames> key_names(const std::vector<KeySearch::Table>& tables) {
  std::vector<KeyNames> names;
  for (const auto& table : tables) names.push_back(table.names);
  return names;
}

// A row as a rogue write's finding has it, in JSON behind "before: " or "after: ".
AskedKey::Columns columns_of(std::string_view line) {
  AskedKey::Columns columns;
  boost::system::error_code error;
  auto brace = line.find('{');
  if (brace == line.npos) return columns;
  auto row = json::parse(line.substr(brace), error);
  if (error || !row.is_object()) return columns;
  for (const auto& [name, value] : row.as_object())
    columns[name] = value.is_string() ? std::string(value.as_string()) : json::serialize(value);
  return columns;
}

bool wrote(const Finding& finding, const AskedKey& asked, const KeyNames& names) {
  std::string_view rest = finding.detail;
  while (!rest.empty()) {
    auto line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    if (asked.means_row(columns_of(line), names)) return true;
  }
  return false;
}

}  // namespace

std::string KeySearch::Table::shown(const Row& row) const {
  std::string text;
  for (std::size_t i = 0; i < row.key.size(); ++i)
    text += fmt::format("{}{}={}", i > 0 ? ", " : "", names.legacy[i], row.key[i]);
  return text;
}

KeySearch::KeySearch(const Plan& plan, std::string_view asked) {
  for (const auto& planned : plan.tables) {
    const auto& mapping = planned.mapping;
    auto entity = mapping.entity_key_field ? mapping.source_columns[*mapping.entity_key_field] : "";
    tables_.push_back({.id = planned.id,
                       .legacy = mapping.source,
                       .new_side = mapping.target.name,
                       .names = {names_of(mapping.source_key), names_of(mapping.target_key), entity,
                                 mapping.new_entity_key},
                       .legacy_key = mapping.source_key,
                       .new_key = mapping.target_key,
                       .cohorts = *planned.cohorts,
                       .rows = {}});
  }
  asked_ = AskedKey::parse(asked, key_names(tables_));
}

Task<void> KeySearch::look(const StreamPorts& ports) {
  for (Side side : {Side::legacy, Side::new_side}) {
    auto reader = ports.snapshot_reader(side);
    CO_TRY(co_await reader->begin({}));
    for (auto& table : tables_) CO_TRY(co_await look_at(*reader, side, table));
    CO_TRY(co_await reader->end());
  }
  co_return Status{};
}

// Only where an index leads there: nobody waits for a scan, and no other column is meant.
Task<void> KeySearch::look_at(SnapshotReader& reader, Side side, Table& table) {
  const auto& key = side == Side::legacy ? table.legacy_key : table.new_key;
  auto values = asked_.leading_values(table.names);
  if (values.empty() || key.size() != table.names.legacy.size()) co_return Status{};
  RangeRead read{.table = side == Side::legacy ? table.legacy : table.new_side};
  for (const auto& column : key) read.select.push_back("(" + quote_identifier(column.name) + ")::text");
  const auto& entity_key = side == Side::legacy ? table.names.legacy_entity : table.names.new_entity;
  if (!entity_key.empty()) read.select.push_back("(" + quote_identifier(entity_key) + ")::text");
  read.key.assign(key.begin(), key.begin() + static_cast<std::ptrdiff_t>(values.size()));
  for (std::size_t i = 0; i < values.size(); ++i)
    if (!text_to_binary(read.key[i].type, values[i])) co_return Status{};  // no such value can be there
  read.keys = {KeyBound{{}, values}};
  auto rows = CO_TRY(co_await reader.open(std::move(read)));
  RowChunk chunk;
  while (true) {
    CO_TRY(co_await rows->read(chunk));
    if (chunk.rows == 0) co_return Status{};
    for (std::string_view rest = chunk.bytes; !rest.empty(); rest.remove_prefix(tuple_size(rest))) {
      FieldReader fields(rest);
      std::vector<std::string> found;
      for (std::size_t i = 0; i < key.size(); ++i) found.emplace_back(fields.next().bytes);
      auto row = std::ranges::find(table.rows, found, &Row::key);
      if (row == table.rows.end() && table.rows.size() == kRowsShown) continue;
      if (row == table.rows.end()) row = table.rows.insert(row, {.key = std::move(found)});
      (side == Side::legacy ? row->on_legacy : row->on_new) = true;
      auto of = entity_key.empty() ? Field::null() : fields.next();
      if (!of.is_null()) row->cohort = cohort_of(table.cohorts, of.bytes);
    }
  }
}

std::function<bool(const Finding&)> KeySearch::concerns() const {
  return [asked = asked_, tables = tables_](const Finding& finding) {
    return std::ranges::any_of(tables, [&](const Table& table) {
      bool is_of_table =
          finding.table == to_string(table.legacy) || finding.table == to_string(table.new_side);
      if (!is_of_table) return false;
      bool is_written = finding.kind == FindingKind::rogue_write && wrote(finding, asked, table.names);
      return is_written || asked.means(finding.key, table.names);
    });
  };
}

}  // namespace oxbow
