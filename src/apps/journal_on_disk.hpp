// The journal as it lies beside the spec, read without anybody's help: also while no oxbow runs, or the one
// that runs hangs.
#pragma once

#include "apps/cli.hpp"
#include "core/lifecycle/state.hpp"

namespace oxbow {

// What is in force by it; none: nothing was ever begun.
Result<std::optional<Lifecycle>> lifecycle_on_disk(const Settings& settings);

}  // namespace oxbow
