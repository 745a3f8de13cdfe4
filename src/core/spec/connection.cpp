#include "core/spec/connection.hpp"

#include <fmt/core.h>

#include <algorithm>

namespace oxbow {
namespace {

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

// user:PASSWORD@ in the authority of a URL.
std::optional<Span> password_in_authority(std::string_view url) {
  auto begin = url.find("://") + 3;
  auto authority = url.substr(begin, url.find_first_of("/?", begin) - begin);
  auto at = authority.rfind('@');
  auto colon = authority.find(':');
  if (at == std::string_view::npos || colon >= at) return std::nullopt;
  return Span{begin + colon + 1, begin + at};
}

// ?password=... in the query of a URL.
std::optional<Span> password_in_query(std::string_view url) {
  constexpr std::string_view key = "password=";
  for (auto at = url.find('?'); at != std::string_view::npos; at = url.find('&', at + 1)) {
    auto begin = at + 1 + key.size();
    if (url.substr(at + 1).starts_with(key)) return Span{begin, std::min(url.size(), url.find('&', begin))};
  }
  return std::nullopt;
}

// password=... or password = '...' in a list of key=value.
std::optional<Span> password_in_list(std::string_view list) {
  constexpr std::string_view key = "password";
  for (auto at = list.find(key); at != std::string_view::npos; at = list.find(key, at + 1)) {
    auto equals = list.find_first_not_of(" \t", at + key.size());
    bool is_key = (at == 0 || list[at - 1] == ' ') && equals != std::string_view::npos && list[equals] == '=';
    if (!is_key) continue;
    auto begin = std::min(list.size(), list.find_first_not_of(" \t", equals + 1));
    bool quoted = begin < list.size() && list[begin] == '\'';
    auto end = begin + (quoted ? 1 : 0);
    for (; end < list.size() && list[end] != (quoted ? '\'' : ' '); ++end)
      if (list[end] == '\\') ++end;
    return Span{begin, std::min(list.size(), end + (quoted ? 1 : 0))};
  }
  return std::nullopt;
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
  auto replace = [&](std::optional<Span> span) {
    if (span) out.replace(span->begin, span->end - span->begin, replacement);
  };
  if (is_url(address)) {
    replace(password_in_query(out));
    replace(password_in_authority(out));
  } else {
    replace(password_in_list(out));
  }
  return out;
}

std::string without_password(std::string_view address) {
  return replace_password(address, "***");
}

}  // namespace oxbow
