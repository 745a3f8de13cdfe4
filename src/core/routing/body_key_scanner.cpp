#include "core/routing/body_key_scanner.hpp"

#include <algorithm>
#include <utility>

#include "base/assert.hpp"

namespace oxbow {
namespace {

constexpr std::size_t kTextBytesMax = 4096;

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}
bool is_word_char(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '-' || c == '+' || c == '.' || c == 'E';
}
bool is_whole_number(std::string_view text) {
  if (text.starts_with('-')) text.remove_prefix(1);
  bool digits = !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
  return digits && (text.size() == 1 || text.front() != '0');
}
// A number with a fraction or an exponent, as far as it matters here: what begins like one.
bool begins_like_number(std::string_view text) {
  if (text.starts_with('-')) text.remove_prefix(1);
  bool number = !text.empty() && text.front() >= '0' && text.front() <= '9';
  return number && text.find_first_not_of("0123456789.eE+-") == std::string_view::npos;
}

// How much of a string that nobody wants can be passed over at once.
std::size_t plain_prefix(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size() && text[at] != '"' && text[at] != '\\' &&
         static_cast<unsigned char>(text[at]) >= ' ')
    ++at;
  return at;
}

void append_utf8(std::uint32_t point, std::string& out) {
  auto tail = [&](int shift) { out += static_cast<char>(0x80 | ((point >> shift) & 0x3f)); };
  if (point < 0x80) {
    out += static_cast<char>(point);
  } else if (point < 0x800) {
    out += static_cast<char>(0xc0 | (point >> 6));
    tail(0);
  } else if (point < 0x10000) {
    out += static_cast<char>(0xe0 | (point >> 12));
    tail(6);
    tail(0);
  } else {
    out += static_cast<char>(0xf0 | (point >> 18));
    tail(12);
    tail(6);
    tail(0);
  }
}

}  // namespace

BodyKeyScanner::BodyKeyScanner(std::span<const std::string> path, KeyKind kind, std::size_t look_ahead_bytes)
    : path_(path), kind_(kind), bytes_left_(look_ahead_bytes), names_seen_(path.size()) {
  OXBOW_ASSERT(!path.empty(), "a key in the body has a name");
}

bool BodyKeyScanner::feed(std::string_view piece) {
  auto looked_at = piece.substr(0, bytes_left_);
  for (std::size_t at = 0; at < looked_at.size() && !done_;) {
    if (expect_ == Expect::in_string && !keeps_ && high_surrogate_ == 0)
      at += plain_prefix(looked_at.substr(at));
    if (at < looked_at.size()) take(looked_at[at++]);
  }
  bytes_left_ -= looked_at.size();
  if (!done_ && looked_at.size() < piece.size()) {
    if (found_ == KeyFound::absent) found_ = KeyFound::too_far;
    done_ = true;
  }
  return !done_;
}

void BodyKeyScanner::finish() {
  if (done_) return;
  if (expect_ == Expect::in_word) end_word();
  if (!done_ && expect_ != Expect::nothing) fail(KeyFound::not_json);
  done_ = true;
}

RequestKey BodyKeyScanner::result() const {
  if (found_ != KeyFound::yes) return {found_, {}};
  return {KeyFound::yes, key_};
}

void BodyKeyScanner::fail(KeyFound why) {
  found_ = why;
  done_ = true;
}

void BodyKeyScanner::take(char c) {
  switch (expect_) {
    case Expect::in_string:
      return take_in_string(c);
    case Expect::in_escape:
      return take_escape(c);
    case Expect::in_unicode:
      return take_unicode(c);
    case Expect::in_word:
      if (is_word_char(c)) return keep(c);
      end_word();
      return done_ ? void() : take_between(c);
    default:
      return take_between(c);
  }
}

void BodyKeyScanner::take_between(char c) {
  if (is_blank(c)) return;
  bool may_end =
      expect_ == Expect::name_or_end || expect_ == Expect::value_or_end || expect_ == Expect::comma_or_end;
  if ((c == '}' || c == ']') && may_end) return close(c == '}');
  switch (expect_) {
    case Expect::name_or_end:
    case Expect::name:
      return c == '"' ? begin_string(true) : fail(KeyFound::not_json);
    case Expect::colon:
      expect_ = Expect::value;
      return c == ':' ? void() : fail(KeyFound::not_json);
    case Expect::comma_or_end:
      expect_ = is_object() ? Expect::name : Expect::value;
      return c == ',' ? void() : fail(KeyFound::not_json);
    case Expect::value:
    case Expect::value_or_end:
      return begin_value(c);
    default:
      return fail(KeyFound::not_json);
  }
}

void BodyKeyScanner::begin_value(char c) {
  bool named = std::exchange(value_is_next_, false);
  bool last = named && matched_ + 1 == path_.size();
  if (c == '{' || c == '[') {
    if (last) found_ = KeyFound::not_plain;
    bool leads_on = named && !last && c == '{';
    open(c == '{');
    if (leads_on) ++matched_;
    return;
  }
  value_is_key_ = last;
  if (c == '"') return begin_string(false);
  if (!is_word_char(c)) return fail(KeyFound::not_json);
  expect_ = Expect::in_word;
  keeps_ = true;
  too_long_ = false;
  text_.clear();
  keep(c);
}

