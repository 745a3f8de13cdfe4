// Notices that the spec's file was changed while oxbow is up.
#pragma once

#include <functional>

#include "apps/cli.hpp"
#include "model/spec.hpp"
#include "runtime/task.hpp"

namespace oxbow {

// Calls `take_over` with every new spec that has no mistakes, again and again while it says `incomplete`, and
// `tell` with what has become of each change of the file: an error if it has mistakes, was not taken over, or
// has to wait. Ends when it is cancelled.
Task<void> watch_spec(Settings settings, std::string hash, std::function<Task<void>(Spec)> take_over,
                      std::function<void(const Status&)> tell);

}  // namespace oxbow
