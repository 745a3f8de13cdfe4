// Waiting on purpose.
#pragma once

#include "base/time.hpp"
#include "runtime/task.hpp"

namespace oxbow {

// `cancelled` if the task was asked to stop, before or while it sleeps.
Task<void> sleep_for(Duration duration);

}  // namespace oxbow
