#include "core/parity/json_hash.hpp"

#include <xxhash.h>

#include <string>

#include "core/parity/exact_number.hpp"
#include "core/parity/json_scanner.hpp"
#include "core/parity/json_string.hpp"

namespace oxbow {
namespace {

std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
  const std::uint64_t both[] = {a, b};
  return XXH3_64bits(both, sizeof both);
}

std::uint64_t hash_of_text(std::string_view text) {
  return XXH3_64bits(text.data(), text.size());
}

class Hasher {
 public:
  explicit Hasher(std::string_view value) : scanner_(value, 0) {}

  std::uint64_t value(const char*& at) {
    const char* start = at;
    switch (class_of(*at)) {
      case ValueClass::object:
        return object(at);
      case ValueClass::array:
        return array(at);
      case ValueClass::string:
        return mix(1, string(at));
      case ValueClass::number: {
        at = scanner_.scan_number(at);
        scratch_.clear();
        append_canonical_number({start, at}, scratch_);
        return mix(2, hash_of_text(scratch_));
      }
      default:
        at = scanner_.scan_literal(at);
        return mix(3, hash_of_text({start, at}));
    }
  }

 private:
  std::uint64_t string(const char*& at) {
    bool escaped;
    const char* start = at + 1;
    at = scanner_.scan_string(at, escaped);
    return hash_of_text(unescaped({start, at - 1}, scratch_));
  }

  std::uint64_t object(const char*& at) {
    std::uint64_t sum = 4;  // does not depend on the order
    at = scanner_.skip_blanks(at + 1);
    bool more = *at != '}';
    if (!more) ++at;
    while (more) {
      at = scanner_.skip_blanks(at);
      auto name = string(at);
      at = scanner_.scan_colon(at);
      sum += mix(name, value(at));
      at = scanner_.scan_separator(at, '}', more);
    }
    return mix(4, sum);
  }

  std::uint64_t array(const char*& at) {
    std::uint64_t chain = 5;
    at = scanner_.skip_blanks(at + 1);
    bool more = *at != ']';
    if (!more) ++at;
    while (more) {
      at = scanner_.skip_blanks(at);
      chain = mix(chain, value(at));
      at = scanner_.scan_separator(at, ']', more);
    }
    return chain;
  }

  JsonScanner scanner_;
  std::string scratch_;
};

}  // namespace

std::uint64_t hash_of_json(std::string_view value) {
  Hasher hasher(value);
  const char* at = value.data();
  return hasher.value(at);
}

}  // namespace oxbow
