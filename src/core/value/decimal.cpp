#include "core/value/decimal.hpp"

#include <algorithm>
#include <charconv>
#include <vector>

#include "base/assert.hpp"
#include "core/value/scan.hpp"

namespace oxbow {
namespace {

constexpr std::size_t kDigitsOfUint64 =
    18;  // every number of so many digits fits, with room for one more bit
constexpr std::uint32_t kLimb = 1'000'000'000;
constexpr std::size_t kLimbDigits = 9;

// Error texts must stay readable when a number has a hundred thousand digits.
std::string shown(const Decimal& value) {
  auto text = to_string(value);
  return text.size() <= 60 ? text : text.substr(0, 57) + "...";
}

std::uint64_t small_number(std::string_view digits) {
  std::uint64_t value = 0;
  for (char digit : digits) value = value * 10 + static_cast<std::uint64_t>(digit - '0');
  return value;
}

std::vector<std::uint32_t> to_limbs(std::string_view digits) {
  std::vector<std::uint32_t> limbs;
  while (!digits.empty()) {
    auto take = std::min(digits.size(), kLimbDigits);
    limbs.push_back(static_cast<std::uint32_t>(small_number(digits.substr(digits.size() - take))));
    digits.remove_suffix(take);
  }
  return limbs;
}

std::string multiply_digits(std::string_view a, std::string_view b) {
  if (a.size() + b.size() <= kDigitsOfUint64) return std::to_string(small_number(a) * small_number(b));
  auto x = to_limbs(a), y = to_limbs(b);
  std::vector<std::uint32_t> product(x.size() + y.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    std::uint64_t carry = 0;
    for (std::size_t j = 0; j < y.size(); ++j) {
      auto sum = std::uint64_t{x[i]} * y[j] + product[i + j] + carry;
      product[i + j] = static_cast<std::uint32_t>(sum % kLimb);
      carry = sum / kLimb;
    }
    product[i + y.size()] = static_cast<std::uint32_t>(carry);
  }
  std::string digits(product.size() * kLimbDigits, '0');
  auto at = digits.size();
  for (auto limb : product) {
    for (std::size_t i = 0; i < kLimbDigits; ++i, limb /= 10)
      digits[--at] = static_cast<char>('0' + limb % 10);
  }
  return digits;
}

// Appends the quotient of `dividend` to `quotient` and returns the remainder.
std::uint64_t divide_digits(std::string_view dividend, std::uint64_t divisor, std::uint64_t remainder,
                            std::string& quotient) {
  for (char digit : dividend) {
    auto part = static_cast<unsigned __int128>(remainder) * 10 + static_cast<unsigned>(digit - '0');
    quotient += static_cast<char>('0' + static_cast<int>(part / divisor));
    remainder = static_cast<std::uint64_t>(part % divisor);
  }
  return remainder;
}

Result<Decimal> within_numeric(Decimal value) {
  if (value.scale() > Decimal::kScaleMax ||
      static_cast<std::int64_t>(value.digits().size()) - value.scale() > Decimal::kIntegerDigitsMax) {
    return Err(ErrorCode::row_rejected, "{} is more than a numeric holds", shown(value));
  }
  return value;
}

Result<Decimal> multiply_special(const Decimal& a, const Decimal& b) {
  if (a.kind() == Decimal::Kind::nan || b.kind() == Decimal::Kind::nan || a.is_zero() || b.is_zero())
    return Decimal::nan();
  return Decimal::infinity(a.is_negative() != b.is_negative());
}

Result<Decimal> divide_special(const Decimal& a, const Decimal& b) {
  if (a.kind() == Decimal::Kind::nan || b.kind() == Decimal::Kind::nan) return Decimal::nan();
  if (a.is_finite()) return Decimal();
  if (!b.is_finite()) return Decimal::nan();
  return Decimal::infinity(a.is_negative() != b.is_negative());
}

}  // namespace

Decimal Decimal::of(std::int64_t value) {
  auto text = std::to_string(value);
  bool negative = text.front() == '-';
  return make(negative, negative ? text.substr(1) : text, 0);
}

Decimal Decimal::make(bool negative, std::string digits, int scale) {
  OXBOW_ASSERT(scale >= 0, "a decimal has the scale {}", scale);
  digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size()));
  Decimal value;
  value.negative_ = negative && !digits.empty();
  value.scale_ = scale;
  value.digits_ = std::move(digits);
  return value;
}

