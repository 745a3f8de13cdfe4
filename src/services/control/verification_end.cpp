#include "services/control/verification_end.hpp"

#include <algorithm>

namespace oxbow {
namespace {

ProofSummary summary_of(const VerifyReport& report) {
  auto ppm = std::clamp(report.coverage_percent, 0.0, 100.0) * 10'000;
  return {report.state,    report.rows_compared, report.divergence_count, static_cast<std::uint32_t>(ppm),
          report.position, report.taken_at};
}

}  // namespace

std::vector<EndVerify> ends_of(const std::optional<std::string>& entity, const VerifyReport& report,
                               const StreamBackFacts& stream_back) {
  auto summary = summary_of(report);
  auto waiting = [&](const std::string& name) -> std::uint64_t {
    if (!stream_back.waiting) return 0;
    return static_cast<std::uint64_t>(std::ranges::count(*stream_back.waiting, name, &RowAtStake::entity));
  };
  if (entity) summary.rows_waiting = waiting(*entity);
  if (entity || report.state != VerifyState::differs) return {{entity, summary}};
  std::vector<EndVerify> ends;
  for (const auto& [name, found] : report.entities) {
    summary.result = found.divergence_count == 0 ? VerifyState::equal : VerifyState::differs;
    summary.rows_compared = found.rows_compared;
    summary.divergences = found.divergence_count;
    summary.rows_waiting = waiting(name);
    ends.push_back({name, summary});
  }
  return ends;
}

}  // namespace oxbow
