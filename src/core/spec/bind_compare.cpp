#include <algorithm>
#include <array>

#include "core/spec/bind.hpp"
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

constexpr std::string_view kHeader = "header.";

// `place` is a path, or the name of a header field behind `header.`.
CompareRule bind_rule(Kind kind, std::string_view place, const SpecNode& node) {
  CompareRule rule;
  rule.kind = kind;
  bool of_header = place.starts_with(kHeader);
  (of_header ? rule.header : rule.path) = place.substr(of_header ? kHeader.size() : 0);
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

void bind_shape(const SpecNode& node, const EntitySpec& entity, Route& route, Mistakes& mistakes) {
  auto table = parsed_at(node, "shape", parse_table_name);
  if (!table) return;
  std::vector<std::string> names;
  for (const auto& each : entity.tables) names.push_back(to_string(each.legacy));
  auto mark = node.find("shape")->mark;
  auto count = std::ranges::count(entity.tables, *table, &TableSpec::legacy);
  if (count == 0) {
    std::vector<std::string_view> words(names.begin(), names.end());
    mistakes.add_unknown_word(
        mark, fmt::format("entity '{}' has no legacy table {}", entity.name, to_string(*table)),
        to_string(*table), words);
  }
  if (count > 1)
    mistakes.add(mark, "legacy table {} becomes {} new tables, so it has no one shape; write the rules out",
                 to_string(*table), count);
  route.shapes.push_back({.table = *table, .at = text_at(node, "at"), .mark = node.mark});
}

}  // namespace

void bind_compare(const SpecNode& list, const EntitySpec& entity, Route& route, Mistakes& mistakes) {
  for (const auto& item : list.items) {
    if (item.find("shape")) {
      bind_shape(item, entity, route, mistakes);
    } else if (const auto* header = decided(item, "ignore_header")) {
      route.compare.push_back(bind_rule(Kind::ignore, fmt::format("{}{}", kHeader, header->text), item));
    }
    for (const auto& [tag, kind] : kTags) {
      const auto* path = decided(item, tag);
      if (!path) continue;
      if (kind == Kind::tolerance && !item.find("absolute") && !item.find("relative"))
        mistakes.add(item.mark, "a tolerance needs 'absolute' or 'relative'");
      route.compare.push_back(bind_rule(kind, path->text, item));
    }
  }
}

}  // namespace oxbow
