#include "core/compare/shown_row.hpp"

#include <fmt/core.h>
#include <xxhash.h>

#include <algorithm>

namespace oxbow {
namespace {

constexpr std::size_t kValueMax = 40;
constexpr std::size_t kLineMax = 400;

// Never inside of a character of UTF-8.
std::size_t end_of_characters(std::string_view text, std::size_t count) {
  std::size_t at = 0;
  for (; at < text.size(); ++at) {
    bool begins = (static_cast<unsigned char>(text[at]) & 0xc0) != 0x80;
    if (begins && count-- == 0) break;
  }
  return at;
}

}  // namespace

std::string shown_value(std::string_view text, std::size_t characters_max) {
  auto end = end_of_characters(text, characters_max);
  return fmt::format("'{}{}'", text.substr(0, end), end < text.size() ? "…" : "");
}

void ShownRow::add(std::string_view column, std::string_view value) {
  auto shown = shown_value(value, kValueMax);
  cut_ = cut_ || shown.size() != value.size() + 2;
  append(column, shown);
}

void ShownRow::add_null(std::string_view column) {
  append(column, "NULL");
}

void ShownRow::add_unknown(std::string_view column, std::size_t size) {
  cut_ = true;
  append(column, fmt::format("({} bytes)", size));
}

void ShownRow::append(std::string_view column, std::string_view shown) {
  if (line_.size() > kLineMax) {
    cut_ = true;
  } else {
    line_ += fmt::format("{}{}={}", line_.empty() ? "" : ", ", column, shown);
  }
}

std::string ShownRow::to_string(std::string_view bytes) const {
  if (!cut_) return line_;
  return fmt::format("{} (row {:016x})", line_, XXH3_64bits(bytes.data(), bytes.size()));
}

}  // namespace oxbow
