// Keeps a finding for each address of a service that fails, until it answers again.
#pragma once

#include <functional>

#include "ports/finding_store.hpp"
#include "runtime/task.hpp"

namespace oxbow {

// `failing` says what holds now. Looks every second until it is cancelled.
Task<void> watch_services(FindingStore& findings, std::function<std::vector<Finding>()> failing);

}  // namespace oxbow
