// A key as the database prints it, because its cohort is computed from that text. Several texts can mean one
// key (04711, an upper-case UUID); only the one that the database prints is taken.
#pragma once

#include <array>
#include <string_view>

#include "model/catalog.hpp"

namespace oxbow {

// `unknown`: nobody has asked the database yet. Then a text that would be wrong for an integer or a UUID is
// not taken, although it might be right for a text. Of a `decimal`, a number with digits behind the point, no
// text is taken: 1.5 and 1.50 are one key. `padded` is a text whose blanks at the end mean nothing.
enum class KeyKind { unknown, text, integer, uuid, decimal, padded };

inline constexpr std::array kKeyKindNames = {std::string_view("unknown"), std::string_view("text"),
                                             std::string_view("integer"), std::string_view("uuid"),
                                             std::string_view("decimal"), std::string_view("padded")};

constexpr std::string_view name(KeyKind kind) {
  return kKeyKindNames[static_cast<std::size_t>(kind)];
}

// REQUIRES: is_entity_key_type(type)
KeyKind key_kind(const Type& type);

// True if the database prints this key so. Never true for an empty text, one longer than 1 KiB, one that is
// not UTF-8 or one with control characters.
bool is_key_text(KeyKind kind, std::string_view text);

}  // namespace oxbow
