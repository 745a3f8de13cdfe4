#include "core/parity/json_string.hpp"

#include <cstdint>

#include "core/value/scan.hpp"

namespace oxbow {
namespace {

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

std::uint32_t unit_of(std::string_view digits) {
  std::uint32_t unit = 0;
  for (char digit : digits.substr(0, 4)) unit = unit * 16 + static_cast<std::uint32_t>(*hex_value(digit));
  return unit;
}

}  // namespace

void append_unescaped(std::string_view inside, std::string& out) {
  constexpr std::string_view kNames = "\"\\/bfnrt", kMeans = "\"\\/\b\f\n\r\t";
  for (;;) {
    auto plain = inside.substr(0, inside.find('\\'));
    out += plain;
    if (plain.size() == inside.size()) return;
    inside.remove_prefix(plain.size() + 1);
    if (inside.front() != 'u') {
      out += kMeans[kNames.find(inside.front())];
      inside.remove_prefix(1);
      continue;
    }
    auto point = unit_of(inside.substr(1));
    inside.remove_prefix(5);
    if (point >= 0xd800 && point <= 0xdbff) {
      point = 0x10000 + ((point & 0x3ff) << 10 | (unit_of(inside.substr(2)) & 0x3ff));
      inside.remove_prefix(6);
    }
    append_utf8(point, out);
  }
}

std::string_view unescaped(std::string_view inside, std::string& scratch) {
  if (!inside.contains('\\')) return inside;
  scratch.clear();
  append_unescaped(inside, scratch);
  return scratch;
}

bool same_text(std::string_view inside, std::string_view other_inside) {
  if (inside == other_inside) return true;
  if (!inside.contains('\\') && !other_inside.contains('\\')) return false;
  std::string one, other;
  return unescaped(inside, one) == unescaped(other_inside, other);
}

}  // namespace oxbow
