#include "adapters/postgres/array_text.hpp"

#include <utility>

namespace oxbow::postgres {

std::vector<std::string> parse_text_array(std::string_view text) {
  std::vector<std::string> elements;
  if (text.size() < 3) return elements;
  std::string element;
  bool quoted = false;
  for (std::size_t i = 1; i + 1 < text.size(); ++i) {
    char c = text[i];
    if (c == '\\') {
      element += text[++i];
    } else if (c == '"') {
      quoted = !quoted;
    } else if (c == ',' && !quoted) {
      elements.push_back(std::exchange(element, {}));
    } else {
      element += c;
    }
  }
  elements.push_back(std::move(element));
  return elements;
}

std::string to_text_array(const std::vector<std::string>& elements) {
  std::string out = "{";
  for (const auto& element : elements) {
    if (out.size() > 1) out += ',';
    out += '"';
    for (char c : element) {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
    out += '"';
  }
  return out + "}";
}

}  // namespace oxbow::postgres
