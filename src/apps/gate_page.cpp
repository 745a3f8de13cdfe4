#include "apps/gate_page.hpp"

#include <fmt/core.h>

#include <boost/json.hpp>

#include "apps/grid.hpp"

namespace oxbow {
namespace {

namespace json = boost::json;

std::string text(const json::value& value) {
  return value.is_null() ? "" : std::string(value.as_string());
}

Tint tint_of(std::string_view verdict) {
  return verdict == "pass" ? Tint::good : verdict == "inconclusive" ? Tint::warning : Tint::bad;
}

std::string conditions(const json::array& conditions, Paint paint) {
  Grid grid({"CONDITION", "LAYER", "VERDICT", "IS", "HAS TO BE", "MISSING"});
  for (const auto& each : conditions) {
    auto verdict = text(each.at("verdict"));
    auto value = text(each.at("value"));
    grid.add({{text(each.at("name"))},
              {text(each.at("layer"))},
              {verdict, tint_of(verdict)},
              {value.empty() ? "unknown" : value},
              {text(each.at("threshold"))},
              {text(each.at("missing"))}});
  }
  return grid.to_string(paint);
}

}  // namespace

std::string gate_page(const json::value& gates, Paint paint) {
  std::string page;
  for (const auto& cohort : gates.at("cohorts").as_array()) {
    if (!page.empty()) page += "\n";
    auto verdict = text(cohort.at("verdict"));
    const auto& of_cohort = cohort.at("conditions").as_array();
    page += fmt::format("{}/{}, in {}, to {}: {}{}\n", text(cohort.at("entity")), text(cohort.at("cohort")),
                        text(cohort.at("state")), text(gates.at("to")), paint(tint_of(verdict), verdict),
                        of_cohort.empty() ? "; the spec has no conditions for it" : "");
    if (const auto& override = cohort.at("override"); !override.is_null())
      page += paint(Tint::warning, "OVERRIDDEN") + " " + text(override.at("sentence")) + "\n";
    if (!of_cohort.empty()) page += conditions(of_cohort, paint);
  }
  return page;
}

}  // namespace oxbow
