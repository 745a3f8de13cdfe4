// The lifecycle of a migration as a pure machine: commands are decided into events, events are applied to the
// state. No clock, no I/O: the same journal gives the same state everywhere.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "core/lifecycle/chain.hpp"
#include "core/lifecycle/commands.hpp"
#include "core/lifecycle/event.hpp"
#include "core/lifecycle/state.hpp"
#include "model/journal.hpp"

namespace oxbow {

// The events that carry the command out, or why it is refused: `illegal_transition`, or `not_found` with the
// nearest name. No events: what was asked for holds already.
Result<std::vector<Event>> decide(const Lifecycle& lifecycle, const Command& command, WallTime now);

// REQUIRES: the event comes from decide() on this very state.
void apply(Lifecycle& lifecycle, const Event& event);

// What carrying out `events` will do, step by step in order, for `--dry-run`.
std::vector<std::string> actions_of(const std::vector<Event>& events);

// A state together with the place in the journal that it stands for.
struct Replayed {
  Lifecycle lifecycle;
  ChainHead head;
};

// Moves on over records from a file, which may hold anything: `store_corrupt` at the first one that cannot
// be.
Status replay(Replayed& replayed, const std::vector<JournalRecord>& records);

}  // namespace oxbow
