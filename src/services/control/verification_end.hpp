// What the journal is told at the end of a verification. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/envelope/stream_back_facts.hpp"
#include "core/lifecycle/commands.hpp"
#include "model/plane_status.hpp"

namespace oxbow {

// `entity`: the one that was asked for; none: all. What differs somewhere is told of each entity by itself:
// others are no worse for it.
std::vector<EndVerify> ends_of(const std::optional<std::string>& entity, const VerifyReport& report,
                               const StreamBackFacts& stream_back);

}  // namespace oxbow
