#include "services/gateway/routing.hpp"

#include <fmt/format.h>

#include "core/parity/mapping_rules.hpp"

namespace oxbow {
namespace {

// Those that the route's owners wrote down come first, and so win.
std::vector<CompareRule> rules_of(const RoutedRoute& routed, const Spec& spec,
                                  std::chrono::year_month_day today) {
  auto rules = routed.route.compare;
  for (const auto& shape : routed.route.shapes) {
    for (const auto& table : spec.entities[routed.entity].tables) {
      if (table.legacy != shape.table) continue;
      auto derived = rules_from_mapping(table, shape.at, today);
      rules.insert(rules.end(), derived.begin(), derived.end());
    }
  }
  return rules;
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
  std::string problems;
  for (const auto& routed : routes->table.routes()) {
    routes->texts.push_back(routed.route.method + " " + routed.route.path);
    const auto& written = routes->rules_as_written.emplace_back(rules_of(routed, spec, today));
    auto rules = CompareRules::compile(written);
    if (rules) {
      routes->rules.push_back(std::move(*rules));
      routes->rules_of_twins.push_back(*CompareRules::compile(without_translations(written)));
      continue;
    }
    for (const auto& problem : rules.error())
      problems += fmt::format("\n  {}:{}:{}: {}", spec.file, problem.mark.line, problem.mark.column,
                              problem.sentence);
  }
  for (const auto& text : routes->texts) routes->redactors.push_back(redactor_of(text, *routes, spec, today));
  if (spec.gateway) routes->version_header = spec.gateway->version_header;
  if (!problems.empty()) return std::unexpected(Error{ErrorCode::spec_invalid, problems});
  return routes;
}

std::vector<std::vector<CompareRule>> rules_of_text(const Routes& routes, std::string_view text) {
  std::vector<std::vector<CompareRule>> rules;
  for (std::size_t i = 0; i < routes.texts.size(); ++i)
    if (routes.texts[i] == text) rules.push_back(routes.rules_as_written[i]);
  return rules;
}

}  // namespace oxbow
