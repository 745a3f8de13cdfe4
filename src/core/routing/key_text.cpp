#include "core/routing/key_text.hpp"

#include <algorithm>

namespace oxbow {
namespace {

constexpr std::size_t kKeyBytesMax = 1024;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_integer_text(std::string_view text) {
  if (text.starts_with('-')) {
    text.remove_prefix(1);
    if (text == "0") return false;
  }
  bool digits = !text.empty() && std::ranges::all_of(text, is_digit);
  return digits && (text.size() == 1 || text.front() != '0');
}

// What somebody could read as an integer.
bool means_integer(std::string_view text) {
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  return !text.empty() && std::ranges::all_of(text, is_digit);
}

template <class IsHex>
bool has_uuid_shape(std::string_view text, IsHex is_hex) {
  if (text.size() != 36) return false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    bool hyphen = at == 8 || at == 13 || at == 18 || at == 23;
    if (hyphen ? text[at] != '-' : !is_hex(text[at])) return false;
  }
  return true;
}

bool is_lower_hex(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'f');
}
bool is_hex(char c) {
  return is_lower_hex(c) || (c >= 'A' && c <= 'F');
}

// How many bytes the character at the front has; 0 if it is not UTF-8 as Unicode defines it.
std::size_t character_size(std::string_view text) {
  auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
  auto lead = byte(0);
  if (lead < 0x80) return 1;
  std::size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < size) return 0;
  for (std::size_t at = 1; at < size; ++at)
    if ((byte(at) & 0xc0) != 0x80) return 0;
  bool overlong = (lead == 0xe0 && byte(1) < 0xa0) || (lead == 0xf0 && byte(1) < 0x90);
  bool beyond = (lead == 0xed && byte(1) > 0x9f) || (lead == 0xf4 && byte(1) > 0x8f);
  return overlong || beyond ? 0 : size;
}

bool is_storable(std::string_view text) {
  if (text.empty() || text.size() > kKeyBytesMax) return false;
  while (!text.empty()) {
    auto size = character_size(text);
    if (size == 0 || static_cast<unsigned char>(text[0]) < ' ' || text[0] == 0x7f) return false;
    text.remove_prefix(size);
  }
  return true;
}

}  // namespace

KeyKind key_kind(const Type& type) {
  const Type& base = base_type(type);
  if (base.name == "numeric") {
    bool whole = base.modifier >= 4 && ((base.modifier - 4) & 0x7ff) == 0;
    return whole ? KeyKind::integer : KeyKind::decimal;
  }
  if (base.name == "int2" || base.name == "int4" || base.name == "int8") return KeyKind::integer;
  if (base.name == "bpchar") return KeyKind::padded;
  return base.name == "uuid" ? KeyKind::uuid : KeyKind::text;
}

bool is_key_text(KeyKind kind, std::string_view text) {
  if (!is_storable(text)) return false;
  switch (kind) {
    case KeyKind::text:
      return true;
    case KeyKind::integer:
      return is_integer_text(text);
    case KeyKind::uuid:
      return has_uuid_shape(text, is_lower_hex);
    case KeyKind::padded:
      return !text.ends_with(' ');
    case KeyKind::decimal:
      return false;
    case KeyKind::unknown:
      if (means_integer(text)) return is_integer_text(text);
      return !has_uuid_shape(text, is_hex) || has_uuid_shape(text, is_lower_hex);
  }
  return false;
}

}  // namespace oxbow
