#include "core/value/byte_text.hpp"

#include "core/value/scan.hpp"

namespace oxbow {
namespace {

constexpr std::string_view kHexPrefix = "\\x";

void append_hex(std::string& text, char c) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  auto byte = static_cast<unsigned char>(c);
  text += kDigits[byte >> 4];
  text += kDigits[byte & 15];
}

// The byte that two hexadecimal digits at the front of `text` name.
std::optional<char> hex_byte(std::string_view text) {
  if (text.size() < 2) return std::nullopt;
  auto high = hex_value(text[0]), low = hex_value(text[1]);
  if (!high || !low) return std::nullopt;
  return static_cast<char>(*high << 4 | *low);
}

// Blanks may stand between bytes but not inside one.
std::optional<std::string> parse_hex(std::string_view text) {
  std::string bytes;
  while (!text.empty()) {
    bool is_skipped = text[0] == ' ' || text[0] == '\n' || text[0] == '\t' || text[0] == '\r';
    if (!is_skipped) {
      auto byte = hex_byte(text);
      if (!byte) return std::nullopt;
      bytes += *byte;
    }
    text.remove_prefix(is_skipped ? 1 : 2);
  }
  return bytes;
}

// The byte that a backslash and three octal digits at the front of `text` name.
std::optional<char> octal_byte(std::string_view text) {
  auto digit = [&](std::size_t at, char highest) { return text[at] >= '0' && text[at] <= highest; };
  if (text.size() < 4 || !digit(1, '3') || !digit(2, '7') || !digit(3, '7')) return std::nullopt;
  return static_cast<char>((text[1] - '0') << 6 | (text[2] - '0') << 3 | (text[3] - '0'));
}

// The traditional form: \\ is a backslash, \101 the byte with that octal number, all else itself.
std::optional<std::string> parse_escaped(std::string_view text) {
  std::string bytes;
  while (!text.empty()) {
    if (text[0] != '\\') {
      bytes += text[0];
      text.remove_prefix(1);
    } else if (text.starts_with("\\\\")) {
      bytes += '\\';
      text.remove_prefix(2);
    } else if (auto byte = octal_byte(text)) {
      bytes += *byte;
      text.remove_prefix(4);
    } else {
      return std::nullopt;
    }
  }
  return bytes;
}

}  // namespace

std::string uuid_text(std::string_view bytes) {
  std::string text;
  for (std::size_t i = 0; i < kUuidBytes; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    append_hex(text, bytes[i]);
  }
  return text;
}

std::string bytea_text(std::string_view bytes) {
  std::string text(kHexPrefix);
  text.reserve(text.size() + bytes.size() * 2);
  for (char byte : bytes) append_hex(text, byte);
  return text;
}

// The server takes a hyphen after any group of four digits, and braces around the whole.
std::optional<std::string> parse_uuid(std::string_view text) {
  if (text.starts_with('{')) {
    if (!text.ends_with('}')) return std::nullopt;
    text = text.substr(1, text.size() - 2);
  }
  std::string bytes;
  while (bytes.size() < kUuidBytes) {
    auto byte = hex_byte(text);
    if (!byte) return std::nullopt;
    bytes += *byte;
    text.remove_prefix(2);
    bool hyphen_allowed = bytes.size() % 2 == 0 && bytes.size() < kUuidBytes;
    if (hyphen_allowed && text.starts_with('-')) text.remove_prefix(1);
  }
  if (!text.empty()) return std::nullopt;
  return bytes;
}

std::optional<std::string> parse_bytea(std::string_view text) {
  return text.starts_with(kHexPrefix) ? parse_hex(text.substr(kHexPrefix.size())) : parse_escaped(text);
}

}  // namespace oxbow