Result<Decimal> Decimal::parse(std::string_view text) {
  auto refuse = [&](std::string_view why) {
    return Err(ErrorCode::row_rejected, "'{}' {}", text.substr(0, 60), why);
  };
  constexpr std::string_view kNotANumber = "is not a number";
  Scan scan(trim_blanks(text));
  if (equals_ignoring_case(scan.rest(), "nan")) return nan();
  bool negative = scan.take('-');
  if (!negative) scan.take('+');
  if (equals_ignoring_case(scan.rest(), "infinity") || equals_ignoring_case(scan.rest(), "inf"))
    return infinity(negative);

  std::string digits(scan.take_digits());
  std::int64_t scale = 0;
  if (scan.take('.')) {
    auto fraction = scan.take_digits();
    digits += fraction;
    scale = static_cast<std::int64_t>(fraction.size());
  }
  if (digits.empty()) return refuse(kNotANumber);
  if (scan.take('e') || scan.take('E')) {
    bool down = scan.take('-');
    if (!down) scan.take('+');
    auto exponent = scan.take_digits();
    if (exponent.empty()) return refuse(kNotANumber);
    if (exponent.size() > 9) return refuse("is more than a numeric holds");
    auto shift = static_cast<std::int64_t>(small_number(exponent));
    scale += down ? shift : -shift;
  }
  if (!scan.done()) return refuse(kNotANumber);

  digits.erase(0, std::min(digits.find_first_not_of('0'), digits.size()));
  if (scale > kScaleMax) return refuse("is more than a numeric holds");
  if (!digits.empty()) {
    if (static_cast<std::int64_t>(digits.size()) - scale > kIntegerDigitsMax)
      return refuse("is more than a numeric holds");
    if (scale < 0) digits.append(static_cast<std::size_t>(-scale), '0');
  }
  return make(negative, std::move(digits), static_cast<int>(std::max<std::int64_t>(scale, 0)));
}

Result<Decimal> Decimal::with_scale(int scale) const {
  OXBOW_ASSERT(scale >= 0, "a decimal has the scale {}", scale);
  if (!is_finite() || scale == scale_) return *this;
  Decimal value = *this;
  value.scale_ = scale;
  if (is_zero()) return value;
  if (scale > scale_) {
    value.digits_.append(static_cast<std::size_t>(scale - scale_), '0');
    return within_numeric(std::move(value));
  }
  auto dropped = static_cast<std::size_t>(scale_ - scale);
  auto zeros = digits_.size() - 1 - digits_.find_last_not_of('0');
  if (dropped > zeros) {
    return Err(ErrorCode::row_rejected, "{} has more than {} digits behind the point", shown(*this), scale);
  }
  value.digits_.resize(digits_.size() - dropped);
  return value;
}

Decimal Decimal::trimmed() const {
  Decimal value = *this;
  if (is_zero()) value.scale_ = 0;
  while (value.scale_ > 0 && value.digits_.back() == '0') {
    value.digits_.pop_back();
    --value.scale_;
  }
  return value;
}

Result<std::int64_t> Decimal::to_int64() const {
  if (!is_finite()) return Err(ErrorCode::row_rejected, "{} is not an integer", to_string(*this));
  auto whole = with_scale(0);
  if (!whole) return Err(ErrorCode::row_rejected, "{} is not an integer", shown(*this));
  auto text = to_string(*whole);
  std::int64_t value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return Err(ErrorCode::row_rejected, "{} does not fit in 64 bits", shown(*this));
  return value;
}

