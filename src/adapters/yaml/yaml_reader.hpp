// Reads a YAML file into a tree of the spec's own, so that nothing else knows which library reads YAML.
// Stateless; safe to use from any thread.
#pragma once

#include <cstddef>
#include <string_view>

#include "base/result.hpp"
#include "core/spec/node.hpp"

namespace oxbow {

inline constexpr std::size_t kSpecBytesMax = 4 << 20;

// `file_name` is only used in messages. `spec_unreadable` with file:line:column where the text is not YAML,
// not UTF-8, not one document, or beyond what a spec can need (4 MiB, 50 levels, 200,000 values with aliases
// written out).
Result<SpecNode> read_yaml(std::string_view text, std::string_view file_name);

}  // namespace oxbow
