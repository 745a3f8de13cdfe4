#include "core/parity/signature.hpp"

#include <xxhash.h>

#include <algorithm>

#include "core/spec/answer_path.hpp"
#include "core/value/scan.hpp"

namespace oxbow {
namespace {

bool is_uuid(std::string_view name) {
  if (name.size() != 36) return false;
  for (std::size_t i = 0; i < name.size(); ++i) {
    bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (is_dash ? name[i] != '-' : !hex_value(name[i])) return false;
  }
  return true;
}

bool is_data(std::string_view name) {
  return (!name.empty() && std::ranges::all_of(name, is_digit)) || is_uuid(name);
}

}  // namespace

DifferencePath::DifferencePath() {
  constexpr std::size_t kLengthUsual = 64;
  for (auto* path : {&exact, &signature}) {
    path->reserve(kLengthUsual);
    *path = "$";
  }
}

void DifferencePath::element(std::size_t index) {
  exact += '[';
  exact += std::to_string(index);
  exact += ']';
  signature += "[*]";
}

void DifferencePath::member(std::string_view name) {
  auto from = exact.size();
  append_path_step(name, exact);
  signature += is_data(name) ? ".*" : std::string_view(exact).substr(from);
}

SignatureHash SignatureHash::element() const {
  return below("[*]");
}

SignatureHash SignatureHash::member(std::string_view name) const {
  return is_data(name) ? below(".*") : below(".").below(name);
}

SignatureHash SignatureHash::below(std::string_view step) const {
  SignatureHash hash;
  hash.value_ = XXH3_64bits_withSeed(step.data(), step.size(), value_);
  return hash;
}

std::string excerpt_of(std::string_view text, std::size_t bytes_max) {
  if (text.size() <= bytes_max) return std::string(text);
  auto end = bytes_max;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return std::string(text.substr(0, end)) + "...";
}

}  // namespace oxbow
