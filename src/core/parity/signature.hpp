// How a difference is named: its path in this answer, and its path in all answers of a route, under which
// equal differences are counted together. Pure functions and values.
#pragma once

#include <cstdint>
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

// The signature of a path, as a hash that is made step by step without the text: equal ones have equal
// hashes.
class SignatureHash {
 public:
  SignatureHash element() const;
  SignatureHash member(std::string_view name) const;

  friend bool operator==(SignatureHash, SignatureHash) = default;

 private:
  SignatureHash below(std::string_view step) const;

  std::uint64_t value_ = 0;  // of "$"
};

// What the body holds there, cut at a character to at most `bytes_max` and "..." behind it.
std::string excerpt_of(std::string_view text, std::size_t bytes_max);

}  // namespace oxbow
