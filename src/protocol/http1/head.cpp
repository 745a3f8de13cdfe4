#include "protocol/http1/head.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <vector>

namespace oxbow::http1 {
namespace {

// RFC 9110, 5.6.2.
constexpr auto kTokenCharacters = [] {
  std::array<bool, 256> table{};
  for (char c = 'a'; c <= 'z'; ++c) table[static_cast<unsigned char>(c)] = true;
  for (char c = 'A'; c <= 'Z'; ++c) table[static_cast<unsigned char>(c)] = true;
  for (char c = '0'; c <= '9'; ++c) table[static_cast<unsigned char>(c)] = true;
  for (char c : std::string_view("!#$%&'*+-.^_`|~")) table[static_cast<unsigned char>(c)] = true;
  return table;
}();

constexpr auto kValueCharacters = [] {
  std::array<bool, 256> table{};
  for (std::size_t c = 0x20; c < 256; ++c) table[c] = c != 0x7f;
  table['\t'] = true;
  return table;
}();

// What a target may hold: printable ASCII without a space. Bytes above it are left to those who take them.
constexpr auto kTargetCharacters = [] {
  std::array<bool, 256> table{};
  for (std::size_t c = 0x21; c < 256; ++c) table[c] = c != 0x7f;
  table['#'] = false;  // a fragment is never sent
  return table;
}();

// RFC 3986, 3.2.2, with a port. A comma could make two hosts of one.
constexpr auto kHostCharacters = [] {
  std::array<bool, 256> table{};
  for (char c = 'a'; c <= 'z'; ++c) table[static_cast<unsigned char>(c)] = true;
  for (char c = 'A'; c <= 'Z'; ++c) table[static_cast<unsigned char>(c)] = true;
  for (char c = '0'; c <= '9'; ++c) table[static_cast<unsigned char>(c)] = true;
  for (char c : std::string_view("-._~!$&'()*+;=:[]%")) table[static_cast<unsigned char>(c)] = true;
  return table;
}();

bool all_of(const std::array<bool, 256>& table, std::string_view text) {
  for (unsigned char c : text)
    if (!table[c]) return false;
  return true;
}

Refusal bad(std::string sentence) {
  return {400, std::move(sentence)};
}

std::string_view trimmed(std::string_view text) {
  auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// Takes one line off `bytes`. The scanner has seen to it that each ends with CR LF.
std::string_view take_line(std::string_view& bytes) {
  auto end = bytes.find('\n');
  auto line = bytes.substr(0, end - 1);
  bytes.remove_prefix(end + 1);
  return line;
}

// RFC 9110, 2.5: a higher minor version than ours is read as ours.
std::optional<int> parse_minor_version(std::string_view text) {
  if (text.size() != 8 || !text.starts_with("HTTP/1.") || text[7] < '0' || text[7] > '9') return std::nullopt;
  return text[7] == '0' ? 0 : 1;
}

std::optional<Refusal> parse_fields(std::string_view bytes, const HeadLimits& limits, HeaderFields& fields) {
  while (true) {
    auto line = take_line(bytes);
    if (line.empty()) return std::nullopt;
    if (line.front() == ' ' || line.front() == '\t') return bad("a header field goes on in a second line");
    auto colon = line.find(':');
    if (colon == std::string_view::npos) return bad("a header line has no colon");
    auto name = line.substr(0, colon);
    if (!is_token(name)) return bad("the name of a header field is no token");
    auto value = trimmed(line.substr(colon + 1));
    if (!is_field_value(value)) return bad("a header field holds a control character");
    if (fields.size() == limits.fields_max)
      return Refusal{431, fmt::format("there are more than {} header fields", limits.fields_max)};
    fields.push_back({name, value});
  }
}

// An absolute-form target names the host itself, and wins against the field (RFC 9112, 3.2.2).
std::optional<Refusal> split_absolute(std::string_view target, RequestHead& head) {
  auto authority = target.substr(target.find("://") + 3);
  auto end = authority.find_first_of("/?");
  auto rest = end == std::string_view::npos ? std::string_view() : authority.substr(end);
  head.host = authority.substr(0, end);
  if (head.host.empty() || !all_of(kHostCharacters, head.host))
    return bad("the request's target names no host");
  if (!rest.empty() && rest.front() == '?') return bad("the request's target has a query without a path");
  // RFC 9112, 3.2.4: without a path, the server as a whole.
  auto no_path = head.method == "OPTIONS" ? std::string_view("*") : std::string_view("/");
  head.target = rest.empty() ? no_path : rest;
  return std::nullopt;
}

bool is_absolute(std::string_view target) {
  auto has_scheme = [&](std::string_view scheme) {
    return target.size() > scheme.size() && same_field_name(target.substr(0, scheme.size()), scheme);
  };
  return has_scheme("http://") || has_scheme("https://");
}

std::optional<Refusal> parse_target(std::string_view target, RequestHead& head) {
  if (!all_of(kTargetCharacters, target)) return bad("the request's target holds a forbidden character");
  if (head.method == "CONNECT") return Refusal{405, "CONNECT is not for this server"};
  head.target = target;
  if (target == "*" && head.method == "OPTIONS") return std::nullopt;
  if (target.starts_with('/')) return std::nullopt;
  if (is_absolute(target)) return split_absolute(target, head);
  return bad("the request's target is no path");
}

// RFC 9112, 3.2: one Host, and none may be missing from HTTP/1.1.
std::optional<Refusal> take_host(RequestHead& head) {
  std::size_t count = 0;
  for (const auto& field : head.fields) {
    if (!same_field_name(field.name, "Host")) continue;
    ++count;
    if (!all_of(kHostCharacters, field.value)) return bad("Host is no host");
    if (head.host.empty()) head.host = field.value;
  }
  if (count > 1) return bad("there is more than one Host");
  if (count == 0 && head.minor_version > 0) return bad("there is no Host");
  return std::nullopt;
}

// What only the next hop may see is not here for anybody who decides (RFC 9110, 7.6.1): who answers would
// hang on a field that he does not get. Each name is looked for among all fields, so there may not be many.
std::optional<Refusal> drop_listed(const HeadLimits& limits, HeaderFields& fields) {
  constexpr std::array<std::string_view, 14> kKept = {"close",
                                                      "keep-alive",
                                                      "Connection",
                                                      "Upgrade",
                                                      "TE",
                                                      "Expect",
                                                      "Host",
                                                      "Content-Length",
                                                      "Transfer-Encoding",
                                                      "Cookie",
                                                      "Authorization",
                                                      "X-Forwarded-For",
                                                      "X-Forwarded-Proto",
                                                      "X-Forwarded-Host"};
  std::vector<std::string_view> listed;
  std::size_t members = 0;
  for (const auto& field : fields)
    if (same_field_name(field.name, "Connection"))
      for_each_member(field.value, [&](std::string_view member) {
        if (++members > limits.fields_max) return;
        if (std::ranges::none_of(kKept, [&](auto kept) { return same_field_name(kept, member); }))
          listed.push_back(member);
      });
  if (members > limits.fields_max)
    return Refusal{431, fmt::format("Connection lists more than {} names", limits.fields_max)};
  if (listed.empty()) return std::nullopt;
  std::erase_if(fields, [&](const auto& field) {
    return std::ranges::any_of(listed, [&](auto member) { return same_field_name(field.name, member); });
  });
  return std::nullopt;
}

}  // namespace

bool is_token(std::string_view text) {
  return !text.empty() && all_of(kTokenCharacters, text);
}

bool is_field_value(std::string_view text) {
  return all_of(kValueCharacters, text);
}

bool lists_token(const HeaderFields& fields, std::string_view name, std::string_view token) {
  bool found = false;
  for (const auto& field : fields) {
    if (!same_field_name(field.name, name)) continue;
    for_each_member(field.value,
                    [&](std::string_view member) { found = found || same_field_name(member, token); });
  }
  return found;
}

bool wants_upgrade(const RequestHead& head) {
  if (head.minor_version == 0 || !lists_token(head.fields, "Connection", "upgrade")) return false;
  bool to_protocol = false, to_http = false;
  for (const auto& field : head.fields) {
    if (!same_field_name(field.name, "Upgrade")) continue;
    for_each_member(field.value, [&](std::string_view protocol) {
      to_protocol = true;
      auto name = protocol.substr(0, protocol.find('/'));
      to_http = to_http || same_field_name(name, "h2c") || same_field_name(name, "h2") ||
                same_field_name(name, "HTTP");
    });
  }
  return to_protocol && !to_http;
}

// Whether `bytes` of a head whose end has not come are too many.
std::optional<Refusal> HeadScanner::too_long(std::size_t bytes) const {
  auto line_bytes_max = std::min(limits_.line_bytes_max, limits_.head_bytes_max);
  if (line_begin_ == 0 && bytes > line_bytes_max)
    return Refusal{414, fmt::format("the first line is longer than {} bytes", line_bytes_max)};
  if (bytes > limits_.head_bytes_max)
    return Refusal{431, fmt::format("the header is longer than {} bytes", limits_.head_bytes_max)};
  return std::nullopt;
}

// Bytes are judged in their order, so that a refusal does not depend on how many came at once.
std::optional<std::size_t> HeadScanner::find_end(std::string_view bytes, std::optional<Refusal>& refusal) {
  while (true) {
    auto end = bytes.find('\n', seen_);
    seen_ = std::min(end, bytes.size());
    if ((refusal = too_long(seen_)) || end == std::string_view::npos) return std::nullopt;
    if (end == line_begin_ || bytes[end - 1] != '\r') {
      refusal = bad("a line ends without a carriage return");
      return std::nullopt;
    }
    bool is_empty = end - 1 == line_begin_;
    line_begin_ = seen_ = end + 1;
    if (!is_empty) continue;
    if ((refusal = too_long(seen_))) return std::nullopt;
    return seen_;
  }
}

std::optional<Refusal> parse_request_head(std::string_view bytes, const HeadLimits& limits,
                                          RequestHead& head) {
  head.fields.clear();
  head.host = {};
  auto line = take_line(bytes);
  auto first = line.find(' ');
  auto second = first == std::string_view::npos ? first : line.find(' ', first + 1);
  if (second == std::string_view::npos) return bad("the first line is no HTTP request");
  head.method = line.substr(0, first);
  if (!is_token(head.method)) return bad("the request's method is no token");
  auto version = line.substr(second + 1);
  auto minor = parse_minor_version(version);
  if (!minor && version.starts_with("HTTP/") && version.find_first_not_of("HTTP/0123456789.") == version.npos)
    return Refusal{505, "only HTTP/1.0, HTTP/1.1 and HTTP/2 are spoken here"};
  if (!minor) return bad("the first line is no HTTP request");
  head.minor_version = *minor;
  if (auto refusal = parse_target(line.substr(first + 1, second - first - 1), head)) return refusal;
  if (auto refusal = parse_fields(bytes, limits, head.fields)) return refusal;
  if (find_field(head.fields, "Connection"))
    if (auto refusal = drop_listed(limits, head.fields)) return refusal;
  return take_host(head);
}

std::optional<Refusal> parse_response_head(std::string_view bytes, const HeadLimits& limits,
                                           ResponseHead& head) {
  head.fields.clear();
  auto line = take_line(bytes);
  auto minor = parse_minor_version(line.substr(0, 8));
  auto digits = line.size() >= 12 ? line.substr(9, 3) : std::string_view();
  bool has_status = line.size() >= 12 && line[8] == ' ' && (line.size() == 12 || line[12] == ' ') &&
                    digits.find_first_not_of("0123456789") == std::string_view::npos && digits[0] != '0';
  if (!minor || !has_status) return bad("the first line is no HTTP response");
  head.minor_version = *minor;
  head.status = (digits[0] - '0') * 100 + (digits[1] - '0') * 10 + (digits[2] - '0');
  head.reason = line.size() > 13 ? line.substr(13) : std::string_view();
  if (!is_field_value(head.reason)) return bad("the reason phrase holds a control character");
  return parse_fields(bytes, limits, head.fields);
}

}  // namespace oxbow::http1
