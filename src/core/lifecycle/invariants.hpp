// What must hold between a lifecycle and the one that an event makes of it, whatever the event. The machine
// checks it after every event of its own; a journal that breaks it was not written by a sound oxbow.
#pragma once

#include <optional>
#include <string>

#include "core/lifecycle/state.hpp"

namespace oxbow {

// The sentence of the first rule that is broken, or none.
std::optional<std::string> broken_invariant(const Lifecycle& before, const Lifecycle& after);

}  // namespace oxbow
