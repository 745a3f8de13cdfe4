// How a difference is named: its path in this answer, and its path in all answers of a route, under which
// equal differences are counted together. Pure functions and values.
#pragma once

#include <string>
#include <string_view>

namespace oxbow {

struct DifferencePath {
  std::string exact;      // "$.items[3].price"
  std::string signature;  // "$.items[*].price"

  DifferencePath();  // "$", the whole body

  void element(std::size_t index);

  // A name that is a number or a UUID belongs to the data: `.*` in the signature.
  void member(std::string_view name);
};

// What the body holds there, cut at a character to at most `bytes_max` and "..." behind it.
std::string excerpt_of(std::string_view text, std::size_t bytes_max);

}  // namespace oxbow
