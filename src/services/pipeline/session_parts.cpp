#include "services/pipeline/session_parts.hpp"

#include <fmt/core.h>

#include <utility>

namespace oxbow {

// A finding goes by the legacy table, which several new tables may be made of; and a key that was released
// may have gone to quarantine again at once.
void SessionParts::close_released() {
  for (const auto& release : std::exchange(released, {})) {
    const auto& legacy = context.plan.tables[release.table].mapping.source;
    FindingSelection gone{.kind = FindingKind::quarantined_row, .table = to_string(legacy)};
    bool waits = false;
    for (const auto& table : context.plan.tables) {
      if (table.mapping.source != legacy) continue;
      const auto& waiting = applier->quarantined(table.id);
      waits = waits || waiting.contains(release.key_tuple);
      if (release.key_tuple.empty())
        for (const auto& [key, shown] : waiting) gone.but.emplace(*gone.table, shown);
    }
    if (waits) continue;
    if (!release.key_tuple.empty()) gone.key = release.key;
    context.close_findings(gone, fmt::format("it left quarantine at {}", to_string(applier->position().lsn)));
  }
}

// What the stream follows is not spared, whatever is known of its home: after a crash in a handover the
// stream knows of it first. On legacy all are at home whom it does not follow.
std::shared_ptr<const CohortFilter> SessionParts::spared(std::uint32_t table) {
  const auto& planned = context.plan.tables[table];
  if (planned.mapping.new_entity_key.empty()) return nullptr;
  auto at_home = context.at_home_on_target.find(planned.entity);
  auto cohorts = context.spec.find_entity(planned.entity)->cohorts.size();
  std::vector<CohortId> members;
  for (std::uint32_t i = 0; i < cohorts; ++i) {
    CohortId cohort(i);
    bool is_at_home = context.plan.course == Course::back ||
                      (at_home != context.at_home_on_target.end() && at_home->second.contains(cohort));
    if (is_at_home && !applier->fences(table).covers(cohort)) members.push_back(cohort);
  }
  if (members.empty()) return nullptr;
  auto& known = spared_[table];
  if (!known || known->members != members)
    known = std::make_shared<const CohortFilter>(filter_on_target(planned, std::move(members)));
  return known;
}

}  // namespace oxbow
