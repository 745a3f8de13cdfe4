// JSON numbers as the decimals they are: 1, 1.0 and 1e0 are one number, 0.1 is a tenth, and 1e999999999 is
// never written out. No value is ever rounded. Plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace oxbow {

// Whether two JSON numbers, with as many digits and as large exponents as they like, are the same.
// REQUIRES for both: JsonScanner::scan_number() took all of it.
bool same_number(std::string_view one, std::string_view other);

// Appends a text that equal numbers share and different ones do not.
void append_canonical_number(std::string_view number, std::string& out);

// A number to calculate with: digits * 10^exponent.
struct ExactNumber {
  bool negative = false;
  std::string digits;  // without zeros at either end; empty: zero
  std::int64_t exponent = 0;

  // What is calculated with stays below these, so that a calculation is short whatever an answer holds.
  static constexpr std::size_t kDigitsMax = 1'000;
  static constexpr std::int64_t kExponentMax = 1'000'000;
  static constexpr std::size_t kFactorDigitsMax = 40;

  // Nothing if `text` is no JSON number or beyond those limits.
  static std::optional<ExactNumber> parse(std::string_view text);

  friend bool operator==(const ExactNumber&, const ExactNumber&) = default;
};

int compare_sizes(const ExactNumber& a, const ExactNumber& b);  // of their absolute values: -1, 0, 1

// REQUIRES: one of both has at most kFactorDigitsMax digits.
ExactNumber multiply(const ExactNumber& a, const ExactNumber& b);

// |a - b|; nothing if it would take more than 2 * kDigitsMax digits.
std::optional<ExactNumber> distance(const ExactNumber& a, const ExactNumber& b);

}  // namespace oxbow
