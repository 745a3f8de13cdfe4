// Which thread of a process goes first where there are fewer cores than work.
#pragma once

namespace oxbow {

// The calling thread goes on for as long as before, but never takes a core from a thread that runs when it
// has something to do: it waits for its turn. For work that nobody waits for. Source: SCHED_BATCH of
// sched(7).
void let_others_go_first();

}  // namespace oxbow
