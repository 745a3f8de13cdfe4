#include "core/mapping/column_plan.hpp"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <optional>

#include "base/text.hpp"
#include "core/mapping/column_steps.hpp"
#include "core/mapping/sql_words.hpp"
#include "core/mapping/way_back.hpp"

namespace oxbow {
namespace {

std::string_view nearest_column(std::string_view word, const std::vector<const Column*>& columns) {
  std::vector<std::string_view> names;
  for (const auto* column : columns) names.push_back(column->name);
  return nearest_word(word, names);
}

std::vector<const Column*> all_columns(const Table& table) {
  std::vector<const Column*> columns;
  for (const auto& column : table.columns) columns.push_back(&column);
  return columns;
}

bool is_identity(const Column& column) {
  return column.identity_always || column.identity_by_default;
}

Loss loss_of(bool forward, bool backward) {
  if (forward && backward) return Loss::both;
  return forward ? Loss::forward : backward ? Loss::backward : Loss::none;
}

class ColumnPlanner {
 public:
  ColumnPlanner(const TableSpec& spec, const Table& legacy, const Table& new_side,
                const std::vector<std::string>& source_columns, const std::set<std::string>& unique_columns,
                UndecidedColumns undecided, std::vector<Problem>& problems)
      : spec_(spec),
        legacy_(legacy),
        new_(new_side),
        unique_columns_(unique_columns),
        undecided_(undecided),
        problems_(problems),
        ways_back_(ways_back(spec, legacy, new_side, unique_columns)) {
    for (const auto& name : source_columns) places_.emplace(name, places_.size());
  }

