// Pairs of answers and rules written down as text, as in test/golden/parity. Read by the golden test and made
// into seeds of the fuzzer.
#pragma once

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "core/parity/answers.hpp"
#include "core/spec/scalars.hpp"
#include "support/golden_cases.hpp"

namespace oxbow::parity_case {

using golden::cut;
using golden::words_of;

// The word that `rest` begins with, taken off it together with the blank behind it.
inline std::string take_word(std::string_view& rest) {
  auto end = rest.find(' ');
  std::string word(rest.substr(0, end));
  rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
  return word;
}

struct Case {
  std::string title;
  std::string legacy_body, new_body;
  int legacy_status = 200, new_status = 200;
  std::vector<std::pair<std::string, std::string>> legacy_fields{{"Content-Type", "application/json"}};
  std::vector<std::pair<std::string, std::string>> new_fields = legacy_fields;
  std::vector<std::string> headers;
  std::vector<CompareRule> rules;
  ParityLimits limits;
  int lines = 0;

  void read(std::string_view line) {
    ++lines;
    auto word = take_word(line);
    if (word == "legacy") return void(legacy_body = line);
    if (word == "new") return void(new_body = line);
    if (word == "repeat") return repeat(line);
    if (word == "status") return void(std::istringstream(std::string(line)) >> legacy_status >> new_status);
    if (word == "legacy-field") return read_field(line, legacy_fields);
    if (word == "new-field") return read_field(line, new_fields);
    if (word == "header") return headers.push_back(std::string(line));
    if (word == "depth") return void(limits.depth_max = std::stoi(std::string(line)));
    if (word == "bytes") return void(limits.body_bytes_max = std::stoul(std::string(line)));
    if (word == "differences") return void(limits.differences_max = std::stoul(std::string(line)));
    if (word == "rule") return read_rule(line);
    FAIL() << "unknown line: " << word;
  }

  // legacy COUNT TEXT: TEXT so many times behind what stands there, and the same on the other side.
  void repeat(std::string_view line) {
    auto side = take_word(line);
    auto count = std::stoi(take_word(line));
    for (int i = 0; i < count; ++i) (side == "legacy" ? legacy_body : new_body) += line;
  }

  static void read_field(std::string_view line, std::vector<std::pair<std::string, std::string>>& fields) {
    auto colon = line.find(':');
    std::string name(line.substr(0, colon));
    if (same_field_name(name, "Content-Type"))
      std::erase_if(fields, [&](const auto& each) { return same_field_name(each.first, name); });
    if (line.size() > colon + 2) fields.emplace_back(name, line.substr(colon + 2));
  }

  void read_rule(std::string_view line) {
    using Kind = CompareRule::Kind;
    CompareRule rule{.mark = {lines, 1}};
    auto kind = take_word(line), place = take_word(line);
    (place.starts_with("$") ? rule.path : rule.header) = place;
    auto words = words_of(line);
    if (kind == "ignore") rule.kind = Kind::ignore;
    if (kind == "unordered") rule.kind = Kind::unordered;
    if (kind == "keyed") rule.kind = Kind::keyed, rule.keys = words;
    if (kind == "absolute") rule.kind = Kind::tolerance, rule.absolute = line;
    if (kind == "relative") rule.kind = Kind::tolerance, rule.relative = line;
    if (kind == "time_skew") rule.kind = Kind::time_skew, rule.skew = parse_duration(line).value();
    if (kind == "same_class") rule.kind = Kind::same_class, rule.classes = cut(line, " || ");
    if (kind == "rename") rule.kind = Kind::rename, rule.to = line;
    if (kind == "scale") rule.kind = Kind::scale, rule.factor = line;
    if (kind == "map") {
      rule.kind = Kind::map;
      for (const auto& each : words) {
        auto both = cut(each, "=");
        rule.map.emplace_back(both[0], both[1]);
      }
    }
    rules.push_back(std::move(rule));
  }

  Answer answer(Side side) const {
    bool is_legacy = side == Side::legacy;
    Answer made{.status = is_legacy ? legacy_status : new_status, .body = is_legacy ? legacy_body : new_body};
    for (const auto& [name, value] : is_legacy ? legacy_fields : new_fields)
      made.fields.push_back({name, value});
    return made;
  }
};

}  // namespace oxbow::parity_case
