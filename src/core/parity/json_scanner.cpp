#include "core/parity/json_scanner.hpp"

#include "core/value/scan.hpp"

namespace oxbow {
namespace {

// The UTF-16 unit that four hexadecimal digits spell, or nothing.
std::optional<unsigned> unit_at(const char* at, const char* end) {
  if (end - at < 4) return std::nullopt;
  unsigned unit = 0;
  for (int i = 0; i < 4; ++i) {
    auto digit = hex_value(at[i]);
    if (!digit) return std::nullopt;
    unit = unit * 16 + static_cast<unsigned>(*digit);
  }
  return unit;
}

constexpr bool is_continuation(char c) {
  return (static_cast<unsigned char>(c) & 0xc0) == 0x80;
}

}  // namespace

const char* JsonScanner::fail(const char* at, std::string_view what, SkipReason reason) {
  if (!fault_) fault_ = JsonFault{reason, static_cast<std::size_t>(at - begin_), what};
  return nullptr;
}

const char* JsonScanner::scan_escape(const char* at) {
  const char* start = at++;
  if (at == end_) return fail(at, "a string without its closing quote");
  if (*at != 'u') {
    constexpr std::string_view kNames = "\"\\/bfnrt";
    return kNames.contains(*at) ? at + 1 : fail(start, "an escape that JSON does not have");
  }
  auto unit = unit_at(at + 1, end_);
  if (!unit) return fail(start, "four hexadecimal digits are expected behind \\u");
  at += 5;
  if (*unit < 0xd800 || *unit > 0xdfff) return at;
  constexpr std::string_view kLone = "half of a surrogate pair";
  if (*unit > 0xdbff || end_ - at < 6 || at[0] != '\\' || at[1] != 'u') return fail(start, kLone);
  auto second = unit_at(at + 2, end_);
  if (!second || *second < 0xdc00 || *second > 0xdfff) return fail(start, kLone);
  return at + 6;
}

// As RFC 3629 has it: shortest form, no surrogates, at most U+10FFFF.
const char* JsonScanner::scan_multibyte(const char* at) {
  constexpr std::string_view kWhat = "bytes that are not UTF-8";
  auto lead = static_cast<unsigned char>(*at);
  int following = lead >= 0xc2 && lead <= 0xdf   ? 1
                  : lead >= 0xe0 && lead <= 0xef ? 2
                  : lead >= 0xf0 && lead <= 0xf4 ? 3
                                                 : 0;
  if (following == 0 || end_ - at <= following) return fail(at, kWhat);
  for (int i = 1; i <= following; ++i)
    if (!is_continuation(at[i])) return fail(at, kWhat);
  auto second = static_cast<unsigned char>(at[1]);
  bool overlong = (lead == 0xe0 && second < 0xa0) || (lead == 0xf0 && second < 0x90);
  bool beyond = (lead == 0xed && second > 0x9f) || (lead == 0xf4 && second > 0x8f);
  if (overlong || beyond) return fail(at, kWhat);
  return at + following + 1;
}

const char* JsonScanner::scan_literal(const char* at) {
  std::string_view rest(at, static_cast<std::size_t>(end_ - at));
  for (std::string_view word : {"true", "false", "null"})
    if (rest.starts_with(word)) return at + word.size();
  return fail(at, "a value is expected");
}

const char* JsonScanner::scan_value(const char* at, int depth) {
  if (at == end_) return fail(at, "a value is expected");
  switch (class_of(*at)) {
    case ValueClass::object:
      return scan_object(at, depth);
    case ValueClass::array:
      return scan_array(at, depth);
    case ValueClass::string: {
      bool escaped;
      return scan_string(at, escaped);
    }
    case ValueClass::number:
      return scan_number(at);
    default:
      return scan_literal(at);
  }
}

const char* JsonScanner::scan_object(const char* at, int depth) {
  if (depth >= depth_max_) return fail_too_deep(at);
  at = skip_blanks(at + 1);
  if (at != end_ && *at == '}') return at + 1;
  for (bool more = true; more; at = more ? skip_blanks(at) : at) {
    bool escaped;
    if ((at = scan_string(at, escaped)) == nullptr) return nullptr;
    if ((at = scan_colon(at)) == nullptr) return nullptr;
    if ((at = scan_value(at, depth + 1)) == nullptr) return nullptr;
    if ((at = scan_separator(at, '}', more)) == nullptr) return nullptr;
  }
  return at;
}

const char* JsonScanner::scan_array(const char* at, int depth) {
  if (depth >= depth_max_) return fail_too_deep(at);
  at = skip_blanks(at + 1);
  if (at != end_ && *at == ']') return at + 1;
  for (bool more = true; more; at = more ? skip_blanks(at) : at) {
    if ((at = scan_value(at, depth + 1)) == nullptr) return nullptr;
    if ((at = scan_separator(at, ']', more)) == nullptr) return nullptr;
  }
  return at;
}

std::optional<JsonFault> check_json(std::string_view text, int depth_max) {
  JsonScanner scanner(text, depth_max);
  const char* at = scanner.scan_value(scanner.skip_blanks(scanner.begin()), 0);
  if (at != nullptr && (at = scanner.skip_blanks(at)) != scanner.end())
    scanner.fail(at, "something stands behind the value");
  return scanner.fault();
}

}  // namespace oxbow
