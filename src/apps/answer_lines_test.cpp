#include "apps/answer_lines.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apps/grid.hpp"

namespace oxbow {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

const Paint kPlain(false);
const Paint kColour(true);

TEST(AnswerLines, JsonHasOneValueOnALineAndMembersByName) {
  EXPECT_THAT(answer_lines(R"({"id":7,"tags":["a,b",{}],"o":{"x":[ ],"n":1.50}})"),
              ElementsAre("{", "  \"id\": 7,", "  \"o\": {", "    \"n\": 1.50,", "    \"x\": []", "  },",
                          "  \"tags\": [", "    \"a,b\",", "    {}", "  ]", "}"));
}

TEST(AnswerLines, JsonThatWasCutOrIsNoneHasLinesToo) {
  EXPECT_THAT(answer_lines("{\"a\":[1,…"), ElementsAre("{", "  \"a\": [", "    1,", "    …"));
  EXPECT_THAT(answer_lines("{\"a\\"), ElementsAre("{", "  \"a\\"));
  EXPECT_THAT(answer_lines("[\""), ElementsAre("[", "  \""));
  EXPECT_THAT(answer_lines("{\"a\":}"), ElementsAre("{", "  \"a\": ", "}"));
  EXPECT_THAT(answer_lines("{:x}{1}"), ElementsAre("{", "  :x", "}", "{", "  1", "}"));
  EXPECT_THAT(answer_lines(std::string(10'000, '[')), SizeIs(101));
  EXPECT_THAT(answer_lines("]}"), ElementsAre("]}"));
  EXPECT_THAT(answer_lines(""), IsEmpty());
}

TEST(AnswerLines, OtherTextKeepsItsLines) {
  EXPECT_THAT(answer_lines("one\r\n\ntwo"), ElementsAre("one", "", "two"));
}

TEST(AnswerLines, NothingReachesTheTerminalThatItWouldObey) {
  EXPECT_THAT(answer_lines("a\x1b[2Jb\tc\x7f"), ElementsAre("a\\x1b[2Jb  c\\x7f"));
  EXPECT_THAT(answer_lines("[\"\x1b[2J\"]"), ElementsAre("[", "  \"\\x1b[2J\"", "]"));
  EXPECT_THAT(answer_lines("a\u009b31m\u0080\u009f\u00a0é"), ElementsAre("a\\x9b31m\\x80\\x9f\u00a0é"));
  EXPECT_THAT(answer_lines("\xc2"), ElementsAre("\xc2"));
}

TEST(AnswerLines, HaveAnEnd) {
  EXPECT_THAT(answer_lines(std::string(100'000, '\n')), SizeIs(2000));
}

const AnswerSheet kLegacy = {"legacy 200", {"{", "  \"a\": 1,", "  \"b\": 2,", "  \"c\": 3", "}"}};
const AnswerSheet kNew = {"new 200", {"{", "  \"a\": 1,", "  \"b\": 20,", "  \"x\": 0,", "  \"c\": 3", "}"}};

TEST(SideBySide, PutsWhatBelongsTogetherOnOneRow) {
  EXPECT_EQ(side_by_side(kLegacy, kNew, 43, kPlain),
            "legacy 200             new 200\n"
            "{                      {\n"
            "  \"a\": 1,                \"a\": 1,\n"
            "  \"b\": 2,            |   \"b\": 20,\n"
            "                     >   \"x\": 0,\n"
            "  \"c\": 3                 \"c\": 3\n"
            "}                      }\n");
}

TEST(SideBySide, LongLinesGoOnBelow) {
  AnswerSheet one{"l", {"12345678901234567890abc"}}, other{"n", {"x"}};
  EXPECT_EQ(side_by_side(one, other, 43, kPlain),
            "l                      n\n"
            "12345678901234567890 | x\n"
            "abc                  |\n");
}

TEST(SideBySide, CountsCharactersAndNotBytes) {
  AnswerSheet one{"l", {"äöü"}}, other{"n", {"x"}};
  EXPECT_EQ(side_by_side(one, other, 23, kPlain), "l            n\näöü        | x\n");
}

TEST(Unified, ShowsWhatWasTakenAwayBeforeWhatWasAdded) {
  EXPECT_EQ(unified(kLegacy, kNew, kPlain),
            "--- legacy 200\n"
            "+++ new 200\n"
            "  {\n"
            "    \"a\": 1,\n"
            "-   \"b\": 2,\n"
            "+   \"b\": 20,\n"
            "+   \"x\": 0,\n"
            "    \"c\": 3\n"
            "  }\n");
}

TEST(Unified, LeavesOutEqualLinesFarFromADifference) {
  AnswerSheet one{"l", {}}, other{"n", {}};
  for (int i = 0; i < 20; ++i) one.lines.push_back(std::to_string(i));
  other.lines = one.lines;
  other.lines[10] = "ten";
  EXPECT_EQ(unified(one, other, kPlain),
            "--- l\n+++ n\n(7 equal lines)\n  7\n  8\n  9\n- 10\n+ ten\n  11\n  12\n  13\n(6 equal lines)\n");
}

TEST(Unified, ACommaBehindTheLastMemberIsNoDifference) {
  EXPECT_EQ(unified({"l", answer_lines("{\"a\":1}")}, {"n", answer_lines("{\"b\":2,\"a\":1}")}, kPlain),
            "--- l\n+++ n\n  {\n    \"a\": 1\n+   \"b\": 2\n  }\n");
}

TEST(Unified, EqualAnswersAreOneLine) {
  EXPECT_EQ(unified(kLegacy, {"new 200", kLegacy.lines}, kPlain),
            "--- legacy 200\n+++ new 200\n(5 equal lines)\n");
}

TEST(Colour, IsThereOnlyWhereItIsWanted) {
  EXPECT_THAT(unified(kLegacy, kNew, kColour),
              HasSubstr("\x1b[31m-   \"b\": 2,\x1b[0m\n\x1b[32m+   \"b\": 20,\x1b[0m"));
  EXPECT_THAT(side_by_side(kLegacy, kNew, 43, kColour),
              HasSubstr("\x1b[31m  \"b\": 2,           \x1b[0m | \x1b[32m"));
  EXPECT_THAT(unified(kLegacy, kNew, kPlain), Not(HasSubstr("\x1b")));
}

TEST(GridOfCells, AlignsByCharacters) {
  Grid grid({"name", "x"});
  grid.add({{"äö"}, {"1"}});
  grid.add({{"longer"}, {""}});
  EXPECT_EQ(grid.to_string(kPlain), "name    x\näö      1\nlonger\n");
}

}  // namespace
}  // namespace oxbow
