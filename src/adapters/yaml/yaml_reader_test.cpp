#include "adapters/yaml/yaml_reader.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace oxbow {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

SpecNode read(std::string_view text) {
  auto node = read_yaml(text, "oxbow.yaml");
  EXPECT_TRUE(node) << node.error().detail;
  return node.value_or(SpecNode{});
}

std::string failure(std::string_view text) {
  auto node = read_yaml(text, "oxbow.yaml");
  if (node) return "no failure";
  EXPECT_EQ(node.error().code, ErrorCode::spec_unreadable);
  return node.error().detail;
}

TEST(YamlReader, KeepsOrderKindsAndPlaces) {
  auto root = read("name: payments\nlist:\n  - a\n  - {b: 1}\nnothing:\n");
  ASSERT_TRUE(root.is_map());
  ASSERT_EQ(root.entries.size(), 3u);
  EXPECT_EQ(root.find("name")->text, "payments");
  EXPECT_EQ(root.find("name")->mark, (Mark{1, 7}));
  const auto* list = root.find("list");
  ASSERT_TRUE(list->is_sequence());
  EXPECT_EQ(list->items[1].find("b")->mark, (Mark{4, 9}));
  EXPECT_TRUE(root.find("nothing")->is_null());
  EXPECT_EQ(root.entries[2].key.mark, (Mark{5, 1}));
}

TEST(YamlReader, PlacesStandBehindWideCharactersAndWindowsLineEnds) {
  auto root = read("a: 1\r\nb: {Größe: x, höhe: y}\r\n");
  EXPECT_EQ(root.find("b")->find("höhe")->mark, (Mark{2, 21}));
}

TEST(YamlReader, TellsQuotedFromPlainScalars) {
  auto root = read("a: DECIDE\nb: 'DECIDE'\nc: \"DECIDE\"\n");
  EXPECT_TRUE(is_undecided(*root.find("a")));
  EXPECT_FALSE(is_undecided(*root.find("b")));
  EXPECT_FALSE(is_undecided(*root.find("c")));
}

TEST(YamlReader, FindsTheCommentBehindAScalar) {
  auto root = read(
      "a: DECIDE  # drop it, or carry it\nb: {to: x, cast: DECIDE}   # which type?\nc: x#y\nd: z\n# other\n");
  EXPECT_EQ(root.find("a")->comment, "drop it, or carry it");
  EXPECT_EQ(root.find("b")->find("cast")->comment, "which type?");
  EXPECT_EQ(root.find("b")->find("to")->comment, "");
  EXPECT_EQ(root.find("c")->comment, "");
  EXPECT_EQ(root.find("d")->comment, "");
}

TEST(YamlReader, KeepsBothOfTwoEqualKeys) {
  EXPECT_EQ(read("a: 1\na: 2\n").entries.size(), 2u);
}

TEST(YamlReader, WritesAliasesOut) {
  auto root = read("a: &x {k: v}\nb: *x\n");
  EXPECT_EQ(root.find("b")->find("k")->text, "v");
}

TEST(YamlReader, SaysWhereTheTextIsNotYaml) {
  EXPECT_THAT(failure("a: 1\nb: [1, 2\nc: 3\n"), StartsWith("oxbow.yaml:"));
  EXPECT_THAT(failure("a: 1\n\tb: 2\n"), StartsWith("oxbow.yaml:2:"));
  EXPECT_THAT(failure("a: 'x"),
              HasSubstr("check the indentation, and that every quote and bracket is closed"));
  EXPECT_EQ(failure("a: 'it''s'\nb: 'x\nc: 1\n"), "oxbow.yaml:2:4: this quote is not closed");
  EXPECT_EQ(failure("a: \"x\\\"\n"), "oxbow.yaml:1:4: this quote is not closed");
  EXPECT_THAT(failure("a: *nowhere\n"), HasSubstr("anchor is not defined"));
}

TEST(YamlReader, RefusesWhatIsNotOneTextDocument) {
  EXPECT_EQ(failure(""), "oxbow.yaml:1:1: the file is empty");
  EXPECT_THAT(failure("a: 1\nb: \xff\n"), StartsWith("oxbow.yaml:2:4: this byte is not UTF-8"));
  EXPECT_THAT(failure(std::string_view("a\0b", 3)), StartsWith("oxbow.yaml:1:2: this byte is not UTF-8"));
  EXPECT_THAT(failure("a: 1\n---\nb: 2\n"), HasSubstr("several documents"));
  EXPECT_THAT(failure("? [a, b]\n: 1\n"), HasSubstr("a key must be a single word"));
}

TEST(YamlReader, BoundsDepthSizeAndAliases) {
  EXPECT_THAT(failure(std::string(60, '[') + std::string(60, ']')), HasSubstr("nested too deeply"));
  EXPECT_THAT(failure(std::string(5 << 20, 'a')), HasSubstr("larger than 4 MiB"));
  std::string bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n";
  for (int i = 1; i < 9; ++i) {
    bomb += fmt::format("a{}: &a{} [", i, i);
    for (int k = 0; k < 9; ++k) bomb += fmt::format("{}*a{}", k == 0 ? "" : ",", i - 1);
    bomb += "]\n";
  }
  EXPECT_THAT(failure(bomb), HasSubstr("more values than a spec can need"));
  EXPECT_THAT(failure("a: &x [*x]\n"), HasSubstr("oxbow.yaml:1:8"));
}

}  // namespace
}  // namespace oxbow
