#include "core/evidence/shown_text.hpp"

#include <gtest/gtest.h>

namespace oxbow {
namespace {

TEST(ShownText, IsCutBetweenCharacters) {
  EXPECT_EQ(cut_at_character("abcäö", 4), "abc");
  EXPECT_EQ(cut_at_character("abcäö", 5), "abcä");
  EXPECT_EQ(cut_at_character("😀😀", 7), "😀");
  EXPECT_EQ(cut_at_character("abc", 3), "abc");
  EXPECT_EQ(cut_at_character("ä", 1), "");
  EXPECT_EQ(cut_at_character(std::string(10, '\x80'), 8).size(), 5u) << "no text at all";
}

TEST(ShownText, WhatIsUtf8StaysAsItIs) {
  std::string text("a\0ä€😀\n", 12);
  EXPECT_EQ(as_utf8(text), text);
}

TEST(ShownText, EveryByteThatIsNotIsReplaced) {
  constexpr const char* kMark = "\xef\xbf\xbd";
  EXPECT_EQ(as_utf8("a\xff z"), std::string("a") + kMark + " z");
  EXPECT_EQ(as_utf8("\xc3"), kMark);
  for (const char* odd :
       {"\xc0\xaf", "\xed\xa0\x80", "\xe0\x80\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80"}) {
    std::string expected;
    for (std::size_t i = 0; i < std::string_view(odd).size(); ++i) expected += kMark;
    EXPECT_EQ(as_utf8(odd), expected);
  }
}

}  // namespace
}  // namespace oxbow
