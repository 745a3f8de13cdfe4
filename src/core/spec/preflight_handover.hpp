// What a handover needs beyond a mirror: the stream back reads the new side and writes legacy, and guards
// stand on both. All of it are warnings: the mirror works without. Pure.
#pragma once

#include <vector>

#include "core/mapping/mapping.hpp"
#include "core/spec/preflight.hpp"

namespace oxbow {

// `facts` are about the spec's tables on this side. What the mirror needs as well, judge() has said.
std::vector<PreflightItem> judge_handover(const Spec& spec, Side side, const ServerFacts& facts,
                                          const Catalog& catalog);

// Whether a guard can tell of every row of the new table whose it is.
std::vector<PreflightItem> judge_guarded_key(const EntitySpec& entity, const TableMapping& mapping,
                                             Mark mark);

}  // namespace oxbow