void BodyKeyScanner::begin_string(bool is_name) {
  string_is_name_ = is_name;
  keeps_ = is_name ? on_path() : value_is_key_;
  too_long_ = false;
  high_surrogate_ = 0;
  text_.clear();
  expect_ = Expect::in_string;
}

void BodyKeyScanner::open(bool object) {
  if (depth_ == kDepthMax) return fail(KeyFound::too_far);
  objects_[depth_++] = object;
  expect_ = object ? Expect::name_or_end : Expect::value_or_end;
}

void BodyKeyScanner::close(bool object) {
  if (depth_ == 0 || is_object() != object) return fail(KeyFound::not_json);
  --depth_;
  if (depth_ > 0 && matched_ == depth_) --matched_;
  value_ended();
}

void BodyKeyScanner::value_ended() {
  value_is_key_ = false;
  expect_ = depth_ == 0 ? Expect::nothing : Expect::comma_or_end;
}

void BodyKeyScanner::keep(char c) {
  if (!keeps_) return;
  if (text_.size() < kTextBytesMax) {
    text_ += c;
  } else {
    too_long_ = true;
  }
}

void BodyKeyScanner::take_in_string(char c) {
  if (c == '"') return end_string();
  if (static_cast<unsigned char>(c) < ' ') return fail(KeyFound::not_json);
  if (c == '\\') {
    expect_ = Expect::in_escape;
    return;
  }
  if (high_surrogate_ != 0) return fail(KeyFound::not_json);
  keep(c);
}

void BodyKeyScanner::take_escape(char c) {
  constexpr std::string_view kNames = "\"\\/bfnrt", kMeans = "\"\\/\b\f\n\r\t";
  if (c == 'u') {
    expect_ = Expect::in_unicode;
    unit_ = 0;
    unit_digits_ = 0;
    return;
  }
  auto known = kNames.find(c);
  if (known == std::string_view::npos || high_surrogate_ != 0) return fail(KeyFound::not_json);
  expect_ = Expect::in_string;
  keep(kMeans[known]);
}

void BodyKeyScanner::take_unicode(char c) {
  std::uint32_t digit = 0;
  if (c >= '0' && c <= '9') {
    digit = static_cast<std::uint32_t>(c - '0');
  } else if (c >= 'a' && c <= 'f') {
    digit = static_cast<std::uint32_t>(c - 'a' + 10);
  } else if (c >= 'A' && c <= 'F') {
    digit = static_cast<std::uint32_t>(c - 'A' + 10);
  } else {
    return fail(KeyFound::not_json);
  }
  unit_ = unit_ << 4 | digit;
  if (++unit_digits_ < 4) return;
  expect_ = Expect::in_string;
  append_unit(unit_);
}

void BodyKeyScanner::append_unit(std::uint32_t unit) {
  bool low = unit >= 0xdc00 && unit <= 0xdfff;
  if (low != (high_surrogate_ != 0)) return fail(KeyFound::not_json);
  if (unit >= 0xd800 && unit <= 0xdbff) {
    high_surrogate_ = unit;
    return;
  }
  auto high = std::exchange(high_surrogate_, 0);
  std::string character;
  append_utf8(low ? 0x10000 + ((high & 0x3ff) << 10 | (unit & 0x3ff)) : unit, character);
  for (char c : character) keep(c);
}

void BodyKeyScanner::end_string() {
  if (high_surrogate_ != 0) return fail(KeyFound::not_json);
  if (!string_is_name_) {
    if (value_is_key_) {
      key_ = text_;
      bool plain = !too_long_ && is_key_text(kind_, key_);
      found_ = key_.empty() ? KeyFound::absent : plain ? KeyFound::yes : KeyFound::not_plain;
    }
    return value_ended();
  }
  expect_ = Expect::colon;
  if (!keeps_ || too_long_ || !same_field_name(text_, path_[matched_])) return;
  if (text_ != path_[matched_]) return fail(KeyFound::not_plain);  // some services ignore the case of names
  if (names_seen_[matched_]) return fail(KeyFound::twice);
  names_seen_[matched_] = true;
  value_is_next_ = true;
}

void BodyKeyScanner::end_word() {
  bool known = text_ == "true" || text_ == "false" || text_ == "null";
  if (!known && !begins_like_number(text_)) return fail(KeyFound::not_json);
  if (value_is_key_) {
    key_ = text_;
    bool plain = !too_long_ && is_whole_number(key_) && is_key_text(kind_, key_);
    found_ = key_ == "null" ? KeyFound::absent : plain ? KeyFound::yes : KeyFound::not_plain;
  }
  value_ended();
}

}  // namespace oxbow
