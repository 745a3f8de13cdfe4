#include "core/parity/mapping_rules.hpp"

#include <algorithm>
#include <set>

#include "core/spec/answer_path.hpp"

namespace oxbow {
namespace {

using Kind = CompareRule::Kind;

// One legacy column becomes one new column, which is compared.
bool carries_one(ColumnOp op) {
  return op == ColumnOp::rename || op == ColumnOp::cast || op == ColumnOp::scale || op == ColumnOp::map;
}

class Derivation {
 public:
  Derivation(std::string_view prefix_path, const TableSpec& table) : prefix_path_(prefix_path) {
    for (const auto& column : table.columns)
      if (carries_one(column.op)) carried_.insert(column.legacy.front());
  }

  void add(const ColumnRule& column) {
    switch (column.op) {
      case ColumnOp::rename:
      case ColumnOp::cast:
        return rename(column);
      case ColumnOp::scale:
        rename(column);
        at(column.legacy.front(), Kind::scale, column).factor = column.argument;
        return;
      case ColumnOp::map:
        rename(column);
        at(column.legacy.front(), Kind::map, column).map = column.map;
        return;
      case ColumnOp::drop:
        return ignore(column, column.why);
      case ColumnOp::constant:
      case ColumnOp::use_default:
        return ignore(column, "the new side fills it itself");
      case ColumnOp::concat:
      case ColumnOp::split:
      case ColumnOp::json_path:
      case ColumnOp::sql:
        return ignore(column, "its value is computed by the mapping");
    }
  }

  // `column` is one of the new table; rules are written in legacy's names.
  void may_differ(const MayDiffer& may_differ, const TableSpec& table) {
    auto writes_it = [&](const ColumnRule& each) {
      return each.legacy.size() == 1 && each.new_side == std::vector{may_differ.column};
    };
    auto rule = std::ranges::find_if(table.columns, writes_it);
    const auto& name = rule == table.columns.end() ? may_differ.column : rule->legacy.front();
    rules_.push_back(
        {.kind = Kind::ignore, .path = path_of(name), .why = may_differ.why, .mark = may_differ.mark});
  }

  std::vector<CompareRule> take() { return std::move(rules_); }

 private:
  std::string path_of(std::string_view column) const {
    std::string path(prefix_path_);
    append_path_step(column, path);
    return path;
  }

  CompareRule& at(std::string_view column, Kind kind, const ColumnRule& from) {
    rules_.push_back({.kind = kind, .path = path_of(column), .why = from.why, .mark = from.mark});
    return rules_.back();
  }

  void rename(const ColumnRule& column) {
    if (column.legacy.front() != column.new_side.front())
      at(column.legacy.front(), Kind::rename, column).to = column.new_side.front();
  }

  void ignore(const ColumnRule& column, const std::string& why) {
    for (const auto* names : {&column.legacy, &column.new_side}) {
      for (const auto& each : *names) {
        bool is_told = names == &column.new_side && std::ranges::count(column.legacy, each) > 0;
        if (!is_told && !carried_.contains(each)) at(each, Kind::ignore, column).why = why;
      }
    }
  }

  std::string_view prefix_path_;
  std::set<std::string_view> carried_;  // legacy columns that are compared whatever else reads them
  std::vector<CompareRule> rules_;
};

}  // namespace

std::vector<CompareRule> rules_from_mapping(const TableSpec& table, std::string_view prefix_path,
                                            std::chrono::year_month_day today) {
  Derivation derivation(prefix_path, table);
  for (const auto& column : table.columns) derivation.add(column);
  for (const auto& each : table.may_differ)
    if (today <= each.until) derivation.may_differ(each, table);
  return derivation.take();
}

}  // namespace oxbow
