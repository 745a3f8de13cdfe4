#include "core/mapping/inverse.hpp"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "core/cohort/cohorts.hpp"
#include "core/mapping/way_back.hpp"

namespace oxbow {
namespace {

class Inverter {
 public:
  Inverter(const EntitySpec& entity, const TableSpec& spec, const Table& legacy, const Table& new_side,
           const TableMapping& forward, std::vector<Problem>& problems)
      : entity_(entity),
        spec_(spec),
        legacy_(legacy),
        new_(new_side),
        forward_(forward),
        problems_(problems),
        rules_(all_rules(spec, legacy, new_side)) {
    std::set<std::string> key;
    for (const auto& column : forward.source_key) key.insert(column.name);
    ways_ = ways_back(spec, legacy, new_side, key);
    inverse_.entity.name = entity.name;
    inverse_.entity.cohorts = entity.cohorts;
    inverse_.entity.mark = entity.mark;
    inverse_.table.legacy = new_side.name;
    inverse_.table.new_side = legacy.name;
    inverse_.table.mark = spec.mark;
    inverse_.table.legacy_mark = spec.new_mark;
    inverse_.table.new_mark = spec.legacy_mark;
  }

  InverseTable invert() {
    check_only_new_table();
    choose_entity_key();
    choose_identity();
    for (const auto& column : legacy_.columns)
      if (!column.generated) bring_back(column);
    for (const auto& column : new_.columns)
      if (!column.generated && !is_read(column)) leave_behind(column);
    carry_over_may_differ();
    return std::move(inverse_);
  }

 private:
  template <class... Args>
  void problem(Mark mark, fmt::format_string<Args...> format, Args&&... args) {
    problems_.push_back({mark, fmt::format(format, std::forward<Args>(args)...)});
  }

  std::string old_name(std::string_view column) const {
    return fmt::format("{}.{}", to_string(legacy_.name), column);
  }
  std::string new_name(std::string_view column) const {
    return fmt::format("{}.{}", to_string(new_.name), column);
  }

  void check_only_new_table() {
    std::vector<std::string> others;
    for (const auto& table : entity_.tables)
      if (table.legacy == spec_.legacy && table.new_side != spec_.new_side)
        others.push_back(to_string(table.new_side));
    if (!others.empty())
      problem(spec_.mark,
              "{} becomes {} and {}, and rows of several new tables cannot be brought back into one legacy "
              "table: the entity has to stay on legacy, or get a new table of its own for each legacy table",
              to_string(legacy_.name), to_string(new_.name), fmt::join(others, " and "));
  }

  // ---- which rows ----

  void choose_entity_key() {
    auto& key = inverse_.entity.key;
    key = forward_.new_entity_key;
    const auto* column = new_.find_column(key);
    bool several = entity_.cohorts.size() > 1;
    if (column && !several && !is_entity_key_type(column->type)) key.clear();
    if (!column && several)
      problem(entity_.mark,
              "{} does not hold {}, the key of {}, as legacy prints it, so nobody can tell to which cohort a "
              "row belongs that is born there: give the new table a column for {} and carry it there",
              to_string(new_.name), entity_.key, entity_.name, entity_.key);
  }

  void choose_identity() {
    if (forward_.source_key.empty()) {
      inverse_.table.identity_is_full_row = true;
      return;
    }
    std::vector<std::string> nullable;
    for (const auto& column : forward_.target_key) {
      inverse_.table.identity.push_back(column.name);
      if (new_.find_column(column.name)->nullable) nullable.push_back(new_name(column.name));
    }
    if (!nullable.empty())
      problem(spec_.mark,
              "{} may be NULL, so the log of the new side cannot name rows by it: declare it NOT NULL there",
              fmt::join(nullable, " and "));
  }

  // Both directions find the same rows, so a column that tells rows apart comes back from the one that does
  // so on the new side.
  const ColumnRule* way_back_of_key(std::string_view column, const std::vector<ColumnRule>& ways) const {
    for (std::size_t i = 0; i < forward_.source_key.size(); ++i) {
      if (forward_.source_key[i].name != column) continue;
      auto way = std::ranges::find_if(ways, [&](const ColumnRule& rule) {
        return rule.op != ColumnOp::sql && rule.legacy == std::vector{forward_.target_key[i].name};
      });
      return way == ways.end() ? nullptr : &*way;
    }
    return nullptr;
  }

  bool is_key(std::string_view column) const {
    return std::ranges::find(forward_.source_key, column, &KeyColumn::name) != forward_.source_key.end();
  }

  // ---- columns ----

  void bring_back(const Column& column) {
    static const std::vector<ColumnRule> kNone;
    auto found = ways_.find(column.name);
    const auto& ways = found == ways_.end() ? kNone : found->second;
    if (is_key(column.name)) {
      if (const auto* way = way_back_of_key(column.name, ways)) return use(*way);
      return problem(
          mark_of(column),
          "{} tells rows apart, and nothing on the new side can be turned back into it one to one: "
          "give the new column its type, or map it without joining values",
          old_name(column.name));
    }
    if (ways.empty()) return leave_as_it_is(column);
    check_one_backward(column, ways);
    use(ways.front());
  }

