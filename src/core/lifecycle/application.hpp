// What each event makes of the state: the same for one that was decided now and one from the journal.
#pragma once

#include "core/lifecycle/event.hpp"
#include "core/lifecycle/state.hpp"

namespace oxbow {

// Whether the state may become so is for the caller to ask.
void bring_about(Lifecycle& lifecycle, const Event& event);

}  // namespace oxbow
