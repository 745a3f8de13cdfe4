// From a spec file to a `Spec`, or to everything that is wrong with it. Pure: reading the file, its YAML and
// the environment are the caller's. Stateless; safe to use from any thread.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "core/spec/connection.hpp"
#include "core/spec/mistake.hpp"
#include "core/spec/node.hpp"
#include "model/spec.hpp"

namespace oxbow {

struct ParsedSpec {
  std::optional<Spec> spec;       // none if there is a single mistake
  std::vector<Mistake> mistakes;  // all of them, in the order of the file
};

// `text` is the file that `root` was read from; its hash identifies the spec from now on.
ParsedSpec parse_spec(const SpecNode& root, std::string_view text, const Environment& environment);

}  // namespace oxbow