std::strong_ordering Decimal::compare(const Decimal& other) const {
  if (kind_ != other.kind_ || !is_finite()) return kind_ <=> other.kind_;
  auto sign = [](const Decimal& value) { return value.is_zero() ? 0 : value.negative_ ? -1 : 1; };
  if (sign(*this) != sign(other) || is_zero()) return sign(*this) <=> sign(other);

  auto integer_digits = [](const Decimal& value) {
    return static_cast<std::int64_t>(value.digits_.size()) - value.scale_;
  };
  auto magnitude = integer_digits(*this) <=> integer_digits(other);
  if (magnitude == 0) {
    auto common = std::min(digits_.size(), other.digits_.size());
    magnitude = digits_.compare(0, common, other.digits_, 0, common) <=> 0;
    auto has_more = [&](const Decimal& value) {
      return value.digits_.find_first_not_of('0', common) != std::string::npos;
    };
    if (magnitude == 0) magnitude = has_more(*this) <=> has_more(other);
  }
  return negative_ ? 0 <=> magnitude : magnitude;
}

std::string to_string(const Decimal& value) {
  switch (value.kind()) {
    case Decimal::Kind::nan:
      return "NaN";
    case Decimal::Kind::infinity:
      return "Infinity";
    case Decimal::Kind::negative_infinity:
      return "-Infinity";
    case Decimal::Kind::finite:
      break;
  }
  auto scale = static_cast<std::size_t>(value.scale());
  std::string text = value.is_negative() ? "-" : "";
  const auto& digits = value.digits();
  if (digits.size() > scale) {
    text.append(digits, 0, digits.size() - scale);
  } else {
    text += '0';
  }
  if (scale == 0) return text;
  text += '.';
  if (digits.size() < scale) text.append(scale - digits.size(), '0');
  text.append(digits, digits.size() - std::min(digits.size(), scale));
  return text;
}

Result<Decimal> multiply(const Decimal& a, const Decimal& b) {
  if (!a.is_finite() || !b.is_finite()) return multiply_special(a, b);
  auto digits = a.is_zero() || b.is_zero() ? std::string() : multiply_digits(a.digits(), b.digits());
  return within_numeric(
      Decimal::make(a.is_negative() != b.is_negative(), std::move(digits), a.scale() + b.scale()));
}

Result<Decimal> divide(const Decimal& a, const Decimal& b) {
  if (b.is_zero() && a.kind() != Decimal::Kind::nan)
    return Err(ErrorCode::row_rejected, "{} is divided by zero", shown(a));
  if (!a.is_finite() || !b.is_finite()) return divide_special(a, b);

  std::string_view divisor = b.digits();
  auto zeros = divisor.size() - 1 - divisor.find_last_not_of('0');
  divisor.remove_suffix(zeros);
  if (divisor.size() > kDigitsOfUint64) {
    return Err(ErrorCode::row_rejected, "the divisor {} has more than {} significant digits", shown(b),
               kDigitsOfUint64);
  }
  auto by = small_number(divisor);
  std::string digits;
  auto remainder = divide_digits(a.digits(), by, 0, digits);
  // A quotient that ends does so within as many more digits as the divisor has factors of two or of five.
  int scale = a.scale() - b.scale() + static_cast<int>(zeros);
  for (int extra = 0; remainder != 0 && extra < 64; ++extra, ++scale)
    remainder = divide_digits("0", by, remainder, digits);
  if (remainder != 0) {
    return Err(ErrorCode::row_rejected, "{} divided by {} has no end, so it cannot be exact", shown(a),
               shown(b));
  }
  if (scale < 0) digits.append(static_cast<std::size_t>(-scale), '0');
  auto quotient =
      Decimal::make(a.is_negative() != b.is_negative(), std::move(digits), std::max(scale, 0)).trimmed();
  return within_numeric(TRY(quotient.with_scale(std::max({quotient.scale(), a.scale() - b.scale(), 0}))));
}

}  // namespace oxbow
