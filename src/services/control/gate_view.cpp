#include "services/control/gate_view.hpp"

#include <boost/json.hpp>

namespace oxbow {
namespace {

namespace json = boost::json;

json::value text_or_null(const std::string& text) {
  return text.empty() ? json::value() : json::value(text);
}

json::value condition_value(const GateCondition& condition) {
  auto after = [](Duration time) { return std::chrono::duration<double>(time).count(); };
  return {{"name", condition.name},
          {"layer", name(condition.layer)},
          {"verdict", name(condition.verdict)},
          {"value", text_or_null(condition.value)},
          {"threshold", condition.threshold},
          {"missing", text_or_null(condition.missing)},
          {"passes_after_seconds",
           condition.passes_after ? json::value(after(*condition.passes_after)) : json::value()}};
}

json::value override_value(const CohortLife& life, State to) {
  auto found = life.gate_overrides.find(to);
  if (found == life.gate_overrides.end()) return nullptr;
  const auto& [since, who, approver, why] = found->second;
  return {{"since", to_string(since)},
          {"who", who},
          {"approver", approver},
          {"why", why},
          {"sentence", to_string(found->second)}};
}

}  // namespace

Result<std::string> gates_json(const ControlService& service, const std::vector<Scope>& scopes, State to) {
  json::array cohorts;
  auto worst = GateVerdict::pass;
  for (const auto& scope : scopes) {
    auto report = TRY(service.gate(scope, to));
    worst = std::max(worst, report.verdict);
    json::array conditions;
    for (const auto& condition : report.conditions) conditions.push_back(condition_value(condition));
    const auto& life = service.lifecycle().cohorts.at(scope);
    cohorts.push_back({{"entity", scope.entity},
                       {"cohort", scope.cohort},
                       {"state", name(life.state)},
                       {"verdict", name(report.verdict)},
                       {"conditions", std::move(conditions)},
                       {"override", override_value(life, to)}});
  }
  return json::serialize(
      json::value{{"to", name(to)}, {"verdict", name(worst)}, {"cohorts", std::move(cohorts)}});
}

}  // namespace oxbow
