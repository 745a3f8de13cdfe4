#include "core/value/float_text.hpp"

#include <fmt/core.h>

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "core/value/scan.hpp"

namespace oxbow {
namespace {

constexpr int kFixedExponentMin = -4;

// `digits` d1d2d3... stand for ±d1.d2d3... x 10^exponent.
std::string layout(bool negative, std::string_view digits, int exponent, int fixed_exponent_end) {
  std::string text = negative ? "-" : "";
  if (exponent < kFixedExponentMin || exponent >= fixed_exponent_end) {
    text += digits.front();
    if (digits.size() > 1) text.append(".").append(digits.substr(1));
    return text + fmt::format("e{}{:02}", exponent < 0 ? '-' : '+', std::abs(exponent));
  }
  if (exponent < 0) {
    text.append("0.").append(static_cast<std::size_t>(-exponent - 1), '0');
    return text.append(digits);
  }
  auto before_point = static_cast<std::size_t>(exponent) + 1;
  if (digits.size() <= before_point) return text.append(digits).append(before_point - digits.size(), '0');
  return text.append(digits.substr(0, before_point)).append(".").append(digits.substr(before_point));
}

// A number d1.d2d3... x 10^exponent.
struct Digits {
  std::string digits;
  int exponent = 0;
};

Digits split(std::string_view scientific) {
  auto e = scientific.find('e');
  Digits parts{std::string(scientific.substr(0, e)),
               std::atoi(std::string(scientific.substr(e + 1)).c_str())};
  if (parts.digits.size() > 1) parts.digits.erase(1, 1);
  return parts;
}

template <class Float>
bool reads_as(std::string digits, int exponent, Float value) {
  digits.insert(1, ".").append("e").append(std::to_string(exponent));
  Float read = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), read);
  return read == value;
}

// Whether numbers a little above and a little below read as `value` too. Where they do not, the digits lie
// exactly half-way between two numbers of this type, and the server prints others. No decimal of 17 digits
// comes as near to such a point as the step used here without lying on it.
template <class Float>
bool is_inside(const Digits& number, Float value) {
  constexpr std::size_t kStepDigits = 60;
  auto above = number.digits + std::string(kStepDigits, '0') + '1';
  auto below = number.digits;
  auto last = below.find_last_not_of('0');
  --below[last];
  below.replace(last + 1, std::string::npos, below.size() - last - 1 + kStepDigits, '9');
  return reads_as(above, number.exponent, value) && reads_as(below, number.exponent, value);
}

template <class Float>
Digits shortest(Float value) {
  char buffer[64];
  auto end = std::to_chars(buffer, std::end(buffer), value, std::chars_format::scientific).ptr;
  auto number = split({buffer, end});
  if (value == 0) return number;
  for (auto count = static_cast<int>(number.digits.size()); !is_inside(number, value); ++count) {
    end = std::to_chars(buffer, std::end(buffer), value, std::chars_format::scientific, count).ptr;
    number = split({buffer, end});
  }
  return number;
}

template <class Float>
std::string shortest_text(Float value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
  auto [digits, exponent] = shortest(std::abs(value));
  return layout(std::signbit(value), digits, exponent, std::numeric_limits<Float>::digits10);
}

}  // namespace

std::string float_text(double value) {
  return shortest_text(value);
}
std::string float_text(float value) {
  return shortest_text(value);
}

template <class Float>
std::optional<Float> parse_float(std::string_view text) {
  constexpr auto kInfinity = std::numeric_limits<Float>::infinity();
  text = trim_blanks(text);
  if (equals_ignoring_case(text, "nan")) return std::numeric_limits<Float>::quiet_NaN();
  Scan scan(text);
  bool negative = scan.take('-');
  if (!negative) scan.take('+');
  text = scan.rest();
  if (equals_ignoring_case(text, "infinity") || equals_ignoring_case(text, "inf"))
    return negative ? -kInfinity : kInfinity;
  if (text.empty() || (!is_digit(text.front()) && text.front() != '.')) return std::nullopt;
  Float value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return negative ? -value : value;
}

template std::optional<double> parse_float(std::string_view);
template std::optional<float> parse_float(std::string_view);

}  // namespace oxbow
