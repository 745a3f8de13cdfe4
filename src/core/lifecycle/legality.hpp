// The table of what may be asked of a cohort in which state. Data, so that tests can walk through every cell.
#pragma once

#include <array>
#include <string>
#include <string_view>

#include "core/lifecycle/state.hpp"

namespace oxbow {

enum class Operation {
  to_legacy,
  to_mirrored,
  to_new_write,
  to_new_read,
  to_fully_cutover,
  pause,
  resume,
  verify
};

inline constexpr std::array kOperations = {
    Operation::to_legacy,        Operation::to_mirrored, Operation::to_new_write, Operation::to_new_read,
    Operation::to_fully_cutover, Operation::pause,       Operation::resume,       Operation::verify};

enum class Legality { no, already, yes };

Legality legality(State state, Operation operation);
Operation transition_to(State state);

std::string_view name(Operation operation);  // "advance to mirrored", "verify"

// Why `operation` is refused for `scope` in `state`, what is legal there, and the command that leads on.
// REQUIRES: legality(state, operation) is `no`.
std::string refusal(const Scope& scope, State state, Operation operation);

}  // namespace oxbow
