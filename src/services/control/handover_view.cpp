#include "services/control/handover_view.hpp"

#include <boost/json.hpp>
#include <vector>

#include "core/lifecycle/handover_figures.hpp"

namespace oxbow {
namespace {

namespace json = boost::json;

constexpr std::size_t kReadAtOnce = 1000;

double to_ms(std::uint64_t us) {
  return static_cast<double>(us) / 1000;
}

json::array step_values(const std::vector<HandoverFigures::Step>& steps) {
  json::array values;
  for (const auto& step : steps) values.push_back({{"step", step.name}, {"ms", to_ms(step.took_us)}});
  return values;
}

json::value handover_value(const Journal::Entry& entry, const TransitionDone& done) {
  const auto& figures = *done.figures;
  return {{"number", entry.number},
          {"at", to_string(entry.event.at)},
          {"entity", done.scope.entity},
          {"cohort", done.scope.cohort},
          {"to", name(done.to)},
          {"epoch", done.epoch},
          {"pause_ms", figures.pause_us ? json::value(to_ms(*figures.pause_us)) : json::value()},
          {"steps", step_values(figures.steps)}};
}

json::value forecast_value(const std::optional<HandoverForecast>& foretold) {
  if (!foretold) return nullptr;
  return {{"measured", foretold->measured},
          {"pause_ms_p50", to_ms(foretold->pause_us_p50)},
          {"pause_ms_p99", to_ms(foretold->pause_us_p99)},
          {"pause_ms_max", to_ms(foretold->pause_us_max)},
          {"median_steps", step_values(foretold->median_steps)}};
}

}  // namespace

Result<std::string> handovers_json(const Journal& journal, const std::optional<std::string>& entity,
                                   std::size_t limit) {
  std::vector<HandoverFigures> figures;
  json::array values;
  std::uint64_t last = 0;
  while (true) {
    auto entries = TRY(journal.after(last, kReadAtOnce));
    if (entries.empty()) break;
    last = entries.back().number;
    for (const auto& entry : entries) {
      const auto* done = std::get_if<TransitionDone>(&entry.event.what);
      if (!done || !done->figures || (entity && done->scope.entity != *entity)) continue;
      figures.push_back(*done->figures);
      values.push_back(handover_value(entry, *done));
    }
  }
  if (values.size() > limit)
    values.erase(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() - limit));
  return json::serialize(
      json::value{{"handovers", std::move(values)}, {"forecast", forecast_value(forecast(figures))}});
}

}  // namespace oxbow
