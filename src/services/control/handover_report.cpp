#include "services/control/handover_report.hpp"

#include <fmt/format.h>

namespace oxbow {
namespace {

std::uint64_t to_us(Duration duration) {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(duration).count());
}

}  // namespace

std::string describe(const HandoverReport& report) {
  auto ms = [](Duration duration) {
    return std::chrono::duration_cast<std::chrono::microseconds>(duration).count() / 1000.0;
  };
  std::string line;
  if (report.pause) line = fmt::format("writes waited {:.1f} ms", ms(*report.pause));
  for (const auto& step : report.steps)
    line += fmt::format("{}{} {:.1f}",
                        line.empty()                                 ? ""
                        : step.action == report.steps.front().action ? ": "
                                                                     : ", ",
                        name(step.action), ms(step.took));
  return line;
}

HandoverFigures figures_of(const HandoverReport& report) {
  HandoverFigures figures;
  if (report.pause) figures.pause_us = to_us(*report.pause);
  for (const auto& step : report.steps)
    figures.steps.push_back({std::string(name(step.action)), to_us(step.took)});
  return figures;
}

}  // namespace oxbow