  ColumnPlans plan() {
    for (const auto& rule : spec_.columns) note_uses(rule);
    for (const auto& rule : spec_.columns) plan_rule(rule);
    for (const auto& column : legacy_.columns) plan_unnamed_legacy(column);
    for (const auto& column : new_.columns) plan_unnamed_new(column);
    check_may_differ();
    ColumnPlans plans{
        .written = {}, .generated = std::move(generated_), .report = {}, .left_out = std::move(left_out_)};
    for (auto& [order, line] : report_) plans.report.push_back(std::move(line));
    for (const auto& column : new_.columns)
      if (auto plan = written_.find(column.name); plan != written_.end())
        plans.written.push_back(std::move(plan->second));
    return plans;
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

  // `first` is the first legacy column that the line is about, if any.
  void add_report(ColumnReport line, std::string_view first) {
    auto order = legacy_.column_index(first);
    if (!order) order = legacy_.columns.size() + new_.column_index(line.new_side).value_or(0);
    report_.emplace(*order, std::move(line));
  }

  // A rule names columns even if it is refused: one mistake is not reported as several.
  void note_uses(const ColumnRule& rule) {
    for (const auto& name : rule.legacy) ++uses_[name];
    for (const auto& name : rule.new_side) decided_.insert(name);
    if (rule.op != ColumnOp::sql || !rule.legacy.empty()) return;
    for (const auto& name : columns_read_by(rule, legacy_)) ++uses_[name];
  }

  const Column* find_legacy(const ColumnRule& rule, std::string_view name) {
    const auto* column = legacy_.find_column(name);
    if (!column) {
      auto near = nearest_column(name, all_columns(legacy_));
      problem(rule.mark, "{} has no column {}{}", to_string(legacy_.name), name,
              near.empty() ? std::string() : fmt::format("; did you mean {}?", near));
    } else if (column->generated && rule.op != ColumnOp::drop) {
      problem(
          rule.mark,
          "{} is generated, so the log does not carry it: compute it with sql from the columns it is made of",
          old_name(name));
      return nullptr;
    }
    return column;
  }

  RuleColumns::Legacy legacy_column(const Column& column) const {
    return {&column, places_.at(column.name), unique_columns_.contains(column.name)};
  }

  const Column* find_new(const ColumnRule& rule, std::string_view name) {
    const auto* column = new_.find_column(name);
    if (!column) {
      auto near = nearest_column(name, all_columns(new_));
      problem(rule.mark, "{} has no column {}{}", to_string(new_.name), name,
              near.empty() ? std::string() : fmt::format("; did you mean {}?", near));
      return nullptr;
    }
    if (column->generated) {
      problem(rule.mark, "{} is generated and cannot be written: take the rule away", new_name(name));
      return nullptr;
    }
    if (!taken_.insert(column->name).second) {
      problem(rule.mark, "{} gets its value from two rules: keep one of them", new_name(name));
      return nullptr;
    }
    return column;
  }

  void plan_rule(const ColumnRule& rule) {
    RuleColumns columns;
    bool found = true;
    for (const auto& name : columns_read_by(rule, legacy_)) {
      const auto* column = find_legacy(rule, name);
      found = found && column;
      if (column && !column->generated && rule.op != ColumnOp::drop)
        columns.legacy.push_back(legacy_column(*column));
    }
    for (const auto& name : rule.new_side) {
      const auto* column = find_new(rule, name);
      found = found && column;
      if (column) columns.new_side.push_back(column);
    }
    if (!found) return;
    switch (rule.op) {
      case ColumnOp::drop:
        return plan_drop(rule);
      case ColumnOp::use_default:
        return plan_default(rule, *columns.new_side.front());
      case ColumnOp::sql:
        if (names_unlisted_columns(rule)) return;
        [[fallthrough]];
      default:
        return keep(rule, columns, plan_step(rule, columns));
    }
  }

  void keep(const ColumnRule& rule, const RuleColumns& columns, Result<std::vector<StepPlan>> steps) {
    if (!steps) {
      std::vector<std::string> from, to;
      for (const auto& column : columns.legacy) from.push_back(old_name(column.column->name));
      for (const auto* column : columns.new_side) to.push_back(new_name(column->name));
      auto subject = from.empty() ? fmt::format("{}", fmt::join(to, ", "))
                                  : fmt::format("{} to {}", fmt::join(from, ", "), fmt::join(to, ", "));
      return problem(rule.mark, "{}: {}", subject, steps.error().detail);
    }
    auto only = rule.backward ? std::vector<std::string>() : columns_only_computed_from(rule);
    for (auto& step : *steps) {
      auto why = rule.why;
      if (!only.empty())
        why = fmt::format("{}; {} {} read by sql only and not carried as it is", why.empty() ? step.why : why,
                          fmt::join(only, ", "), only.size() == 1 ? "is" : "are");
      keep(rule, columns, std::move(step), why);
    }
  }

  void keep(const ColumnRule& rule, const RuleColumns& columns, StepPlan step, std::string_view why) {
    std::vector<std::string> from;
    for (const auto& column : columns.legacy) from.push_back(column.column->name);
    auto& plan = step.plan;
    for (const auto& column : columns.legacy) plan.program.reads.push_back(column.place);
    plan.program.column = plan.column->name;
    bool carried_elsewhere =
        std::ranges::all_of(from, [&](const auto& name) { return is_carried_elsewhere(name, rule.mark); });
    bool meets_null = std::ranges::any_of(
        columns.legacy, [](const RuleColumns::Legacy& legacy) { return legacy.column->nullable; });
    bool comes_back = !from.empty() &&
                      std::ranges::all_of(from, [&](const auto& name) { return ways_back_.contains(name); });
    auto reason = why.empty() ? std::move(step.why) : std::string(why);
    if (!comes_back && step.has_inverse)
      if (auto back = undo(rule, columns); !back)
        reason += fmt::format("{}no way back: {}", reason.empty() ? "" : "; ", back.error().detail);
    if (meets_null && !plan.column->nullable)
      reason += fmt::format("{}a row with NULL is quarantined", reason.empty() ? "" : "; ");
    bool is_kept = !step.loses_something || (carried_elsewhere && !from.empty());
    add_report({fmt::format("{}", fmt::join(from, ", ")), plan.column->name, std::move(step.how),
                loss_of(!is_kept, !comes_back), std::move(reason)},
               from.empty() ? "" : from.front());
    written_.emplace(plan.column->name, std::move(plan));
  }

  // What such an expression does not keep is lost, and nobody has dropped it by name.
  std::vector<std::string> columns_only_computed_from(const ColumnRule& rule) const {
    std::vector<std::string> names;
    if (rule.op != ColumnOp::sql) return names;
    for (const auto& name : columns_read_by(rule, legacy_)) {
      bool elsewhere = std::ranges::any_of(spec_.columns, [&](const ColumnRule& other) {
        return other.op != ColumnOp::sql && std::ranges::count(other.legacy, name) > 0;
      });
      if (!elsewhere) names.push_back(name);
    }
    return names;
  }

  // True if another rule carries this legacy column whole.
  bool is_carried_elsewhere(std::string_view name, Mark mark) const {
    return std::ranges::any_of(spec_.columns, [&](const ColumnRule& rule) {
      bool whole = rule.op == ColumnOp::rename || rule.op == ColumnOp::cast || rule.op == ColumnOp::scale;
      return whole && rule.mark != mark && rule.legacy.size() == 1 && rule.legacy.front() == name;
    });
  }

  void plan_drop(const ColumnRule& rule) {
    for (const auto& name : rule.legacy) {
      if (rule.why.empty())
        problem(rule.mark, "{} is dropped without a reason: say it as why", old_name(name));
      if (uses_[name] > 1 && !rule.backward)
        problem(rule.mark,
                "{} is dropped and read by another rule: keep one of them, or say with backward how it comes "
                "back",
                old_name(name));
      add_report({name, "", "left behind", loss_of(true, !ways_back_.contains(name)), rule.why}, name);
    }
  }

  void plan_default(const ColumnRule& rule, const Column& column) {
    if (!column.nullable && !column.default_sql && !is_identity(column)) {
      return problem(rule.mark,
                     "{} has no default and takes no NULL: give it a default there, or a constant here",
                     new_name(column.name));
    }
    bool has_namesake = legacy_.find_column(column.name) != nullptr;
    std::string reason = has_namesake ? fmt::format("{} is not carried to it", old_name(column.name))
                                      : "legacy has no such column";
    auto how = column.default_sql ? fmt::format("by its own default, {}", *column.default_sql)
                                  : std::string("by its own default");
    add_report(
        {"", column.name, how, Loss::backward, rule.why.empty() ? reason + "; it is not compared" : rule.why},
        "");
  }

  bool names_unlisted_columns(const ColumnRule& rule) {
    if (rule.legacy.empty()) return false;
    bool any = false;
    for (const auto& word : possible_column_names(rule.argument)) {
      bool unlisted = legacy_.find_column(word) && std::ranges::find(rule.legacy, word) == rule.legacy.end();
      if (unlisted) {
        problem(rule.mark, "the expression for {} reads {}: list it under from",
                new_name(rule.new_side.front()), old_name(word));
      }
      any = any || unlisted;
    }
    return any;
  }

  void plan_unnamed_legacy(const Column& column) {
    if (uses_.contains(column.name)) return;
    const auto* same = new_.find_column(column.name);
    bool free = same && !decided_.contains(column.name);
    if (column.generated) {
      if (free && same->generated) return compare_generated(column, *same);
      return;  // a new column that needs it is reported as such
    }
    if (free && same->generated) {
      return problem(spec_.mark, "{} computes what {} holds: drop the legacy column with a reason",
                     new_name(column.name), old_name(column.name));
    }
    if (free) return plan_same_name(column, *same);
    if (undecided_ == UndecidedColumns::are_left_out)
      return left_out_.push_back(fmt::format("column {} on the legacy side", old_name(column.name)));
    auto near = nearest_column(column.name, undecided_new_columns());
    problem(spec_.mark, "{} goes nowhere: {}{}: {{drop: true, why: ...}}", old_name(column.name),
            near.empty() ? "name a new column for it or write "
                         : fmt::format("write {}: {} if that is its new name, else ", column.name, near),
            column.name);
  }

  void plan_same_name(const Column& column, const Column& same) {
    ColumnRule rule{
        .op = ColumnOp::rename, .legacy = {column.name}, .new_side = {same.name}, .mark = spec_.mark};
    RuleColumns columns{.legacy = {legacy_column(column)}, .new_side = {&same}};
    decided_.insert(same.name);
    keep(rule, columns, plan_step(rule, columns));
  }

  void compare_generated(const Column& legacy, const Column& new_side) {
    decided_.insert(new_side.name);
    auto conversion = plan_conversion(legacy.type, new_side.type);
    if (conversion) {
      generated_.emplace_back(&new_side, compared_sql(*conversion, quote_identifier(legacy.name),
                                                      quote_identifier(new_side.name)));
    }
    add_report({legacy.name, new_side.name, "generated by each side", Loss::none,
                conversion ? "" : "not compared: " + conversion.error().detail},
               legacy.name);
  }

  std::vector<const Column*> undecided_new_columns() const {
    std::vector<const Column*> columns;
    for (const auto& column : new_.columns)
      if (!column.generated && !decided_.contains(column.name) && !legacy_.find_column(column.name))
        columns.push_back(&column);
    return columns;
  }

  std::vector<const Column*> unread_legacy_columns() const {
    std::vector<const Column*> columns;
    for (const auto& column : legacy_.columns)
      if (!column.generated && !uses_.contains(column.name)) columns.push_back(&column);
    return columns;
  }

  void plan_unnamed_new(const Column& column) {
    if (decided_.contains(column.name)) return;
    if (column.generated) {
      add_report({"", column.name, "generated by the new side", Loss::none, "not compared"}, "");
      return;
    }
    const auto* same = legacy_.find_column(column.name);
    if (same && same->generated) {
      return problem(
          spec_.mark,
          "{} is generated, so the log does not carry it: fill {} with add: {{{}: {{sql: ...}}}} from the "
          "columns it is made of",
          old_name(column.name), new_name(column.name), column.name);
    }
    auto near = nearest_column(column.name, unread_legacy_columns());
    bool is_left = std::ranges::any_of(spec_.columns, [&](const ColumnRule& rule) {
      return rule.op == ColumnOp::drop && std::ranges::count(rule.legacy, column.name) > 0;
    });
    if (same && !is_left) {
      return problem(spec_.mark,
                     "nothing fills {}: another rule reads {}, so it is not carried by its name alone; write "
                     "columns: {{{}: {}}} to carry it, too",
                     new_name(column.name), old_name(column.name), column.name, column.name);
    }
    bool fills_itself = column.nullable || column.default_sql || is_identity(column);
    if (fills_itself && undecided_ == UndecidedColumns::are_left_out)
      return left_out_.push_back(fmt::format("column {} on the new side", new_name(column.name)));
    problem(spec_.mark, "nothing fills {}: {}write add: {{{}: {{{}}}}}", new_name(column.name),
            near.empty() ? std::string()
                         : fmt::format("write {}: {} if that was its name, else ", near, column.name),
            column.name, fills_itself ? "default: true" : "constant: ...");
  }

  void check_may_differ() {
    for (const auto& entry : spec_.may_differ) {
      if (new_.find_column(entry.column)) continue;
      auto near = nearest_column(entry.column, all_columns(new_));
      problem(entry.mark, "{} has no column {} that could differ{}", to_string(new_.name), entry.column,
              near.empty() ? std::string() : fmt::format("; did you mean {}?", near));
    }
  }

  const TableSpec& spec_;
  const Table& legacy_;
  const Table& new_;
  const std::set<std::string>& unique_columns_;
  UndecidedColumns undecided_;
  std::vector<Problem>& problems_;
  WaysBack ways_back_;
  std::map<std::string, std::size_t, std::less<>> places_;  // legacy column to its field in a source tuple
  std::map<std::string, int, std::less<>> uses_;            // by legacy column: rules that name it
  std::set<std::string, std::less<>> decided_;              // new columns that a rule or a name decides
  std::set<std::string, std::less<>> taken_;                // new columns for which a rule was found
  std::map<std::string, ColumnPlan, std::less<>> written_;
  std::vector<std::pair<const Column*, ComparedSql>> generated_;
  std::vector<std::string> left_out_;
  std::multimap<std::size_t, ColumnReport> report_;  // in the legacy table's order, then the new one's
};

}  // namespace

std::vector<std::string> columns_read_by(const ColumnRule& rule, const Table& legacy) {
  if (rule.op != ColumnOp::sql || !rule.legacy.empty()) return rule.legacy;
  std::vector<std::string> names;
  for (const auto& word : possible_column_names(rule.argument))
    if (legacy.find_column(word)) names.push_back(word);
  return names;
}

std::vector<std::string> source_columns_of(const TableSpec& spec, const Table& legacy, const Table& new_side,
                                           const std::set<std::string>& needed) {
  std::set<std::string> read = needed, named, decided;
  for (const auto& rule : spec.columns) {
    decided.insert(rule.new_side.begin(), rule.new_side.end());
    for (const auto& name : columns_read_by(rule, legacy)) {
      named.insert(name);
      if (rule.op != ColumnOp::drop) read.insert(name);
    }
  }
  std::vector<std::string> names;
  for (const auto& column : legacy.columns) {
    bool same_name = new_side.find_column(column.name) && !decided.contains(column.name);
    bool is_read = read.contains(column.name) || (same_name && !named.contains(column.name));
    if (is_read && !column.generated) names.push_back(column.name);
  }
  return names;
}

ColumnPlans plan_columns(const TableSpec& spec, const Table& legacy, const Table& new_side,
                         const std::vector<std::string>& source_columns,
                         const std::set<std::string>& unique_columns, UndecidedColumns undecided,
                         std::vector<Problem>& problems) {
  return ColumnPlanner(spec, legacy, new_side, source_columns, unique_columns, undecided, problems).plan();
}

}  // namespace oxbow
