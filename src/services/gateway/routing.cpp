#include "services/gateway/routing.hpp"

#include <algorithm>
#include <iterator>

#include "core/parity/mapping_rules.hpp"
#include "core/spec/mistake.hpp"

namespace oxbow {
namespace {

// They stand where the route asks for them: the mapping alone makes no mistake in a comparison.
std::vector<CompareRule> rules_of_mapping(const RoutedRoute& routed, const Spec& spec,
                                          std::chrono::year_month_day today) {
  std::vector<CompareRule> rules;
  for (const auto& shape : routed.route.shapes) {
    for (const auto& table : spec.entities[routed.entity].tables) {
      if (table.legacy != shape.table) continue;
      for (auto& derived : rules_from_mapping(table, shape.at, today)) {
        derived.mark = shape.mark;
        rules.push_back(std::move(derived));
      }
    }
  }
  return rules;
}

std::vector<CompareRule> joined(std::vector<CompareRule> first, std::vector<CompareRule> then) {
  std::ranges::move(then, std::back_inserter(first));
  return first;
}

// Those that the route's owners wrote down come first, and so win.
std::vector<CompareRule> rules_of(const RoutedRoute& routed, const Spec& spec,
                                  std::chrono::year_month_day today) {
  return joined(routed.route.compare, rules_of_mapping(routed, spec, today));
}

// Of two rules that contradict each other the later one is told, so those of the mapping come first here: a
// mistake is the owners', who can take their rule away. One of the mapping's is told once for all its
// columns.
void add_mistakes(const RoutedRoute& routed, const Spec& spec, std::chrono::year_month_day today,
                  Mistakes& mistakes) {
  auto rules = joined(rules_of_mapping(routed, spec, today), routed.route.compare);
  auto compiled = CompareRules::compile(rules);
  if (compiled) return;
  std::vector<Mark> told;
  for (const auto& problem : compiled.error()) {
    if (std::ranges::find(told, problem.mark) != told.end()) continue;
    told.push_back(problem.mark);
    mistakes.add(problem.mark, "{}", problem.sentence);
  }
}

// What is said once by legacy is not translated when legacy says it again.
std::vector<CompareRule> without_translations(std::vector<CompareRule> rules) {
  using Kind = CompareRule::Kind;
  std::erase_if(rules, [](const CompareRule& rule) {
    return rule.kind == Kind::map || rule.kind == Kind::rename || rule.kind == Kind::scale;
  });
  return rules;
}

// What is hidden under legacy's name is hidden under its name on the new side, too. Routes with one text are
// one for the examples, so each hides what any of them names.
Redactor redactor_of(std::string_view text, const Routes& routes, const Spec& spec,
                     std::chrono::year_month_day today) {
  auto fields = spec.gateway ? spec.gateway->redact : std::vector<std::string>();
  std::vector<RenamedMember> renames;
  for (std::size_t i = 0; i < routes.texts.size(); ++i) {
    if (routes.texts[i] != text) continue;
    const auto& routed = routes.table.routes()[i];
    fields.insert(fields.end(), routed.route.redact.begin(), routed.route.redact.end());
    for (auto& rule : rules_of(routed, spec, today))
      if (rule.kind == CompareRule::Kind::rename) renames.push_back({rule.path, rule.to});
  }
  return Redactor(std::move(fields), std::move(renames));
}

}  // namespace

Result<std::shared_ptr<const Routes>> compile_routes(const Spec& spec, const KeyKinds& kinds,
                                                     std::chrono::year_month_day today) {
  auto routes = std::make_shared<Routes>(Routes{RouteTable::compile(spec, kinds), {}, {}, {}, {}, {}, {}});
  Mistakes mistakes;
  for (const auto& routed : routes->table.routes()) {
    routes->texts.push_back(routed.route.method + " " + routed.route.path);
    const auto& written = routes->rules_as_written.emplace_back(rules_of(routed, spec, today));
    auto rules = CompareRules::compile(written);
    if (rules) {
      routes->rules.push_back(std::move(*rules));
      routes->rules_of_twins.push_back(*CompareRules::compile(without_translations(written)));
    } else {
      add_mistakes(routed, spec, today, mistakes);
    }
  }
  if (mistakes.size() > 0) return std::unexpected(to_error(mistakes.take_sorted(), spec.file));
  for (const auto& text : routes->texts) routes->redactors.push_back(redactor_of(text, *routes, spec, today));
  if (spec.gateway) routes->version_header = spec.gateway->version_header;
  return routes;
}

std::vector<WayToCompare> ways_to_compare(const Routes& routes, std::string_view text) {
  std::vector<WayToCompare> ways;
  for (std::size_t i = 0; i < routes.texts.size(); ++i)
    if (routes.texts[i] == text)
      ways.push_back({routes.rules_as_written[i], routes.table.routes()[i].route.compare_headers});
  return ways;
}

}  // namespace oxbow
