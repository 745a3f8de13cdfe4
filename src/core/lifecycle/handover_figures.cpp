#include "core/lifecycle/handover_figures.hpp"

#include <algorithm>

#include "base/assert.hpp"

namespace oxbow {

std::uint64_t percentile(std::vector<std::uint64_t> values, unsigned percent) {
  OXBOW_ASSERT(!values.empty() && percent > 0 && percent <= 100, "percentile {} of {} values", percent,
               values.size());
  auto rank = (values.size() * percent + 99) / 100;
  auto at = values.begin() + static_cast<std::ptrdiff_t>(rank - 1);
  std::ranges::nth_element(values, at);
  return *at;
}

std::optional<HandoverForecast> forecast(const std::vector<HandoverFigures>& handovers) {
  std::vector<std::uint64_t> pauses;
  std::vector<std::pair<std::string, std::vector<std::uint64_t>>> steps;
  for (const auto& handover : handovers) {
    if (handover.pause_us) pauses.push_back(*handover.pause_us);
    for (const auto& step : handover.steps) {
      auto known = std::ranges::find(steps, step.name, &decltype(steps)::value_type::first);
      if (known == steps.end()) known = steps.insert(known, {step.name, {}});
      known->second.push_back(step.took_us);
    }
  }
  if (pauses.empty()) return std::nullopt;
  HandoverForecast result{
      pauses.size(), percentile(pauses, 50), percentile(pauses, 99), percentile(pauses, 100), {}};
  for (auto& [name, took_us] : steps)
    result.median_steps.push_back({name, percentile(std::move(took_us), 50)});
  return result;
}

}  // namespace oxbow
