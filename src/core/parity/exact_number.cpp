#include "core/parity/exact_number.hpp"

#include <algorithm>

#include "base/assert.hpp"
#include "core/parity/json_scanner.hpp"

namespace oxbow {
namespace {

// A number taken apart: 0.<head><tail> * 10^(exponent + shift), head and tail without zeros at the outer
// ends.
struct Parts {
  bool negative = false;
  std::string_view head;  // of the digits before the point
  std::string_view tail;  // and of those behind it
  bool exponent_negative = false;
  std::string_view exponent;  // without leading zeros
  std::int64_t shift = 0;

  bool is_zero() const { return head.empty() && tail.empty(); }
};

std::string_view without_leading_zeros(std::string_view digits) {
  return digits.substr(std::min(digits.find_first_not_of('0'), digits.size()));
}

std::string_view without_trailing_zeros(std::string_view digits) {
  return digits.substr(0, digits.find_last_not_of('0') + 1);
}

std::string_view take_digits(std::string_view& text) {
  auto digits = text.substr(0, text.find_first_not_of("0123456789"));
  text.remove_prefix(digits.size());
  return digits;
}

Parts take_apart(std::string_view text) {
  Parts parts;
  if (text.starts_with('-')) {
    parts.negative = true;
    text.remove_prefix(1);
  }
  parts.head = without_leading_zeros(take_digits(text));
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    parts.tail = take_digits(text);
  }
  if (!text.empty()) {
    text.remove_prefix(1);
    parts.exponent_negative = text.starts_with('-');
    if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
    parts.exponent = without_leading_zeros(text);
  }
  parts.shift = static_cast<std::int64_t>(parts.head.size());
  if (parts.head.empty()) {
    auto significant = without_leading_zeros(parts.tail);
    parts.shift = -static_cast<std::int64_t>(parts.tail.size() - significant.size());
    parts.tail = significant;
  }
  parts.tail = without_trailing_zeros(parts.tail);
  if (parts.tail.empty()) parts.head = without_trailing_zeros(parts.head);
  return parts;
}

constexpr std::size_t kSmallExponentDigits = 17;

std::int64_t small_exponent(const Parts& parts) {
  std::int64_t value = 0;
  for (char digit : parts.exponent) value = value * 10 + (digit - '0');
  return (parts.exponent_negative ? -value : value) + parts.shift;
}

// exponent + shift, whatever the size of the exponent.
void append_exponent(const Parts& parts, std::string& out) {
  if (parts.exponent.size() <= kSmallExponentDigits) {
    out += std::to_string(small_exponent(parts));
    return;
  }
  // Far beyond any shift, so the sign stays: the shift is carried into the digits.
  std::string digits(parts.exponent);
  auto carry = parts.exponent_negative ? -parts.shift : parts.shift;
  for (auto at = digits.size(); at-- > 0 && carry != 0;) {
    carry += digits[at] - '0';
    auto digit = (carry % 10 + 10) % 10;
    digits[at] = static_cast<char>('0' + digit);
    carry = (carry - digit) / 10;
  }
  if (carry > 0) digits.insert(0, std::to_string(carry));
  if (parts.exponent_negative) out += '-';
  out += without_leading_zeros(digits);
}

void append_canonical(const Parts& parts, std::string& out) {
  if (parts.is_zero()) {
    out += '0';
    return;
  }
  if (parts.negative) out += '-';
  out += parts.head;
  out += parts.tail;
  out += 'e';
  append_exponent(parts, out);
}

bool is_plain_integer(std::string_view number) {
  return number.find_first_not_of("0123456789", number.starts_with('-') ? 1 : 0) == std::string_view::npos;
}

bool same_digits(const Parts& a, const Parts& b) {
  auto size = a.head.size() + a.tail.size();
  if (size != b.head.size() + b.tail.size()) return false;
  auto digit = [](const Parts& parts, std::size_t i) {
    return i < parts.head.size() ? parts.head[i] : parts.tail[i - parts.head.size()];
  };
  for (std::size_t i = 0; i < size; ++i)
    if (digit(a, i) != digit(b, i)) return false;
  return true;
}

// The digits of `number` as an integer of units of 10^exponent.
std::string in_units(const ExactNumber& number, std::int64_t exponent) {
  if (number.digits.empty()) return {};
  return number.digits + std::string(static_cast<std::size_t>(number.exponent - exponent), '0');
}

ExactNumber tidy(bool negative, std::string digits, std::int64_t exponent) {
  auto end = digits.find_last_not_of('0') + 1;
  exponent += static_cast<std::int64_t>(digits.size() - end);
  digits.resize(end);
  digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size()));
  if (digits.empty()) return {};
  return {negative, std::move(digits), exponent};
}

