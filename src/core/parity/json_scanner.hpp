// Reads JSON (RFC 8259, strictly: UTF-8, no lone surrogates, no commas too many) where it stands, without
// building anything. Each scan takes the place where a thing begins and returns the place behind it, or null;
// then fault() says what was wrong and where. Points into a text that somebody else keeps; one thread each.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

#include "model/comparison.hpp"

namespace oxbow {

struct JsonFault {
  SkipReason reason = SkipReason::invalid_json;  // or too_deep
  std::size_t offset = 0;                        // in bytes
  std::string_view what;
};

class JsonScanner {
 public:
  JsonScanner(std::string_view text, int depth_max)
      : begin_(text.data()), end_(text.data() + text.size()), depth_max_(depth_max) {}

  const char* begin() const { return begin_; }
  const char* end() const { return end_; }
  const std::optional<JsonFault>& fault() const { return fault_; }

  const char* skip_blanks(const char* at) const {
    while (at != end_ && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t')) ++at;
    return at;
  }

  // `escaped`: whether a backslash stands in it.
  const char* scan_string(const char* at, bool& escaped);
  const char* scan_number(const char* at);
  const char* scan_literal(const char* at);  // true, false, null

  // Any value; `depth` objects and arrays are open around it.
  const char* scan_value(const char* at, int depth);

  // ',' or `closing` behind a value, blanks before it skipped. Tells through `more` which of both it was.
  const char* scan_separator(const char* at, char closing, bool& more);
  const char* scan_colon(const char* at);  // with the blanks around it

  // Notes the first fault; returns null.
  const char* fail(const char* at, std::string_view what, SkipReason reason = SkipReason::invalid_json);
  const char* fail_too_deep(const char* at) {
    return fail(at, "more objects and arrays inside each other than the limit", SkipReason::too_deep);
  }
  int depth_max() const { return depth_max_; }

 private:
  const char* scan_object(const char* at, int depth);
  const char* scan_array(const char* at, int depth);
  const char* scan_escape(const char* at);
  const char* scan_multibyte(const char* at);

  const char* begin_;
  const char* end_;
  int depth_max_;
  std::optional<JsonFault> fault_;
};

// What is wrong with `text` as one JSON document, if anything.
std::optional<JsonFault> check_json(std::string_view text, int depth_max);

// What kind of value begins with this character; `none` if no value does.
constexpr ValueClass class_of(char first) {
  switch (first) {
    case '{':
      return ValueClass::object;
    case '[':
      return ValueClass::array;
    case '"':
      return ValueClass::string;
    case 't':
    case 'f':
      return ValueClass::boolean;
    case 'n':
      return ValueClass::null;
    default:
      return first == '-' || (first >= '0' && first <= '9') ? ValueClass::number : ValueClass::none;
  }
}

// ---- the hot part ----

namespace json_detail {

// The first byte that is a quote, a backslash, a control character or not ASCII.
inline const char* plain_end(const char* at, const char* end) {
  if constexpr (std::endian::native == std::endian::little) {
    constexpr std::uint64_t kOnes = 0x0101010101010101, kHighs = 0x8080808080808080;
    while (end - at >= 8) {
      std::uint64_t word;
      std::memcpy(&word, at, 8);
      auto quote = word ^ (kOnes * '"'), backslash = word ^ (kOnes * '\\');
      // A borrow reaches only bytes above one that is a hit itself, so the lowest hit is a true one.
      auto hits =
          (((quote - kOnes) & ~quote) | ((backslash - kOnes) & ~backslash) | (word - kOnes * ' ') | word) &
          kHighs;
      if (hits != 0) return at + std::countr_zero(hits) / 8;
      at += 8;
    }
  }
  while (at != end && static_cast<unsigned char>(*at) >= ' ' && static_cast<unsigned char>(*at) < 0x80 &&
         *at != '"' && *at != '\\')
    ++at;
  return at;
}

inline const char* digits_end(const char* at, const char* end) {
  while (at != end && *at >= '0' && *at <= '9') ++at;
  return at;
}

}  // namespace json_detail

inline const char* JsonScanner::scan_string(const char* at, bool& escaped) {
  escaped = false;
  if (at == end_ || *at != '"') return fail(at, "a string is expected");
  ++at;
  for (;;) {
    at = json_detail::plain_end(at, end_);
    if (at == end_) return fail(at, "a string without its closing quote");
    auto byte = static_cast<unsigned char>(*at);
    if (byte == '"') return at + 1;
    if (byte < ' ') return fail(at, "a control character in a string");
    escaped |= byte == '\\';
    at = byte == '\\' ? scan_escape(at) : scan_multibyte(at);
    if (at == nullptr) return nullptr;
  }
}

inline const char* JsonScanner::scan_number(const char* at) {
  using json_detail::digits_end;
  const char* start = at;
  if (at != end_ && *at == '-') ++at;
  const char* whole = at;
  if (at != end_ && *at == '0') {
    ++at;
  } else {
    at = digits_end(at, end_);
  }
  if (at == whole) return fail(start, "a value is expected");
  if (at != end_ && *at == '.') {
    const char* fraction = ++at;
    at = digits_end(at, end_);
    if (at == fraction) return fail(at, "digits are expected behind the point");
  }
  if (at != end_ && (*at == 'e' || *at == 'E')) {
    ++at;
    if (at != end_ && (*at == '+' || *at == '-')) ++at;
    const char* exponent = at;
    at = digits_end(at, end_);
    if (at == exponent) return fail(at, "digits are expected in the exponent");
  }
  return at;
}

inline const char* JsonScanner::scan_separator(const char* at, char closing, bool& more) {
  at = skip_blanks(at);
  if (at == end_) return fail(at, "the text ends inside an object or array");
  more = *at == ',';
  if (!more && *at != closing)
    return fail(at, closing == '}' ? "',' or '}' is expected" : "',' or ']' is expected");
  return at + 1;
}

inline const char* JsonScanner::scan_colon(const char* at) {
  at = skip_blanks(at);
  if (at == end_ || *at != ':') return fail(at, "':' is expected");
  return skip_blanks(at + 1);
}

}  // namespace oxbow
