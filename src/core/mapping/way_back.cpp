#include "core/mapping/way_back.hpp"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "core/mapping/sql_words.hpp"
#include "core/value/scan.hpp"

namespace oxbow {
namespace {

template <class... Args>
std::unexpected<Error> none(fmt::format_string<Args...> format, Args&&... args) {
  return Err(ErrorCode::unsupported, format, std::forward<Args>(args)...);
}

Result<ColumnRule> undo_conversion(ColumnRule back, const Column& legacy, const Column& new_side) {
  auto conversion = TRY(plan_conversion(new_side.type, legacy.type));
  back.op = conversion.fidelity == Fidelity::exact ? ColumnOp::rename : ColumnOp::cast;
  back.argument = legacy.type.sql;
  return back;
}

Result<ColumnRule> undo_map(ColumnRule back, const Column& new_side) {
  for (auto& [from, to] : back.map) std::swap(from, to);
  std::vector<std::string> without;
  for (const auto& label : base_type(new_side.type).labels)
    if (std::ranges::find(back.map, label, [](const auto& entry) { return entry.first; }) == back.map.end())
      without.push_back(fmt::format("'{}'", label));
  if (!without.empty()) return none("no legacy value stands for {}", fmt::join(without, ", "));
  return back;
}

Result<ColumnRule> turned_round(const ColumnRule& rule, const RuleColumns& columns) {
  ColumnRule back = rule;
  back.legacy = rule.new_side;
  back.new_side = rule.legacy;
  back.backward.reset();
  switch (rule.op) {
    case ColumnOp::rename:
    case ColumnOp::cast:
      return undo_conversion(std::move(back), *columns.legacy.front().column, *columns.new_side.front());
    case ColumnOp::scale:
      back.argument = "1/" + rule.argument;
      return back;
    case ColumnOp::map:
      return undo_map(std::move(back), *columns.new_side.front());
    case ColumnOp::split:
      return back;
    default:
      return none("its rule keeps too little");
  }
}

// By itself, NULL would be a text.
std::string typed(const std::string& expression, const Column& legacy) {
  bool is_null = equals_ignoring_case(trim_blanks(expression), "null");
  return is_null ? fmt::format("NULL::{}", sql_name(legacy.type)) : expression;
}

ColumnRule backward_rule(const ColumnRule& rule, const Column& legacy, const Table& new_side) {
  ColumnRule back{.op = ColumnOp::sql,
                  .legacy = {},
                  .new_side = rule.legacy,
                  .argument = typed(*rule.backward, legacy),
                  .map = {},
                  .backward = {},
                  .why = rule.why,
                  .mark = rule.mark};
  for (const auto& word : possible_column_names(*rule.backward))
    if (new_side.find_column(word)) back.legacy.push_back(word);
  return back;
}

// The columns that a rule names; nothing if one of them cannot be read or written.
std::optional<RuleColumns> find_columns(const ColumnRule& rule, const Table& legacy, const Table& new_side,
                                        const std::set<std::string>& unique_columns) {
  RuleColumns columns;
  for (const auto& name : rule.legacy) {
    const auto* column = legacy.find_column(name);
    if (!column || column->generated) return std::nullopt;
    columns.legacy.push_back({column, 0, unique_columns.contains(name)});
  }
  for (const auto& name : rule.new_side) {
    const auto* column = new_side.find_column(name);
    if (!column || column->generated) return std::nullopt;
    columns.new_side.push_back(column);
  }
  return columns;
}

// What the spec says in words comes before what it implies, and a column carried whole before parts of it.
int preference(const ColumnRule& back) {
  if (back.op == ColumnOp::sql) return 0;
  return back.op == ColumnOp::split || back.op == ColumnOp::map ? 2 : 1;
}

void add(std::vector<ColumnRule>& ways, ColumnRule back) {
  auto place = std::ranges::upper_bound(ways, preference(back), {}, preference);
  ways.insert(place, std::move(back));
}

}  // namespace

std::vector<ColumnRule> all_rules(const TableSpec& spec, const Table& legacy, const Table& new_side) {
  std::set<std::string, std::less<>> read, written;
  for (const auto& rule : spec.columns) {
    for (const auto& name : columns_read_by(rule, legacy)) read.insert(name);
    written.insert(rule.new_side.begin(), rule.new_side.end());
  }
  auto rules = spec.columns;
  for (const auto& column : legacy.columns) {
    const auto* same = new_side.find_column(column.name);
    bool passes = same && !same->generated && !column.generated;
    if (!passes || read.contains(column.name) || written.contains(column.name)) continue;
    rules.push_back({.op = ColumnOp::rename,
                     .legacy = {column.name},
                     .new_side = {column.name},
                     .argument = {},
                     .map = {},
                     .backward = {},
                     .why = {},
                     .mark = spec.mark});
  }
  return rules;
}

Result<ColumnRule> undo(const ColumnRule& rule, const RuleColumns& columns) {
  auto back = TRY(turned_round(rule, columns));
  RuleColumns swapped;
  bool identifies = std::ranges::any_of(columns.legacy, &RuleColumns::Legacy::identifies);
  for (const auto* column : columns.new_side) swapped.legacy.push_back({column, 0, identifies});
  for (const auto& each : columns.legacy) swapped.new_side.push_back(each.column);
  TRY(plan_step(back, swapped));
  return back;
}

WaysBack ways_back(const TableSpec& spec, const Table& legacy, const Table& new_side,
                   const std::set<std::string>& unique_columns) {
  WaysBack ways;
  for (const auto& rule : all_rules(spec, legacy, new_side)) {
    if (rule.legacy.size() != 1) continue;
    auto columns = find_columns(rule, legacy, new_side, unique_columns);
    if (!columns) continue;
    auto& way = ways[rule.legacy.front()];
    if (rule.backward) add(way, backward_rule(rule, *columns->legacy.front().column, new_side));
    if (columns->new_side.empty()) continue;
    if (auto back = undo(rule, *columns)) add(way, *std::move(back));
  }
  std::erase_if(ways, [](const auto& entry) { return entry.second.empty(); });
  return ways;
}

}  // namespace oxbow
