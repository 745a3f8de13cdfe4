#include "services/gateway/routing.hpp"

#include <fmt/format.h>

namespace oxbow {

Result<std::shared_ptr<const Routes>> compile_routes(const Spec& spec) {
  auto routes = std::make_shared<Routes>(Routes{RouteTable::compile(spec), {}, {}});
  std::string problems;
  for (const auto& routed : routes->table.routes()) {
    routes->texts.push_back(routed.route.method + " " + routed.route.path);
    auto rules = CompareRules::compile(routed.route.compare);
    if (rules) {
      routes->rules.push_back(std::move(*rules));
      continue;
    }
    for (const auto& problem : rules.error())
      problems += fmt::format("\n  {}:{}:{}: {}", spec.file, problem.mark.line, problem.mark.column,
                              problem.sentence);
  }
  if (!problems.empty()) return std::unexpected(Error{ErrorCode::spec_invalid, problems});
  return routes;
}

}  // namespace oxbow