// `large` plus or minus `small`, digit by digit. REQUIRES: large >= small where they are subtracted.
std::string combine(std::string large, const std::string& small, bool subtract) {
  int carry = 0;
  large.insert(0, 1, '0');
  for (std::size_t i = 0; i < large.size(); ++i) {
    auto& place = large[large.size() - 1 - i];
    int digit = i < small.size() ? small[small.size() - 1 - i] - '0' : 0;
    int sum = place - '0' + (subtract ? -digit - carry : digit + carry);
    carry = sum < 0 || sum > 9 ? 1 : 0;
    place = static_cast<char>('0' + (sum + 10) % 10);
  }
  return large;
}

}  // namespace

bool same_number(std::string_view one, std::string_view other) {
  if (one == other) return true;
  // Without a point and an exponent there is one spelling of each number but zero.
  if (is_plain_integer(one) && is_plain_integer(other))
    return take_apart(one).is_zero() && take_apart(other).is_zero();
  auto a = take_apart(one), b = take_apart(other);
  if (a.is_zero() || b.is_zero()) return a.is_zero() && b.is_zero();
  if (a.negative != b.negative || !same_digits(a, b)) return false;
  if (a.exponent.size() <= kSmallExponentDigits && b.exponent.size() <= kSmallExponentDigits)
    return small_exponent(a) == small_exponent(b);
  std::string a_exponent, b_exponent;
  append_exponent(a, a_exponent);
  append_exponent(b, b_exponent);
  return a_exponent == b_exponent;
}

void append_canonical_number(std::string_view number, std::string& out) {
  append_canonical(take_apart(number), out);
}

std::optional<ExactNumber> ExactNumber::parse(std::string_view text) {
  JsonScanner scanner(text, 0);
  if (text.empty() || scanner.scan_number(scanner.begin()) != scanner.end()) return std::nullopt;
  auto parts = take_apart(text);
  if (parts.is_zero()) return ExactNumber();
  auto size = parts.head.size() + parts.tail.size();
  if (size > kDigitsMax || parts.exponent.size() > kSmallExponentDigits) return std::nullopt;
  auto leading = small_exponent(parts);
  if (leading > kExponentMax || leading < -kExponentMax) return std::nullopt;
  return ExactNumber{parts.negative, std::string(parts.head).append(parts.tail),
                     leading - static_cast<std::int64_t>(size)};
}

int compare_sizes(const ExactNumber& a, const ExactNumber& b) {
  if (a.digits.empty() || b.digits.empty())
    return static_cast<int>(b.digits.empty()) - static_cast<int>(a.digits.empty());
  auto leading = [](const ExactNumber& n) { return n.exponent + static_cast<std::int64_t>(n.digits.size()); };
  if (leading(a) != leading(b)) return leading(a) < leading(b) ? -1 : 1;
  auto order = a.digits.compare(b.digits);  // a prefix is the smaller one, since no digits end in zero
  return order < 0 ? -1 : order > 0 ? 1 : 0;
}

ExactNumber multiply(const ExactNumber& a, const ExactNumber& b) {
  const auto& factor = a.digits.size() < b.digits.size() ? a.digits : b.digits;
  const auto& other = &factor == &a.digits ? b.digits : a.digits;
  OXBOW_ASSERT(factor.size() <= ExactNumber::kFactorDigitsMax, "a factor of {} digits", factor.size());
  std::string product(factor.size() + other.size(), '0');
  for (std::size_t i = 0; i < factor.size(); ++i) {
    int carry = 0;
    auto place = product.size() - 1 - i;
    for (std::size_t j = 0; j < other.size(); ++j, --place) {
      int sum = product[place] - '0' +
                (factor[factor.size() - 1 - i] - '0') * (other[other.size() - 1 - j] - '0') + carry;
      product[place] = static_cast<char>('0' + sum % 10);
      carry = sum / 10;
    }
    product[place] = static_cast<char>('0' + carry);
  }
  return tidy(a.negative != b.negative, std::move(product), a.exponent + b.exponent);
}

std::optional<ExactNumber> distance(const ExactNumber& a, const ExactNumber& b) {
  auto positive = [](ExactNumber number) {
    number.negative = false;
    return number;
  };
  if (a.digits.empty()) return positive(b);
  if (b.digits.empty()) return positive(a);
  auto exponent = std::min(a.exponent, b.exponent);
  if (std::max(a.exponent, b.exponent) - exponent > static_cast<std::int64_t>(ExactNumber::kDigitsMax))
    return std::nullopt;
  bool a_is_larger = compare_sizes(a, b) >= 0;
  const auto& large = a_is_larger ? a : b;
  const auto& small = a_is_larger ? b : a;
  return tidy(false, combine(in_units(large, exponent), in_units(small, exponent), a.negative == b.negative),
              exponent);
}

}  // namespace oxbow
