#include "core/value/decimal.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "core/value/numeric_format.hpp"

namespace oxbow {
namespace {

Decimal number(std::string_view text) {
  auto value = Decimal::parse(text);
  EXPECT_TRUE(value) << text;
  return value.value_or(Decimal::nan());
}

std::string product(std::string_view a, std::string_view b) {
  auto value = multiply(number(a), number(b));
  return value ? to_string(*value) : std::string(name(value.error().code));
}

std::string quotient(std::string_view a, std::string_view b) {
  auto value = divide(number(a), number(b));
  return value ? to_string(*value) : value.error().detail;
}

TEST(Decimal, PrintsTheDigitsBehindThePointThatItWasGiven) {
  for (auto text : {"0", "0.000", "1.50", "-12.50", "100", "0.01", "NaN", "Infinity", "-Infinity"})
    EXPECT_EQ(to_string(number(text)), text);
}

TEST(Decimal, ReadsExponentsExactly) {
  EXPECT_EQ(to_string(number("1.5e-3")), "0.0015");
  EXPECT_EQ(to_string(number("1.50e1")), "15.0");
  EXPECT_EQ(to_string(number("1e+30")), "1" + std::string(30, '0'));
  EXPECT_EQ(to_string(number("0e100000")), "0");
}

TEST(Decimal, HasNoNegativeZero) {
  EXPECT_EQ(to_string(number("-0.00")), "0.00");
}

TEST(Decimal, ComparesNumbersAndNotTheirSpelling) {
  EXPECT_EQ(number("1.50").compare(number("1.5")), std::strong_ordering::equal);
  EXPECT_FALSE(number("1.50") == number("1.5"));
  EXPECT_EQ(number("0.00").compare(number("0")), std::strong_ordering::equal);

  const char* ascending[] = {"-Infinity",
                             "-100",
                             "-99.9",
                             "-0.01",
                             "0",
                             "0.001",
                             "0.01",
                             "9.9",
                             "10",
                             "10.01",
                             "123456789012345678901",
                             "Infinity",
                             "NaN"};
  for (std::size_t i = 0; i < std::size(ascending); ++i) {
    for (std::size_t j = 0; j < std::size(ascending); ++j)
      EXPECT_EQ(number(ascending[i]).compare(number(ascending[j])), i <=> j)
          << ascending[i] << ' ' << ascending[j];
  }
}

TEST(Decimal, MultipliesExactlyAndAddsTheScales) {
  EXPECT_EQ(product("12.50", "100"), "1250.00");
  EXPECT_EQ(product("-0.01", "0.01"), "-0.0001");
  EXPECT_EQ(product("0.00", "-5"), "0.00");
  EXPECT_EQ(product("999999999999999999", "999999999999999999"), "999999999999999998000000000000000001");
  EXPECT_EQ(product("123456789012345678901234567890", "987654321098765432109876543210"),
            "121932631137021795226185032733622923332237463801111263526900");
}

TEST(Decimal, DividesExactlyWithAsFewDigitsAsItNeeds) {
  EXPECT_EQ(quotient("12345", "100"), "123.45");
  EXPECT_EQ(quotient("12300", "100"), "123");
  EXPECT_EQ(quotient("1.00", "4"), "0.25");
  EXPECT_EQ(quotient("10.00", "5"), "2.00");
  EXPECT_EQ(quotient("1", "0.001"), "1000");
  EXPECT_EQ(quotient("-1", "1024"), "-0.0009765625");
  EXPECT_EQ(quotient("0", "7"), "0");
  EXPECT_EQ(quotient("121932631137021795226185032733622923332237463801111263526900", "100000"),
            "1219326311370217952261850327336229233322374638011112635.269");
}

TEST(Decimal, RefusesAQuotientThatHasNoEnd) {
  EXPECT_EQ(quotient("1", "3"), "1 divided by 3 has no end, so it cannot be exact");
  EXPECT_EQ(quotient("1", "0.00"), "1 is divided by zero");
}

TEST(Decimal, ReachesTheLongestQuotientThatEnds) {
  // 2^59 is the largest power of two of 18 digits: its reciprocal needs 59 digits.
  EXPECT_EQ(product(quotient("1", "576460752303423488"), "576460752303423488"), "1." + std::string(59, '0'));
}

TEST(Decimal, TreatsSpecialValuesAsTheDatabaseDoes) {
  EXPECT_EQ(product("NaN", "0"), "NaN");
  EXPECT_EQ(product("Infinity", "0"), "NaN");
  EXPECT_EQ(product("Infinity", "-2"), "-Infinity");
  EXPECT_EQ(quotient("5", "-Infinity"), "0");
  EXPECT_EQ(quotient("-Infinity", "2"), "-Infinity");
  EXPECT_EQ(quotient("Infinity", "Infinity"), "NaN");
  EXPECT_EQ(quotient("NaN", "0"), "NaN");
}

TEST(Decimal, RefusesWhatNumericCannotHold) {
  EXPECT_EQ(product("1e131071", "10"), "row_rejected");
  EXPECT_EQ(product("1e-16383", "0.1"), "row_rejected");
  EXPECT_EQ(product("1e131071", "1"), "1" + std::string(131'071, '0'));
}

TEST(Decimal, DropsOnlyZerosWhenTheScaleShrinks) {
  EXPECT_EQ(to_string(number("1.5000").with_scale(1).value()), "1.5");
  EXPECT_EQ(to_string(number("1.5").with_scale(3).value()), "1.500");
  EXPECT_EQ(to_string(number("0.000").with_scale(0).value()), "0");
  EXPECT_EQ(number("1.505").with_scale(2).error(),
            (Error{ErrorCode::row_rejected, "1.505 has more than 2 digits behind the point"}));
  EXPECT_FALSE(number("0.001").with_scale(1));
}

TEST(Decimal, TrimsToTheFewestDigits) {
  EXPECT_EQ(to_string(number("1.500").trimmed()), "1.5");
  EXPECT_EQ(to_string(number("100").trimmed()), "100");
  EXPECT_EQ(to_string(number("0.00").trimmed()), "0");
}

TEST(Decimal, BecomesAnIntegerOnlyIfItIsOne) {
  EXPECT_EQ(number("1250.00").to_int64(), 1250);
  EXPECT_EQ(number("-9223372036854775808").to_int64(), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(Decimal::of(std::numeric_limits<std::int64_t>::min()), number("-9223372036854775808"));
  EXPECT_EQ(number("9223372036854775808").to_int64().error().code, ErrorCode::row_rejected);
  EXPECT_EQ(number("0.5").to_int64().error().detail, "0.5 is not an integer");
  EXPECT_FALSE(number("NaN").to_int64());
}

TEST(NumericFormat, CarriesEveryScaleAndSizeBothWays) {
  for (int integer_digits = 0; integer_digits < 11; ++integer_digits) {
    for (int scale = 0; scale < 11; ++scale) {
      for (std::string digits : {"1", "9", "12", "10203", "98765432101"}) {
        digits.resize(static_cast<std::size_t>(integer_digits + scale), '0');
        auto value = Decimal::make(true, digits, scale);
        EXPECT_EQ(decode_numeric(encode_numeric(value)), value) << to_string(value);
      }
    }
  }
}

std::string bytes(std::initializer_list<unsigned> words) {
  std::string out;
  for (auto word : words) out.append({static_cast<char>(word >> 8), static_cast<char>(word & 255)});
  return out;
}

TEST(NumericFormat, RefusesBytesThatNoServerSends) {
  EXPECT_EQ(decode_numeric("short").error().code, ErrorCode::malformed);
  EXPECT_EQ(decode_numeric(bytes({1, 0, 0, 0})).error().detail, "a numeric of 1 digits has 0 bytes of them");
  EXPECT_EQ(decode_numeric(bytes({1, 0, 0, 0, 10000})).error().detail,
            "a numeric has the digit 10000, above 9999");
  EXPECT_EQ(decode_numeric(bytes({0, 0, 0x1234, 0})).error().detail, "a numeric has the sign 0x1234");
  EXPECT_EQ(decode_numeric(bytes({0, 0, 0, 0x4000})).error().detail, "a numeric has the scale 16384");
  EXPECT_EQ(decode_numeric(bytes({1, 0xffff, 0, 2, 1234})).error().detail,
            "a numeric of scale 2 has digits beyond it");
}

}  // namespace
}  // namespace oxbow
