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

}  // namespace oxbow
