// How a difference is named: its path in this answer, its path in all answers of a route, and the signature
// under which equal differences are counted together. Pure functions and values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "model/comparison.hpp"

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

struct DifferenceSignature {
  std::uint64_t hash = 0;  // of the text; the same in every process and release
  std::string text;        // "GET /orders/{id} $.items[*].price value number/number"

  friend bool operator==(const DifferenceSignature&, const DifferenceSignature&) = default;
};

// `route` as the spec names it: "GET /orders/{id}".
DifferenceSignature signature_of(std::string_view route, const AnswerDifference& difference);

}  // namespace oxbow
