// From the spec's path to a Spec, with every mistake of the file in one error.
#pragma once

#include "apps/cli.hpp"
#include "model/spec.hpp"

namespace oxbow {

Result<std::string> read_file(const std::string& path);  // `spec_unreadable`
Result<Spec> load_spec(const Settings& settings);

}  // namespace oxbow
