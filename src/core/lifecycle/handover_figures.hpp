// How long handovers took, and what that says of the next one. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace oxbow {

struct HandoverFigures {
  struct Step {
    std::string name;
    std::uint64_t took_us = 0;

    friend bool operator==(const Step&, const Step&) = default;
  };

  std::optional<std::uint64_t> pause_us;  // how long writes waited; none: a restart came in between
  std::vector<Step> steps;                // in the order in which they were done

  friend bool operator==(const HandoverFigures&, const HandoverFigures&) = default;
};

// The smallest value that at least `percent` of all values do not exceed. REQUIRES: values, 0 < percent <=
// 100
std::uint64_t percentile(std::vector<std::uint64_t> values, unsigned percent);

struct HandoverForecast {
  std::size_t measured = 0;  // handovers with a pause
  std::uint64_t pause_us_p50 = 0, pause_us_p99 = 0, pause_us_max = 0;
  std::vector<HandoverFigures::Step> median_steps;  // in the order in which they were first done
};

// None: no pause was measured yet.
std::optional<HandoverForecast> forecast(const std::vector<HandoverFigures>& handovers);

}  // namespace oxbow
