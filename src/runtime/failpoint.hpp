// Named places at which a test kills the process, to show that nothing is lost there. Costs a comparison of
// two pointers where no failpoint is set.
#pragma once

#include <string>
#include <string_view>

namespace oxbow {

// Set once at start, before any thread. The process kills itself (SIGKILL) when it first comes to this place.
void arm_failpoint(std::string name);

void failpoint(std::string_view name);

}  // namespace oxbow
