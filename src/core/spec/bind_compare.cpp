#include <algorithm>
#include <set>

#include "core/spec/bind.hpp"
#include "core/spec/route_text.hpp"
#include "core/spec/scalars.hpp"

namespace oxbow {
namespace {

using Kind = CompareRule::Kind;

constexpr std::array<std::pair<std::string_view, Kind>, 9> kTags = {{{"ignore", Kind::ignore},
                                                                     {"unordered", Kind::unordered},
                                                                     {"keyed", Kind::keyed},
                                                                     {"tolerance", Kind::tolerance},
                                                                     {"time_skew", Kind::time_skew},
                                                                     {"same_class", Kind::same_class},
                                                                     {"map", Kind::map},
                                                                     {"rename", Kind::rename},
                                                                     {"scale", Kind::scale}}};

CompareRule bind_rule(Kind kind, std::string path, const SpecNode& node) {
  CompareRule rule;
  rule.kind = kind;
  rule.path = std::move(path);
  rule.mark = node.mark;
  rule.keys = texts_at(node, "by");
  rule.absolute = text_at(node, "absolute");
  rule.relative = text_at(node, "relative");
  rule.skew = parsed_at(node, "by", parse_duration).value_or(Duration::zero());
  rule.classes = texts_at(node, "classes");
  if (const auto* values = decided(node, "values"))
    for (const auto& [legacy, new_side] : values->entries)
      if (!is_undecided(new_side)) rule.map.emplace_back(legacy.text, new_side.text);
  rule.to = text_at(node, "to");
  rule.factor = text_at(node, "factor");
  rule.why = text_at(node, "why");
  return rule;
}

// ---- the rules that a table's mapping implies ----

// Rules about the members of one object that shows a row of `table`.
class ShapeRules {
 public:
  ShapeRules(const TableSpec& table, std::string at, Mark mark)
      : table_(table), at_(std::move(at)), mark_(mark) {
    for (const auto& rule : table.columns)
      if (carries_one_column(rule)) carried_.insert(rule.legacy.front());
  }

  std::vector<CompareRule> take() {
    for (const auto& rule : table_.columns) add_rules_of(rule);
    return std::move(rules_);
  }

 private:
  static bool carries_one_column(const ColumnRule& rule) {
    return rule.op == ColumnOp::rename || rule.op == ColumnOp::cast || rule.op == ColumnOp::scale ||
           rule.op == ColumnOp::map;
  }

  CompareRule* add(Kind kind, const std::string& member, std::string why) {
    if (member.contains('"')) return nullptr;  // a path cannot name it
    CompareRule rule;
    rule.kind = kind;
    rule.path = at_ + answer_path_step(member);
    rule.why = std::move(why);
    rule.mark = mark_;
    return &rules_.emplace_back(std::move(rule));
  }

  void add_rules_of(const ColumnRule& rule) {
    if (!carries_one_column(rule)) return ignore_both(rule);
    const auto& legacy = rule.legacy.front();
    if (rule.op == ColumnOp::scale)
      if (auto* scale = add(Kind::scale, legacy, rule.why)) scale->factor = rule.argument;
    if (rule.op == ColumnOp::map)
      if (auto* map = add(Kind::map, legacy, rule.why)) map->map = rule.map;
    if (rule.new_side.front() != legacy)
      if (auto* rename = add(Kind::rename, legacy, rule.why)) rename->to = rule.new_side.front();
  }

  // What has no counterpart of its own on the other side is compared as rows by `oxbow verify`, not here.
  void ignore_both(const ColumnRule& rule) {
    auto why = rule.why.empty() ? "has no member of its own on the other side" : rule.why;
    for (const auto& column : rule.legacy)
      if (!carried_.contains(column) && ignored_.insert(column).second) add(Kind::ignore, column, why);
    for (const auto& column : rule.new_side)
      if (!carried_.contains(column) && ignored_.insert(column).second) add(Kind::ignore, column, why);
  }

  const TableSpec& table_;
  std::string at_;
  Mark mark_;
  std::set<std::string_view> carried_;
  std::set<std::string_view> ignored_;
  std::vector<CompareRule> rules_;
};

void bind_shape(const SpecNode& node, const EntitySpec& entity, std::vector<CompareRule>& rules,
                Mistakes& mistakes) {
  auto table = parsed_at(node, "shape", parse_table_name);
  auto at = text_at(node, "at");
  if (!table || !is_answer_path(at)) return;
  const TableSpec* found = nullptr;
  std::vector<std::string> names;
  int count = 0;
  for (const auto& candidate : entity.tables) {
    names.push_back(to_string(candidate.legacy));
    if (candidate.legacy != *table) continue;
    found = &candidate;
    ++count;
  }
  auto mark = node.find("shape")->mark;
  if (!found) {
    std::vector<std::string_view> words(names.begin(), names.end());
    return mistakes.add_unknown_word(
        mark, fmt::format("entity '{}' has no legacy table {}", entity.name, to_string(*table)),
        to_string(*table), words);
  }
  if (count > 1)
    return mistakes.add(mark,
                        "legacy table {} becomes {} new tables, so it has no one shape; write the rules out",
                        to_string(*table), count);
  std::ranges::move(ShapeRules(*found, std::move(at), node.mark).take(), std::back_inserter(rules));
}

}  // namespace

std::vector<CompareRule> bind_compare(const SpecNode& list, const EntitySpec& entity, Mistakes& mistakes) {
  std::vector<CompareRule> rules;
  for (const auto& item : list.items) {
    if (item.find("shape")) {
      bind_shape(item, entity, rules, mistakes);
    } else if (const auto* header = decided(item, "ignore_header")) {
      auto rule = bind_rule(Kind::ignore, "", item);
      rule.header = header->text;
      rules.push_back(std::move(rule));
    }
    for (const auto& [tag, kind] : kTags) {
      const auto* path = decided(item, tag);
      if (!path) continue;
      if (kind == Kind::tolerance && !item.find("absolute") && !item.find("relative"))
        mistakes.add(item.mark, "a tolerance needs 'absolute' or 'relative'");
      rules.push_back(bind_rule(kind, path->text, item));
    }
  }
  return rules;
}

}  // namespace oxbow
