#include "core/mapping/json_text.hpp"

#include <gtest/gtest.h>

#include "base/random.hpp"

namespace oxbow {
namespace {

// The value as text, "NULL" for none, or the name of the error.
std::string found(std::string_view document, std::vector<std::string> path) {
  auto text = find_json_text(document, path);
  if (!text) return std::string(name(text.error().code));
  return text->value_or("NULL");
}

TEST(JsonText, FollowsKeysAndPlaces) {
  constexpr std::string_view kDocument = R"( {"a" : {"b": [10, [20, "x"], {"c": true}]}, "": 5, "d": null} )";
  EXPECT_EQ(found(kDocument, {"a", "b", "0"}), "10");
  EXPECT_EQ(found(kDocument, {"a", "b", "1"}), R"([20, "x"])");
  EXPECT_EQ(found(kDocument, {"a", "b", "1", "1"}), "x");
  EXPECT_EQ(found(kDocument, {"a", "b", "2", "c"}), "true");
  EXPECT_EQ(found(kDocument, {"a", "b", "3"}), "NULL");
  EXPECT_EQ(found(kDocument, {"a", "b", "c"}), "NULL");
  EXPECT_EQ(found(kDocument, {"a", "b", "0", "c"}), "NULL");
  EXPECT_EQ(found(kDocument, {""}), "5");
  EXPECT_EQ(found(kDocument, {"d"}), "NULL");
  EXPECT_EQ(found(kDocument, {"nowhere"}), "NULL");
  EXPECT_EQ(found("[]", {"0"}), "NULL");
  EXPECT_EQ(found("{}", {"0"}), "NULL");
  EXPECT_EQ(found("7", {"0"}), "NULL");
}

TEST(JsonText, ResolvesEscapes) {
  EXPECT_EQ(found(R"({"k\u0065y": "a\"\\\/\b\f\n\r\tz"})", {"key"}), "a\"\\/\b\f\n\r\tz");
  EXPECT_EQ(found(R"(["\u00fc\u20ac\ud83d\ude00"])", {"0"}), "ü€😀");
  EXPECT_EQ(found(R"(["\u0000"])", {"0"}), "row_rejected");
  EXPECT_EQ(found(R"(["\ud83d"])", {"0"}), "malformed");
  EXPECT_EQ(found(R"(["\ude00\ud83d"])", {"0"}), "malformed");
}

TEST(JsonText, LooksForBracketsOutsideOfStrings) {
  EXPECT_EQ(found(R"({"a": {"x": "}]\"}"}, "b": 1})", {"b"}), "1");
  EXPECT_EQ(found(R"([["],"], 2])", {"1"}), "2");
}

TEST(JsonText, RejectsAKeyOnThePathThatOccursTwice) {
  EXPECT_EQ(found(R"({"a": 1, "a": 2})", {"a"}), "row_rejected");
  EXPECT_EQ(found(R"({"a": 1, "b": 0, "b": 2})", {"a"}), "1");
}

TEST(JsonText, RefusesWhatIsNoJson) {
  for (const auto* document :
       {"", "{", "[", "{\"a\"", "{\"a\":", "{\"a\":1", "{a:1}", "[1 2]", "\"", "[\"\\", "{\"a\" 1}"})
    EXPECT_EQ(found(document, {"a"}) == "NULL" ? "malformed" : found(document, {"0"}), "malformed")
        << document;
}

TEST(JsonText, TakesArbitraryBytes) {
  constexpr std::string_view kBytes = "{}[]\":,\\u01 an\x80";
  Random random(1);
  for (int i = 0; i < 20'000; ++i) {
    std::string document;
    for (auto size = random.below(16); size > 0; --size) document += kBytes[random.below(kBytes.size())];
    (void)found(document, {"a", "0"});
  }
}

TEST(JsonText, SeesTheCharacterThatNoTextHolds) {
  EXPECT_TRUE(names_nul_character(R"({"a": "\u0000"})"));
  EXPECT_TRUE(names_nul_character(R"("\\\u0000")"));
  EXPECT_FALSE(names_nul_character(R"("\\u0000")"));
  EXPECT_FALSE(names_nul_character(R"("\u0001")"));
}

}  // namespace
}  // namespace oxbow
