#include "core/spec/answer_path.hpp"

#include <fmt/core.h>

#include <algorithm>

namespace oxbow {
namespace {

bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
         c == '$' || c == '@' || static_cast<unsigned char>(c) >= 0x80;
}

bool take(std::string_view& rest, std::string_view expected) {
  if (!rest.starts_with(expected)) return false;
  rest.remove_prefix(expected.size());
  return true;
}

// `["..."]` or `['...']`, behind its opening; a backslash takes the next character as it is.
bool take_quoted_name(std::string_view& rest, char quote, std::string& name) {
  for (std::size_t at = 0; at < rest.size(); ++at) {
    if (rest[at] == quote) {
      rest.remove_prefix(at + 1);
      return take(rest, "]");
    }
    if (rest[at] == '\\' && ++at == rest.size()) return false;
    name += rest[at];
  }
  return false;
}

bool take_plain_name(std::string_view& rest, std::string& name) {
  name.assign(rest.begin(), std::ranges::find_if_not(rest, is_plain));
  rest.remove_prefix(name.size());
  return !name.empty();
}

}  // namespace

std::expected<std::vector<PathPart>, std::string> parse_answer_path(std::string_view path) {
  auto rest = path;
  if (!take(rest, "$")) return std::unexpected("a path begins with '$', the whole body");
  std::vector<PathPart> parts;
  while (!rest.empty()) {
    auto where = path.size() - rest.size();
    PathPart part;
    bool read = true;
    if (take(rest, "..")) {
      parts.push_back({PathPart::Kind::descend, {}});
      if (rest.empty()) return std::unexpected("nothing follows its '..'");
      if (rest.front() == '[') continue;
      if (take(rest, "*")) {
        part.kind = PathPart::Kind::any_member;
      } else {
        read = take_plain_name(rest, part.name);
      }
    } else if (take(rest, "[*]")) {
      part.kind = PathPart::Kind::element;
    } else if (take(rest, ".*")) {
      part.kind = PathPart::Kind::any_member;
    } else if (take(rest, "[\"")) {
      read = take_quoted_name(rest, '"', part.name);
    } else if (take(rest, "['")) {
      read = take_quoted_name(rest, '\'', part.name);
    } else {
      read = take(rest, ".") && take_plain_name(rest, part.name);
    }
    if (!read || (!rest.empty() && rest.front() != '.' && rest.front() != '[')) {
      return std::unexpected(
          fmt::format("'{}' is none of .name, .*, ..name, [*] and [\"any name\"]", path.substr(where)));
    }
    parts.push_back(std::move(part));
  }
  return parts;
}

void append_path_step(std::string_view member_name, std::string& out) {
  if (!member_name.empty() && std::ranges::all_of(member_name, is_plain)) {
    out.append(".").append(member_name);
    return;
  }
  out += "[\"";
  for (char c : member_name) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  out += "\"]";
}

}  // namespace oxbow
