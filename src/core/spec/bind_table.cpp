#include <algorithm>
#include <map>

#include "core/spec/bind.hpp"
#include "core/spec/scalars.hpp"

namespace oxbow {
namespace {

std::vector<std::string> one_column(std::string name) {
  if (name.empty()) return {};
  return {std::move(name)};
}

ColumnRule rule_with(ColumnOp op, const SpecNode& key, const SpecNode& node) {
  ColumnRule rule;
  rule.op = op;
  rule.mark = key.mark;
  rule.why = text_at(node, "why");
  if (const auto* backward = decided(node, "backward")) rule.backward = backward->text;
  return rule;
}

// ---- columns: keyed by legacy column ----

std::vector<ColumnRule> bind_json(const SpecNode& key, const SpecNode& node) {
  std::vector<ColumnRule> rules;
  for (const auto& [new_column, path] : node.find("json")->entries) {
    if (is_undecided(path)) continue;
    auto rule = rule_with(ColumnOp::json_path, key, node);
    rule.mark = new_column.mark;
    rule.legacy = {key.text};
    rule.new_side = {new_column.text};
    rule.argument = path.text;
    rules.push_back(std::move(rule));
  }
  return rules;
}

ColumnRule bind_one_column(const SpecNode& key, const SpecNode& node) {
  auto keeps_name = [&] { return one_column(node.find("to") ? text_at(node, "to") : key.text); };
  auto make = [&](ColumnOp op, std::vector<std::string> new_side, std::string argument) {
    auto rule = rule_with(op, key, node);
    rule.legacy = {key.text};
    rule.new_side = std::move(new_side);
    rule.argument = std::move(argument);
    return rule;
  };
  if (node.is_scalar()) return make(ColumnOp::rename, {node.text}, "");
  if (node.find("cast")) return make(ColumnOp::cast, keeps_name(), text_at(node, "cast"));
  if (node.find("scale")) return make(ColumnOp::scale, keeps_name(), text_at(node, "scale"));
  if (node.find("split")) return make(ColumnOp::split, texts_at(node, "to"), text_at(node, "split"));
  if (node.find("drop")) return make(ColumnOp::drop, {}, "");
  if (const auto* map = node.find("map")) {
    auto rule = make(ColumnOp::map, keeps_name(), "");
    for (const auto& [legacy, new_side] : map->entries)
      if (!is_undecided(new_side)) rule.map.emplace_back(legacy.text, new_side.text);
    return rule;
  }
  return make(ColumnOp::rename, one_column(text_at(node, "to")), "");
}

void bind_columns(const SpecNode& columns, std::string_view entity_key, TableSpec& table,
                  Mistakes& mistakes) {
  for (const auto& [key, node] : columns.entries) {
    if (is_undecided(node)) continue;
    if (node.find("json")) {
      std::ranges::move(bind_json(key, node), std::back_inserter(table.columns));
      continue;
    }
    auto rule = bind_one_column(key, node);
    if (rule.op == ColumnOp::drop && key.text == entity_key)
      mistakes.add(key.mark, "column '{}' is the entity's key and cannot be dropped", key.text);
    table.columns.push_back(std::move(rule));
  }
}

// ---- add: keyed by new column ----

ColumnRule bind_added_column(const SpecNode& key, const SpecNode& node, Mistakes& mistakes) {
  auto make = [&](ColumnOp op, std::vector<std::string> legacy, std::string argument) {
    auto rule = rule_with(op, key, node);
    rule.legacy = std::move(legacy);
    rule.new_side = {key.text};
    rule.argument = std::move(argument);
    return rule;
  };
  if (node.find("constant")) return make(ColumnOp::constant, {}, text_at(node, "constant"));
  if (node.find("concat")) return make(ColumnOp::concat, texts_at(node, "concat"), text_at(node, "with"));
  if (node.find("sql")) {
    auto rule = make(ColumnOp::sql, texts_at(node, "from"), text_at(node, "sql"));
    if (rule.backward && rule.legacy.size() != 1)
      mistakes.add(
          node.find("backward")->mark,
          "'backward' gives one legacy column back, but 'from' names {}; leave it out or read one column",
          rule.legacy.size());
    return rule;
  }
  return make(ColumnOp::use_default, {}, "");
}

void check_written_once(const TableSpec& table, Mistakes& mistakes) {
  std::map<std::string_view, Mark> written;
  for (const auto& rule : table.columns) {
    for (const auto& column : rule.new_side) {
      auto [first, is_new] = written.emplace(column, rule.mark);
      if (!is_new)
        mistakes.add(rule.mark, "new column '{}' is written twice; first in line {}", column,
                     first->second.line);
    }
  }
}

// ---- the rest ----

std::vector<MayDiffer> bind_may_differ(const SpecNode& list) {
  std::vector<MayDiffer> out;
  for (const auto& item : list.items) {
    out.push_back(
        {.column = text_at(item, "column"),
         .until = parsed_at(item, "until", parse_calendar_date).value_or(std::chrono::year_month_day()),
         .why = text_at(item, "why"),
         .mark = item.mark});
  }
  return out;
}

void bind_identity(const SpecNode& node, TableSpec& table, Mistakes& mistakes) {
  table.identity_is_full_row = node.is_scalar();
  for (const auto& item : node.items) {
    if (is_undecided(item)) continue;
    if (std::ranges::find(table.identity, item.text) != table.identity.end())
      mistakes.add(item.mark, "column '{}' stands twice in 'identity'", item.text);
    table.identity.push_back(item.text);
  }
}

}  // namespace

std::vector<std::string> texts_at(const SpecNode& node, std::string_view key) {
  std::vector<std::string> out;
  const auto* list = decided(node, key);
  if (!list) return out;
  for (const auto& item : list->items)
    if (!is_undecided(item)) out.push_back(item.text);
  return out;
}

TableSpec bind_table(const SpecNode& node, std::string_view entity_key, Mistakes& mistakes) {
  TableSpec table;
  table.mark = node.mark;
  if (const auto* legacy = node.find("legacy")) table.legacy_mark = legacy->mark;
  if (const auto* new_side = node.find("new")) table.new_mark = new_side->mark;
  table.legacy = parsed_at(node, "legacy", parse_table_name).value_or(TableName());
  table.new_side = parsed_at(node, "new", parse_table_name).value_or(TableName());
  table.new_only = text_at(node, "new_only");
  if (const auto* columns = decided(node, "columns")) bind_columns(*columns, entity_key, table, mistakes);
  if (const auto* add = decided(node, "add")) {
    for (const auto& [key, rule] : add->entries)
      if (!is_undecided(rule)) table.columns.push_back(bind_added_column(key, rule, mistakes));
  }
  if (const auto* identity = decided(node, "identity")) bind_identity(*identity, table, mistakes);
  if (const auto* may_differ = decided(node, "may_differ")) table.may_differ = bind_may_differ(*may_differ);
  check_written_once(table, mistakes);
  return table;
}

}  // namespace oxbow