  void use(const ColumnRule& way) {
    read_.insert(way.legacy.begin(), way.legacy.end());
    inverse_.table.columns.push_back(way);
  }

  void check_one_backward(const Column& column, const std::vector<ColumnRule>& ways) {
    for (const auto& way : ways)
      if (way.op == ColumnOp::sql && way.argument != ways.front().argument)
        problem(way.mark, "two ways back are written for {}, {} and {}: keep one of them",
                old_name(column.name), ways.front().argument, way.argument);
  }

  void leave_as_it_is(const Column& column) {
    bool fills_itself =
        column.nullable || column.default_sql || column.identity_always || column.identity_by_default;
    if (!fills_itself)
      problem(
          mark_of(column),
          "rows that are born on the new side cannot be brought back: nothing says what {} holds then, and "
          "it has no default and takes no NULL; {}, or give it a default",
          old_name(column.name), how_to_write_backward(column));
    if (inverse_.table.identity_is_full_row)
      problem(mark_of(column),
              "rows of {} are found by all they hold, and {} has no way back, so nobody can tell which row a "
              "change means; {}",
              to_string(legacy_.name), old_name(column.name), how_to_write_backward(column));
    if (!fills_itself) return;
    inverse_.table.columns.push_back({.op = ColumnOp::use_default,
                                      .legacy = {},
                                      .new_side = {column.name},
                                      .argument = {},
                                      .map = {},
                                      .backward = {},
                                      .why = "it has no way back",
                                      .mark = mark_of(column)});
  }

  const ColumnRule* rule_that_reads_only(const Column& column) const {
    auto rule = std::ranges::find(rules_, std::vector{column.name}, &ColumnRule::legacy);
    return rule == rules_.end() ? nullptr : &*rule;
  }

  std::string how_to_write_backward(const Column& column) const {
    if (rule_that_reads_only(column)) return "write backward";
    return fmt::format("write columns: {{{}: {{drop: true, why: ..., backward: ...}}}}", column.name);
  }

  Mark mark_of(const Column& column) const {
    if (const auto* rule = rule_that_reads_only(column)) return rule->mark;
    for (const auto& rule : rules_)
      if (std::ranges::count(columns_read_by(rule, legacy_), column.name) > 0) return rule.mark;
    return spec_.mark;
  }

  bool is_read(const Column& column) const { return read_.contains(column.name); }

  void leave_behind(const Column& column) {
    inverse_.table.columns.push_back({.op = ColumnOp::drop,
                                      .legacy = {column.name},
                                      .new_side = {},
                                      .argument = {},
                                      .map = {},
                                      .backward = {},
                                      .why = "no legacy column comes back from it",
                                      .mark = spec_.mark});
  }

  // A declared difference between two columns counts in neither direction.
  void carry_over_may_differ() {
    for (const auto& entry : spec_.may_differ) {
      auto legacy = legacy_columns_of(entry.column);
      if (legacy.size() != 1) continue;
      auto carried = entry;
      carried.column = legacy.front();
      inverse_.table.may_differ.push_back(std::move(carried));
    }
  }

  std::vector<std::string> legacy_columns_of(const std::string& new_column) const {
    for (const auto& rule : rules_)
      if (std::ranges::count(rule.new_side, new_column) > 0) return columns_read_by(rule, legacy_);
    const auto* same = legacy_.find_column(new_column);
    return same && same->generated ? std::vector{new_column} : std::vector<std::string>();
  }

  const EntitySpec& entity_;
  const TableSpec& spec_;
  const Table& legacy_;
  const Table& new_;
  const TableMapping& forward_;
  std::vector<Problem>& problems_;
  std::vector<ColumnRule> rules_;
  WaysBack ways_;
  std::set<std::string, std::less<>> read_;  // new columns that a way back reads
  InverseTable inverse_;
};

}  // namespace

InverseTable invert(const EntitySpec& entity, const TableSpec& spec, const Table& legacy,
                    const Table& new_side, const TableMapping& forward, std::vector<Problem>& problems) {
  return Inverter(entity, spec, legacy, new_side, forward, problems).invert();
}

namespace {

// A legacy column that is written from nothing of the new row: what legacy has there of old, nobody claims.
void compare_only_what_is_carried(const TableSpec& inverse, TableMapping& mapping) {
  for (const auto& rule : inverse.columns) {
    if (rule.op != ColumnOp::sql || !rule.legacy.empty()) continue;
    std::erase_if(mapping.compared, [&](const ComparedColumn& column) {
      return std::ranges::find(rule.new_side, column.name) != rule.new_side.end();
    });
  }
}

}  // namespace

CompiledMapping compile_inverse(const EntitySpec& entity, const TableSpec& spec, const Table& legacy,
                                const Table& new_side, const TableMapping& forward) {
  CompiledMapping compiled;
  auto inverse = invert(entity, spec, legacy, new_side, forward, compiled.problems);
  if (!compiled.problems.empty()) return compiled;
  compiled = compile_mapping(inverse.entity, inverse.table, new_side, legacy);
  for (auto& problem : compiled.problems) problem.sentence.insert(0, "on the way back, ");
  if (compiled.mapping) compare_only_what_is_carried(inverse.table, *compiled.mapping);
  return compiled;
}

}  // namespace oxbow
