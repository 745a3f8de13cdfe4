// A number as PostgreSQL's numeric holds it: exact, of any size, with the count of digits to show behind the
// point ("1.50" and "1.5" are the same number and different values), NaN and ±Infinity. Value type.
//
// Arithmetic is exact or refuses: nothing here ever rounds.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace oxbow {

class Decimal {
 public:
  enum class Kind : std::uint8_t { negative_infinity, finite, infinity, nan };  // in PostgreSQL's order

  // What PostgreSQL's numeric can hold.
  static constexpr int kScaleMax = 16'383;           // digits behind the point
  static constexpr int kIntegerDigitsMax = 131'072;  // digits before it

  Decimal() = default;  // 0
  static Decimal of(std::int64_t value);
  static Decimal nan() { return Decimal(Kind::nan); }
  static Decimal infinity(bool negative = false) {
    return Decimal(negative ? Kind::negative_infinity : Kind::infinity);
  }
  // `digits` are those of the number without its point, most significant first; leading zeros are dropped,
  // and the sign of zero too. REQUIRES: '0'..'9' only, 0 <= scale.
  static Decimal make(bool negative, std::string digits, int scale);

  // What numeric_in of PostgreSQL 15 takes: " -12.50 ", "1e-20", "NaN", "-Infinity". `row_rejected`
  // otherwise.
  static Result<Decimal> parse(std::string_view text);

  Kind kind() const { return kind_; }
  bool is_finite() const { return kind_ == Kind::finite; }
  bool is_zero() const { return is_finite() && digits_.empty(); }
  bool is_negative() const { return kind_ == Kind::negative_infinity || negative_; }
  const std::string& digits() const {
    return digits_;
  }  // without leading zeros; empty for zero, NaN and infinity
  int scale() const { return scale_; }

  // The same number shown with `scale` digits behind the point; `row_rejected` if that would drop digits
  // other than zero. NaN and infinity have no scale and stay as they are.
  Result<Decimal> with_scale(int scale) const;

  // The same number with the fewest digits behind the point, as trim_scale() gives it.
  Decimal trimmed() const;

  // `row_rejected` if there is a fraction other than zero, if it does not fit, for NaN and for infinity.
  Result<std::int64_t> to_int64() const;

  // Equal numbers may print differently: compare() ignores the scale, == does not. NaN equals itself and is
  // above everything, as in the database.
  std::strong_ordering compare(const Decimal& other) const;
  friend bool operator==(const Decimal&, const Decimal&) = default;

 private:
  explicit Decimal(Kind kind) : kind_(kind) {}

  Kind kind_ = Kind::finite;
  bool negative_ = false;
  int scale_ = 0;
  std::string digits_;
};

std::string to_string(
    const Decimal& value);  // as PostgreSQL prints it: "-12.50", "0.000", "NaN", "-Infinity"

// The exact product; its scale is the sum of both scales. `row_rejected` if it is larger than numeric holds.
Result<Decimal> multiply(const Decimal& a, const Decimal& b);

// The exact quotient, with as few digits behind the point as it needs but no fewer than a.scale() -
// b.scale(). `row_rejected` if it has no end (1/3), for a division by zero, or if it is larger than numeric
// holds.
Result<Decimal> divide(const Decimal& a, const Decimal& b);

}  // namespace oxbow
