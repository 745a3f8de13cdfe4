#include "core/spec/connection.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <vector>

namespace oxbow {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";

bool is_name_character(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

bool is_url(std::string_view address) {
  return address.starts_with("postgresql://") || address.starts_with("postgres://");
}

std::string percent_encoded(std::string_view text) {
  std::string out;
  for (char c : text) {
    bool safe = is_name_character(c) || c == '-' || c == '.' || c == '~';
    out += safe ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

// libpq takes a backslash before any character of a value, inside quotes and outside.
std::string backslashed(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == '\\' || c == '\'' || c == ' ') out += '\\';
    out += c;
  }
  return out;
}

struct Span {
  std::size_t begin = 0;
  std::size_t end = 0;
};

// user:PASSWORD@ in the authority of a URL, password=PASSWORD in its query.
std::vector<Span> passwords_in_url(std::string_view url) {
  std::vector<Span> found;
  auto begin = url.find("://") + 3;
  auto authority = url.substr(begin, url.find_first_of("/?", begin) - begin);
  auto at = authority.rfind('@');
  auto colon = authority.find(':');
  if (at != std::string_view::npos && colon < at) found.push_back({begin + colon + 1, begin + at});

  for (auto mark = url.find('?'); mark != std::string_view::npos; mark = url.find('&', mark + 1)) {
    auto end = std::min(url.size(), url.find('&', mark + 1));
    auto equals = url.find('=', mark);
    bool secret = equals < end && url.substr(0, equals).ends_with("password");
    if (secret) found.push_back({equals + 1, end});
  }
  return found;
}

// Behind a value that may be quoted and may hold backslashes: at the next blank outside of quotes.
std::size_t end_of_value(std::string_view list, std::size_t at) {
  bool quoted = false;
  for (; at < list.size() && (quoted || kBlanks.find(list[at]) == std::string_view::npos); ++at) {
    if (list[at] == '\'') quoted = !quoted;
    if (list[at] == '\\') ++at;
  }
  return std::min(at, list.size());
}

// password=PASSWORD or password = 'PASSWORD' in a list of key=value.
std::vector<Span> passwords_in_list(std::string_view list) {
  std::vector<Span> found;
  constexpr std::string_view key = "password";
  for (auto at = list.find(key); at != std::string_view::npos; at = list.find(key, at)) {
    at += key.size();
    auto equals = list.find_first_not_of(kBlanks, at);
    if (equals == std::string_view::npos || list[equals] != '=') continue;
    auto begin = std::min(list.size(), list.find_first_not_of(kBlanks, equals + 1));
    found.push_back({begin, end_of_value(list, begin)});
    at = found.back().end;
  }
  return found;
}

}  // namespace

Result<std::string> expand_environment(std::string_view address, const Environment& environment) {
  std::string out;
  for (std::size_t at = 0;;) {
    auto dollar = address.find("${", at);
    out += address.substr(at, dollar - at);
    if (dollar == std::string_view::npos) return out;

    auto close = address.find('}', dollar);
    auto name = address.substr(dollar + 2, close - dollar - 2);
    if (close == std::string_view::npos || name.empty() || !std::ranges::all_of(name, is_name_character))
      return Err(ErrorCode::spec_invalid, "'${{' must be followed by the name of a variable and '}}'");
    auto value = environment(name);
    if (!value) return Err(ErrorCode::spec_invalid, "the environment variable {} is not set", name);

    bool whole = dollar == 0 && close + 1 == address.size();
    out += whole ? *value : is_url(address) ? percent_encoded(*value) : backslashed(*value);
    at = close + 1;
  }
}

std::string replace_password(std::string_view address, std::string_view replacement) {
  std::string out(address);
  auto found = is_url(address) ? passwords_in_url(address) : passwords_in_list(address);
  for (auto span = found.rbegin(); span != found.rend(); ++span)
    out.replace(span->begin, span->end - span->begin, replacement);
  return out;
}

std::string without_password(std::string_view address) {
  return replace_password(address, "***");
}

}  // namespace oxbow
