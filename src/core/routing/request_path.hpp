// The path of a request as its parts, or why nobody may rely on them: a path that a service could read in
// another way than the gateway decides nothing. Views into the request's target; no allocation.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include "core/spec/route_text.hpp"

namespace oxbow {

enum class PathFault {
  none,
  not_a_path,        // "*", "http:..."
  bad_escape,        // a % without two hexadecimal digits
  hidden_separator,  // an encoded slash, backslash or control character, or a bare backslash
  double_escape,     // %25: a % that is itself encoded
  semicolon,         // some services cut parameters off behind it
  odd_character,     // not ASCII, a blank, a quote or a fragment
  empty_segment,     // "//"
  dot_segment,       // "." or "..", also encoded
  too_many_segments
};

inline constexpr std::array kPathFaultNames = {
    std::string_view("none"),          std::string_view("not-a-path"),
    std::string_view("bad-escape"),    std::string_view("hidden-separator"),
    std::string_view("double-escape"), std::string_view("semicolon"),
    std::string_view("odd-character"), std::string_view("empty-segment"),
    std::string_view("dot-segment"),   std::string_view("too-many-segments")};

constexpr std::string_view name(PathFault fault) {
  return kPathFaultNames[static_cast<std::size_t>(fault)];
}

// A slash at the end is an empty segment of its own.
struct RequestPath {
  PathFault fault = PathFault::none;
  std::size_t count = 0;
  std::array<std::string_view, kPathSegmentsMax> segments;  // as they came, escapes and all
};

RequestPath read_request_path(std::string_view path);

// Whether a segment that came is `literal` once its escapes are resolved. REQUIRES: one of a path without
// fault.
bool is_same_segment(std::string_view segment, std::string_view literal);

// Appends the text with its escapes resolved; false if one is malformed. `plus_is_blank` as in a query.
bool append_decoded(std::string_view text, bool plus_is_blank, std::string& out);

}  // namespace oxbow
