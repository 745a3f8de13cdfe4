// Parses spec text in tests, through the same YAML reader that the program uses.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "adapters/yaml/yaml_reader.hpp"
#include "core/spec/parse.hpp"

namespace oxbow {

inline ParsedSpec parse_spec_text(std::string_view text,
                                  std::map<std::string, std::string> environment = {}) {
  auto node = read_yaml(text, "oxbow.yaml");
  if (!node) {
    ADD_FAILURE() << node.error().detail;
    return {};
  }
  return parse_spec(*node, text, [&](std::string_view name) -> std::optional<std::string> {
    auto at = environment.find(std::string(name));
    return at == environment.end() ? std::nullopt : std::optional(at->second);
  });
}

// Each mistake as it is printed.
inline std::vector<std::string> lines_of(const std::vector<Mistake>& mistakes) {
  std::vector<std::string> lines;
  for (const auto& mistake : mistakes) lines.push_back(to_string(mistake, "oxbow.yaml"));
  return lines;
}

}  // namespace oxbow
