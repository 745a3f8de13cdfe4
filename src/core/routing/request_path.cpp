#include "core/routing/request_path.hpp"

#include <algorithm>

namespace oxbow {
namespace {

constexpr int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// The byte that `text`, which begins with a %, stands for; -1 if it stands for none.
int escaped_byte(std::string_view text) {
  if (text.size() < 3) return -1;
  int high = hex_value(text[1]), low = hex_value(text[2]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

PathFault fault_of_escape(std::string_view text) {
  int byte = escaped_byte(text);
  if (byte < 0) return PathFault::bad_escape;
  if (byte == '/' || byte == '\\' || byte < ' ' || byte == 0x7f) return PathFault::hidden_separator;
  if (byte == '%') return PathFault::double_escape;
  if (byte == ';') return PathFault::semicolon;
  return PathFault::none;
}

PathFault fault_of_character(char c) {
  if (c == '\\') return PathFault::hidden_separator;
  if (c == ';') return PathFault::semicolon;
  bool odd = c <= ' ' || c >= 0x7f || std::string_view("\"<>^`{|}#").contains(c);
  return odd ? PathFault::odd_character : PathFault::none;
}

// The quick way for what nearly every path is made of.
constexpr auto kPlain = [] {
  std::array<bool, 256> plain{};
  for (unsigned char c = 'a'; c <= 'z'; ++c) plain[c] = true;
  for (unsigned char c = 'A'; c <= 'Z'; ++c) plain[c] = true;
  for (unsigned char c = '0'; c <= '9'; ++c) plain[c] = true;
  for (unsigned char c : {'-', '_', '~', '!', '$', '&', '\'', '(', ')', '*', '+', ',', '=', ':', '@'})
    plain[c] = true;
  return plain;
}();

bool is_dots(std::string_view segment) {
  return is_same_segment(segment, ".") || is_same_segment(segment, "..");
}

PathFault take_segment(std::string_view& rest, std::string_view& segment) {
  std::size_t at = 0;
  bool may_be_dots = false;
  for (; at < rest.size() && rest[at] != '/'; ++at) {
    if (kPlain[static_cast<unsigned char>(rest[at])]) continue;
    may_be_dots = true;
    if (rest[at] == '.') continue;
    bool escape = rest[at] == '%';
    auto fault = escape ? fault_of_escape(rest.substr(at)) : fault_of_character(rest[at]);
    if (fault != PathFault::none) return fault;
    if (escape) at += 2;
  }
  segment = rest.substr(0, at);
  rest.remove_prefix(at);
  return may_be_dots && is_dots(segment) ? PathFault::dot_segment : PathFault::none;
}

}  // namespace

RequestPath read_request_path(std::string_view rest) {
  RequestPath path;
  if (!rest.starts_with('/')) path.fault = PathFault::not_a_path;
  while (!rest.empty() && path.fault == PathFault::none) {
    if (path.count == kPathSegmentsMax) {
      path.fault = PathFault::too_many_segments;
      break;
    }
    rest.remove_prefix(1);
    auto& segment = path.segments[path.count++];
    path.fault = take_segment(rest, segment);
    if (path.fault == PathFault::none && segment.empty() && !rest.empty())
      path.fault = PathFault::empty_segment;
  }
  return path;
}

bool is_same_segment(std::string_view segment, std::string_view literal) {
  if (!segment.contains('%')) return segment == literal;
  std::size_t at = 0;
  for (char wanted : literal) {
    if (at >= segment.size()) return false;
    bool escape = segment[at] == '%';
    char got = escape ? static_cast<char>(escaped_byte(segment.substr(at))) : segment[at];
    if (got != wanted) return false;
    at += escape ? 3 : 1;
  }
  return at == segment.size();
}

bool append_decoded(std::string_view text, bool plus_is_blank, std::string& out) {
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '%') {
      int byte = escaped_byte(text.substr(at));
      if (byte < 0) return false;
      out += static_cast<char>(byte);
      at += 2;
    } else {
      out += plus_is_blank && text[at] == '+' ? ' ' : text[at];
    }
  }
  return true;
}

}  // namespace oxbow
