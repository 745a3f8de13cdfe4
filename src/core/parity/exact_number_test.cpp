#include "core/parity/exact_number.hpp"

#include <gtest/gtest.h>

namespace oxbow {
namespace {

std::string canonical(std::string_view number) {
  std::string out;
  append_canonical_number(number, out);
  return out;
}

bool same(std::string_view one, std::string_view other) {
  bool found = same_number(one, other);
  EXPECT_EQ(found, same_number(other, one)) << one << " and " << other;
  EXPECT_EQ(found, canonical(one) == canonical(other)) << one << " and " << other;
  return found;
}

TEST(SameNumber, HoldsForEverySpelling) {
  for (std::string_view spelling :
       {"1", "1.0", "1e0", "1E+0", "10e-1", "0.1e1", "0.001e3", "1.000", "100e-2"})
    EXPECT_TRUE(same("1", spelling)) << spelling;
  for (std::string_view zero :
       {"-0", "0.0", "0e5", "-0.000e-99999999999999999999999", "0E999999999999999999999999"})
    EXPECT_TRUE(same("0", zero)) << zero;
  EXPECT_TRUE(same("-12.50", "-125e-1"));
  EXPECT_TRUE(same("1020.30", "10203e-1"));
}

TEST(SameNumber, TellsNumbersApartThatADoubleDoesNot) {
  EXPECT_FALSE(same("9007199254740993", "9007199254740992"));
  EXPECT_FALSE(same("0.1", "0.1000000000000000055511151231257827"));
  EXPECT_FALSE(same("18446744073709551615", "18446744073709551616"));
  EXPECT_FALSE(same("1", "-1"));
  EXPECT_FALSE(same("1", "10"));
  EXPECT_FALSE(same("1.01", "1.1"));
  EXPECT_FALSE(same("0", "1e-400"));
}

TEST(SameNumber, ReadsFourHundredDigits) {
  std::string digits(400, '7');
  EXPECT_TRUE(same(digits, "0." + digits + "e400"));
  EXPECT_FALSE(same(digits, digits.substr(1) + "8"));
  EXPECT_FALSE(same(digits, digits.substr(1)));
}

TEST(SameNumber, NeverWritesAHugeExponentOut) {
  EXPECT_TRUE(same("1e999999999", "10e999999998"));
  EXPECT_FALSE(same("1e999999999", "1e999999998"));
  EXPECT_TRUE(same("1e100000000000000000000", "10e99999999999999999999"));
  EXPECT_TRUE(same("1e-100000000000000000000", "0.1e-99999999999999999999"));
  EXPECT_TRUE(same("1e100000000000000000", "100e99999999999999998"));
  EXPECT_FALSE(same("1e100000000000000000000", "1e-100000000000000000000"));
  EXPECT_TRUE(same("1e00000000000000000000000000001", "10"));
  std::string nines(5000, '9');
  EXPECT_TRUE(same("10e" + nines, "1e1" + std::string(5000, '0')));
  EXPECT_FALSE(same("10e" + nines, "10e" + nines.substr(1)));
}

ExactNumber number(std::string_view text) {
  auto parsed = ExactNumber::parse(text);
  EXPECT_TRUE(parsed) << text;
  return parsed.value_or(ExactNumber());
}

TEST(ExactNumber, CalculatesWithoutRounding) {
  EXPECT_EQ(multiply(number("12.34"), number("100")), number("1234"));
  EXPECT_EQ(multiply(number("-0.1"), number("0.3")), number("-0.03"));
  EXPECT_EQ(multiply(number("99999999999999999999"), number("99")), number("9899999999999999999901"));
  EXPECT_EQ(multiply(number("0"), number("5")), number("0"));
  EXPECT_EQ(distance(number("1.5"), number("1.25")), number("0.25"));
  EXPECT_EQ(distance(number("-1"), number("2e0")), number("3"));
  EXPECT_EQ(distance(number("1000"), number("0.001")), number("999.999"));
  EXPECT_EQ(distance(number("7"), number("7.0")), number("0"));
  EXPECT_EQ(distance(number("95"), number("-5")), number("100"));
  EXPECT_EQ(distance(number("0"), number("-5")), number("5"));
}

TEST(ExactNumber, OrdersSizes) {
  EXPECT_EQ(compare_sizes(number("-2"), number("1")), 1);
  EXPECT_EQ(compare_sizes(number("0.9"), number("1e0")), -1);
  EXPECT_EQ(compare_sizes(number("12"), number("1.2e1")), 0);
  EXPECT_EQ(compare_sizes(number("12"), number("12.1")), -1);
  EXPECT_EQ(compare_sizes(number("0"), number("0.0")), 0);
  EXPECT_EQ(compare_sizes(number("0"), number("1e-9")), -1);
}

TEST(ExactNumber, RefusesWhatWouldTakeLong) {
  EXPECT_FALSE(ExactNumber::parse("1e1000001"));
  EXPECT_FALSE(ExactNumber::parse(std::string(1001, '3')));
  EXPECT_FALSE(ExactNumber::parse("1e99999999999999999999999"));
  EXPECT_FALSE(ExactNumber::parse("01"));
  EXPECT_FALSE(ExactNumber::parse(""));
  EXPECT_FALSE(distance(number("1e5000"), number("1")));
}

}  // namespace
}  // namespace oxbow
