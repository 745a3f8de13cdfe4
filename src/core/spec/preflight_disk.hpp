// Whether the disks of both servers have room for what a migration puts there: the copy on the new side, the
// log that the legacy side keeps. An estimate. Pure.
#pragma once

#include <vector>

#include "core/spec/preflight.hpp"

namespace oxbow {

std::vector<PreflightItem> judge_disks(const Spec& spec, const ServerFacts& legacy,
                                       const ServerFacts& new_side);

}  // namespace oxbow
