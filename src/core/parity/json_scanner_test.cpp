#include "core/parity/json_scanner.hpp"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include "core/parity/json_string.hpp"

namespace oxbow {
namespace {

constexpr int kDepthMax = 512;

std::string wrong(std::string_view text) {
  auto fault = check_json(text, kDepthMax);
  return fault ? fmt::format("{} at {}: {}", name(fault->reason), fault->offset, fault->what) : "";
}

TEST(JsonScanner, TakesWhatTheStandardTakes) {
  for (std::string_view text : {"{}",
                                "[]",
                                " [ ] ",
                                "{ }",
                                "null",
                                "true",
                                "false",
                                "0",
                                "-0",
                                "-0.0e-0",
                                "1E+2",
                                "\"\"",
                                "[1,2,[3,{}]]",
                                R"({"a":{"b":[1,"x",null]},"":0})",
                                R"("\"\\\/\b\f\n\r\t\u0000\ud83d\ude00")",
                                "\"é€😀\"",
                                "\t\r\n 1 \n",
                                "\"long enough to need more than one word of eight bytes\"",
                                "\"\x7f\"",
                                "1e999999999"})
    EXPECT_EQ(wrong(text), "") << text;
}

TEST(JsonScanner, SaysWhatIsWrongAndWhere) {
  EXPECT_EQ(wrong(""), "invalid_json at 0: a value is expected");
  EXPECT_EQ(wrong("[1,]"), "invalid_json at 3: a value is expected");
  EXPECT_EQ(wrong("[1 2]"), "invalid_json at 3: ',' or ']' is expected");
  EXPECT_EQ(wrong("{\"a\":1,}"), "invalid_json at 7: a string is expected");
  EXPECT_EQ(wrong("{\"a\" 1}"), "invalid_json at 5: ':' is expected");
  EXPECT_EQ(wrong("{\"a\":1"), "invalid_json at 6: the text ends inside an object or array");
  EXPECT_EQ(wrong("{a:1}"), "invalid_json at 1: a string is expected");
  EXPECT_EQ(wrong("01"), "invalid_json at 1: something stands behind the value");
  EXPECT_EQ(wrong("1."), "invalid_json at 2: digits are expected behind the point");
  EXPECT_EQ(wrong("-"), "invalid_json at 0: a value is expected");
  EXPECT_EQ(wrong("1e"), "invalid_json at 2: digits are expected in the exponent");
  EXPECT_EQ(wrong("nul"), "invalid_json at 0: a value is expected");
  EXPECT_EQ(wrong("NaN"), "invalid_json at 0: a value is expected");
  EXPECT_EQ(wrong("\"abc"), "invalid_json at 4: a string without its closing quote");
  EXPECT_EQ(wrong("\"a\nb\""), "invalid_json at 2: a control character in a string");
  EXPECT_EQ(wrong("\"twelve long\nb\""), "invalid_json at 12: a control character in a string");
  EXPECT_EQ(wrong(R"("\x")"), "invalid_json at 1: an escape that JSON does not have");
  EXPECT_EQ(wrong(R"("\u12g4")"), "invalid_json at 1: four hexadecimal digits are expected behind \\u");
  EXPECT_EQ(wrong("[1] 2"), "invalid_json at 4: something stands behind the value");
  EXPECT_EQ(wrong("\xef\xbb\xbf{}"), "invalid_json at 0: a value is expected");
  EXPECT_EQ(wrong(std::string_view("1\0", 2)), "invalid_json at 1: something stands behind the value");
}

TEST(JsonScanner, RefusesHalfASurrogatePair) {
  for (std::string_view text :
       {R"("\ud83d")", R"("\ude00")", R"("\ud83dx")", R"("\ud83d\n")", R"("\ud83d\ud83d")", R"("\ud83d\u12)"})
    EXPECT_EQ(wrong(text), "invalid_json at 1: half of a surrogate pair") << text;
}

TEST(JsonScanner, RefusesBytesThatAreNotUtf8) {
  for (std::string_view bytes :
       {"\x80", "\xc0\xaf", "\xc1\xbf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80", "\xff", "\xc3", "\xe2\x82", "\xf0\x8f\xbf\xbf"})
    EXPECT_EQ(wrong("\"" + std::string(bytes) + "\""), "invalid_json at 1: bytes that are not UTF-8");
}

TEST(JsonScanner, EndsAtTheDepthLimit) {
  auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_EQ(wrong(nested(kDepthMax)), "");
  auto too_deep = "too_deep at 512: more objects and arrays inside each other than the limit";
  EXPECT_EQ(wrong(nested(kDepthMax + 1)), too_deep);
  EXPECT_EQ(wrong(nested(10'000)), too_deep);
  EXPECT_EQ(wrong(std::string(10'000'000, '[')), too_deep);
}

TEST(JsonString, MeansItsCharacters) {
  EXPECT_TRUE(same_text(R"(\u00e9)", "é"));
  EXPECT_TRUE(same_text(R"(\u00E9)", R"(\u00e9)"));
  EXPECT_TRUE(same_text(R"(\ud83d\ude00!)", "😀!"));
  EXPECT_TRUE(same_text(R"(a\/b\"\\)", R"(a/b\u0022\u005c)"));
  EXPECT_FALSE(same_text("e\xcc\x81", "é"));  // another sequence of characters, though it looks the same
  EXPECT_FALSE(same_text(R"(\\u00e9)", "é"));
  std::string out;
  append_unescaped(R"(\u0000\b\f\n\r\t\u20ac)", out);
  EXPECT_EQ(out, std::string("\0\b\f\n\r\t€", 9));
}

}  // namespace
}  // namespace oxbow
