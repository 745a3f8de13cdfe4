#include "core/mapping/json_text.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>

#include "core/mapping/conversion.hpp"

namespace oxbow {
namespace {

std::unexpected<Error> not_json(std::string_view at) {
  return Err(ErrorCode::malformed, "not JSON at {}", shown(at));
}

// The part of `text` before its first byte out of `stops`.
std::string_view until(std::string_view text, std::string_view stops) {
  return text.substr(0, text.find_first_of(stops));
}

std::string_view skip_blanks(std::string_view text) {
  return text.substr(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
}

// The string that `text` begins with, quotes included.
Result<std::string_view> leading_string(std::string_view text) {
  for (std::size_t at = 1; at < text.size(); ++at) {
    if (text[at] == '\\') {
      ++at;
    } else if (text[at] == '"') {
      return text.substr(0, at + 1);
    }
  }
  return not_json(text);
}

// The object or array that `text` begins with.
Result<std::string_view> leading_container(std::string_view text) {
  int depth = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    char c = text[at];
    if (c == '"') at += TRY(leading_string(text.substr(at))).size() - 1;
    if (c == '{' || c == '[') ++depth;
    if ((c == '}' || c == ']') && --depth == 0) return text.substr(0, at + 1);
  }
  return not_json(text);
}

Result<std::string_view> leading_value(std::string_view text) {
  if (text.starts_with('"')) return leading_string(text);
  if (text.starts_with('{') || text.starts_with('[')) return leading_container(text);
  auto scalar = until(text, ",]} \t\r\n");
  if (scalar.empty()) return not_json(text);
  return scalar;
}

void append_utf8(std::uint32_t point, std::string& out) {
  if (point < 0x80) {
    out += static_cast<char>(point);
    return;
  }
  int following = point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
  constexpr unsigned char kLead[] = {0, 0xc0, 0xe0, 0xf0};
  out += static_cast<char>(kLead[following] | point >> (6 * following));
  while (following-- > 0) out += static_cast<char>(0x80 | (point >> (6 * following) & 0x3f));
}

// Reads the four digits behind \u and moves `text` behind them.
std::optional<std::uint32_t> take_unit(std::string_view& text) {
  std::uint32_t unit = 0;
  if (text.size() < 4) return std::nullopt;
  auto [end, error] = std::from_chars(text.data(), text.data() + 4, unit, 16);
  if (error != std::errc() || end != text.data() + 4) return std::nullopt;
  text.remove_prefix(4);
  return unit;
}

std::optional<std::uint32_t> take_code_point(std::string_view& text) {
  auto unit = take_unit(text);
  if (!unit || *unit < 0xd800 || *unit > 0xdfff) return unit;
  if (*unit > 0xdbff || !text.starts_with("\\u")) return std::nullopt;
  text.remove_prefix(2);
  auto second = take_unit(text);
  if (!second || *second < 0xdc00 || *second > 0xdfff) return std::nullopt;
  return 0x10000 + ((*unit & 0x3ff) << 10 | (*second & 0x3ff));
}

// The text between the quotes of a JSON string, escapes resolved.
Result<std::string> unescaped(std::string_view quoted) {
  std::string out;
  auto rest = quoted.substr(1, quoted.size() - 2);
  while (!rest.empty()) {
    auto plain = until(rest, "\\");
    out += plain;
    rest.remove_prefix(plain.size());
    if (rest.empty()) break;
    if (rest.size() < 2) return not_json(quoted);
    char escape = rest[1];
    rest.remove_prefix(2);
    constexpr std::string_view kNames = "\"\\/bfnrt", kMeans = "\"\\/\b\f\n\r\t";
    if (auto known = kNames.find(escape); known != std::string_view::npos) {
      out += kMeans[known];
      continue;
    }
    auto point = escape == 'u' ? take_code_point(rest) : std::nullopt;
    if (!point) return not_json(quoted);
    if (*point == 0)
      return Err(ErrorCode::row_rejected, "the character U+0000 in {} has no text", shown(quoted));
    append_utf8(*point, out);
  }
  return out;
}

using Found = std::optional<std::string_view>;

// `text` begins behind a value of a container: moves it to the next one, or says that this was the last.
Result<bool> take_comma(std::string_view& text, char closing) {
  text = skip_blanks(text);
  if (text.empty() || (text.front() != ',' && text.front() != closing)) return not_json(text);
  bool more = text.front() == ',';
  text = skip_blanks(text.substr(1));
  return more;
}

Result<Found> find_member(std::string_view object, std::string_view key) {
  Found found;
  auto rest = skip_blanks(object.substr(1));
  for (bool more = !rest.starts_with('}'); more; more = TRY(take_comma(rest, '}'))) {
    if (!rest.starts_with('"')) return not_json(rest);
    auto name = TRY(leading_string(rest));
    rest = skip_blanks(rest.substr(name.size()));
    if (!rest.starts_with(':')) return not_json(rest);
    rest = skip_blanks(rest.substr(1));
    auto value = TRY(leading_value(rest));
    rest.remove_prefix(value.size());
    if (TRY(unescaped(name)) != key) continue;
    if (found) return Err(ErrorCode::row_rejected, "the key {} occurs twice in one JSON object", shown(key));
    found = value;
  }
  return found;
}

Result<Found> find_element(std::string_view array, std::string_view index_text) {
  std::size_t index = 0;
  auto [end, error] = std::from_chars(index_text.data(), index_text.data() + index_text.size(), index);
  if (error != std::errc() || end != index_text.data() + index_text.size()) return Found();
  auto rest = skip_blanks(array.substr(1));
  for (bool more = !rest.starts_with(']'); more; more = TRY(take_comma(rest, ']'))) {
    auto value = TRY(leading_value(rest));
    rest.remove_prefix(value.size());
    if (index-- == 0) return Found(value);
  }
  return Found();
}

}  // namespace

Result<std::optional<std::string>> find_json_text(std::string_view document,
                                                  std::span<const std::string> path) {
  std::optional<std::string> none;
  auto value = TRY(leading_value(skip_blanks(document)));
  for (const auto& step : path) {
    Found found;
    if (value.starts_with('{')) found = TRY(find_member(value, step));
    if (value.starts_with('[')) found = TRY(find_element(value, step));
    if (!found) return none;
    value = *found;
  }
  if (value == "null") return none;
  if (value.starts_with('"')) return TRY(unescaped(value));
  return std::string(value);
}

bool names_nul_character(std::string_view document) {
  constexpr std::string_view kEscape = "\\u0000";
  for (auto at = document.find(kEscape); at != std::string_view::npos; at = document.find(kEscape, at + 1)) {
    std::size_t backslashes = 0;
    while (backslashes < at && document[at - 1 - backslashes] == '\\') ++backslashes;
    if (backslashes % 2 == 0) return true;
  }
  return false;
}

std::string unless_nul_character_sql(std::string_view json_sql, std::string_view then_sql) {
  return fmt::format("CASE WHEN {0}::text !~ {1} THEN {2} ELSE 'names U+0000: ' || {0}::text END", json_sql,
                     quote_literal(R"((^|[^\\])(\\\\)*\\u0000)"), then_sql);
}

}  // namespace oxbow
