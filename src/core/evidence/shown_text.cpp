#include "core/evidence/shown_text.hpp"

#include <cstdint>

namespace oxbow {
namespace {

bool continues(char c) {
  return (static_cast<unsigned char>(c) & 0xc0) == 0x80;
}

// The bytes of the character that begins here; 0 if none does.
std::size_t character_bytes(std::string_view text) {
  auto first = static_cast<unsigned char>(text.front());
  if (first < 0x80) return 1;
  std::size_t size = first >= 0xc2 && first < 0xe0   ? 2
                     : first >= 0xe0 && first < 0xf0 ? 3
                     : first >= 0xf0 && first < 0xf5 ? 4
                                                     : 0;
  if (size == 0 || text.size() < size) return 0;
  std::uint32_t code = first & (0x7fu >> size);
  for (std::size_t i = 1; i < size; ++i) {
    if (!continues(text[i])) return 0;
    code = code << 6 | (static_cast<unsigned char>(text[i]) & 0x3f);
  }
  bool is_surrogate = code >= 0xd800 && code < 0xe000;
  bool is_overlong = (size == 3 && code < 0x800) || (size == 4 && code < 0x10000);
  return is_surrogate || is_overlong || code > 0x10ffff ? 0 : size;
}

}  // namespace

std::string_view cut_at_character(std::string_view text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  auto end = bytes_max;
  // A character has at most three bytes behind its first.
  for (int i = 0; i < 3 && end > 0 && continues(text[end]); ++i) --end;
  return text.substr(0, end);
}

std::string as_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    auto size = character_bytes(text);
    out.append(size > 0 ? text.substr(0, size) : "\xef\xbf\xbd");
    text.remove_prefix(size > 0 ? size : 1);
  }
  return out;
}

void append_utf8(std::uint32_t point, std::string& text) {
  if (point >= 0xd800 && point < 0xe000) point = 0xfffd;
  if (point < 0x80) {
    text += static_cast<char>(point);
    return;
  }
  int following = point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
  constexpr unsigned char kLead[] = {0, 0xc0, 0xe0, 0xf0};
  text += static_cast<char>(kLead[following] | point >> (6 * following));
  while (following-- > 0) text += static_cast<char>(0x80 | (point >> (6 * following) & 0x3f));
}

}  // namespace oxbow
