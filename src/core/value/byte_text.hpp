// Values that are bytes without further meaning, as text: uuid, and bytea in the forms that PostgreSQL reads.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace oxbow {

inline constexpr std::size_t kUuidBytes = 16;

std::string uuid_text(std::string_view bytes);   // REQUIRES: bytes.size() == kUuidBytes
std::string bytea_text(std::string_view bytes);  // \x00ff

// None if the server would refuse the text.
std::optional<std::string> parse_uuid(std::string_view text);
std::optional<std::string> parse_bytea(std::string_view text);

}  // namespace oxbow
