// A path into an answer, as rules are written: "$.items[*].price". `.name` and `["any name"]` are a member,
// `.*` any member, `[*]` any element of an array, and `..` any number of steps, also none. Plain values.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace oxbow {

struct PathPart {
  enum class Kind { member, any_member, element, descend };

  Kind kind = Kind::member;
  std::string name;  // of a member

  friend bool operator==(const PathPart&, const PathPart&) = default;
};

// The parts behind '$', or what is wrong, as the end of a sentence.
std::expected<std::vector<PathPart>, std::string> parse_answer_path(std::string_view path);

// ".price", or ["..."] for names that would not be read back otherwise.
void append_path_step(std::string_view member_name, std::string& out);

}  // namespace oxbow
