// Notices that the spec's file was changed while oxbow is up.
#pragma once

#include <functional>

#include "apps/cli.hpp"
#include "model/spec.hpp"
#include "runtime/task.hpp"

namespace oxbow {

// Calls `take_over` with every new spec that has no mistakes; says once what is wrong with one that has. A
// refusal of `take_over` is said, too. Ends when it is cancelled.
Task<void> watch_spec(Settings settings, std::string hash, std::function<Status(Spec)> take_over);

}  // namespace oxbow
