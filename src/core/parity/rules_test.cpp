#include "core/parity/rules.hpp"

#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/parity/instant_reader.hpp"
#include "core/parity/mapping_rules.hpp"
#include "core/parity/ruled_scalar.hpp"
#include "core/spec/answer_path.hpp"

namespace oxbow {
namespace {

using Kind = CompareRule::Kind;

CompareRule at(std::string path, Kind kind) {
  return {.kind = kind, .path = std::move(path)};
}

std::string wrong(CompareRule rule) {
  rule.mark = {12, 7};
  auto compiled = CompareRules::compile(std::span(&rule, 1));
  if (compiled) return "";
  EXPECT_EQ(compiled.error().front().mark, (Mark{12, 7}));
  return compiled.error().front().sentence;
}

// The paths of those of `patterns` that hold at `place`.
std::string holding(const std::vector<std::string>& patterns, const std::vector<PathPart>& place) {
  std::vector<CompareRule> rules;
  for (const auto& each : patterns) rules.push_back(at(each, Kind::ignore));
  auto compiled = CompareRules::compile(rules);
  EXPECT_TRUE(compiled);
  CompareRules::Stack stack;
  auto here = compiled->at_root(stack);
  for (const auto& part : place)
    here = part.kind == PathPart::Kind::element ? compiled->at_element(stack, here)
                                                : compiled->at_member(stack, here, part.name);
  std::vector<std::string> found;
  compiled->for_each(stack, here, [&](const ReadyRule& each) { found.push_back(each.rule.path); });
  return fmt::format("{}", fmt::join(found, " "));
}

TEST(RulePath, IsReadPartByPart) {
  using enum PathPart::Kind;
  EXPECT_EQ(parse_answer_path("$"), std::vector<PathPart>());
  EXPECT_EQ(parse_answer_path("$.items[*].price"),
            (std::vector<PathPart>{{member, "items"}, {element, ""}, {member, "price"}}));
  EXPECT_EQ(parse_answer_path("$..id"), (std::vector<PathPart>{{descend, ""}, {member, "id"}}));
  EXPECT_EQ(parse_answer_path("$..[*].*"),
            (std::vector<PathPart>{{descend, ""}, {element, ""}, {any_member, ""}}));
  EXPECT_EQ(parse_answer_path(R"($["a.b"]['c"d'].é)"),
            (std::vector<PathPart>{{member, "a.b"}, {member, "c\"d"}, {member, "é"}}));
  for (std::string_view bad :
       {"", "items", "$.", "$..", "$items", "$[3]", "$.a[", "$[\"a\"", "$.a.*b", "$...a"})
    EXPECT_FALSE(parse_answer_path(bad)) << bad;
}

TEST(RulePath, StepIsReadBack) {
  for (std::string_view name :
       {"price", "a.b", "", "a\"b\\", "é", "x y", "*", "$ref", "4711", "a\tb", "a?b"}) {
    std::string path = "$";
    append_path_step(name, path);
    auto parts = parse_answer_path(path);
    ASSERT_TRUE(parts) << name;
    EXPECT_EQ(parts->front().name, name);
  }
}

TEST(CompareRules, HoldWhereTheirPathLeads) {
  std::vector<std::string> all = {"$.items[*].price", "$.*[*].price", "$..price", "$.items", "$..*"};
  PathPart items{PathPart::Kind::member, "items"}, element{PathPart::Kind::element, ""},
      price{PathPart::Kind::member, "price"}, other{PathPart::Kind::member, "other"};
  EXPECT_EQ(holding(all, {}), "");
  EXPECT_EQ(holding(all, {items}), "$.items $..*");
  EXPECT_EQ(holding(all, {items, element, price}), "$.items[*].price $.*[*].price $..price $..*");
  EXPECT_EQ(holding(all, {other, element, price}), "$.*[*].price $..price $..*");
  EXPECT_EQ(holding(all, {other, other, other, price}), "$..price $..*");
  EXPECT_EQ(holding(all, {price}), "$..price $..*");
  EXPECT_EQ(holding({"$.a"}, {items, price}), "");
}

TEST(CompareRules, SayWhatIsWrongWithARule) {
  EXPECT_EQ(wrong(at("price", Kind::ignore)),
            "the path 'price' is not understood: a path begins with '$', the whole body");
  EXPECT_EQ(
      wrong(at("$.items[0]", Kind::ignore)),
      "the path '$.items[0]' is not understood: '[0]' is none of .name, .*, ..name, [*] and [\"any name\"]");
  EXPECT_EQ(wrong({.kind = Kind::ignore}), "a rule has either a path or a header");
  EXPECT_EQ(wrong({.kind = Kind::keyed, .header = "ETag"}), "keyed is for paths, and a header has one value");
  EXPECT_EQ(wrong(at("$.a", Kind::keyed)), "a keyed array needs the members that tell its elements apart");
  EXPECT_EQ(wrong(at("$.a", Kind::tolerance)), "a tolerance needs an absolute or a relative figure");
  EXPECT_EQ(wrong({.kind = Kind::tolerance, .path = "$", .absolute = "1,5"}),
            "the absolute tolerance '1,5' is not a number such as 0.01");
  EXPECT_EQ(wrong({.kind = Kind::tolerance, .path = "$", .relative = "-1"}),
            "the relative tolerance -1 is below zero");
  EXPECT_EQ(wrong({.kind = Kind::scale, .path = "$.a", .factor = "0"}), "a scale needs a factor above zero");
  EXPECT_EQ(wrong(at("$.a", Kind::time_skew)), "a time skew is longer than nothing");
  EXPECT_EQ(wrong({.kind = Kind::same_class, .path = "$.a", .classes = {"(a"}}),
            "the regular expression '(a' is not understood: missing ): (a");
  EXPECT_EQ(wrong({.kind = Kind::map, .path = "$.a", .map = {{"A", "x"}, {"A", "y"}}}),
            "the map has two values for 'A'");
  EXPECT_EQ(wrong({.kind = Kind::rename, .path = "$.a"}), "a rename needs the member's name on the new side");
  EXPECT_EQ(wrong({.kind = Kind::rename, .path = "$.a[*]", .to = "b"}),
            "a rename needs one member at the end of its path, and '$.a[*]' has none");
}

TEST(CompareRules, RefuseTwoThatContradictEachOther) {
  std::vector<CompareRule> rules = {{.kind = Kind::unordered, .path = "$.a", .mark = {12, 7}},
                                    {.kind = Kind::keyed, .path = "$.a", .keys = {"id"}}};
  auto compiled = CompareRules::compile(rules);
  ASSERT_FALSE(compiled);
  EXPECT_EQ(compiled.error().front().sentence,
            "'$.a' has a rule unordered already (line 12), which keyed contradicts");
}

TEST(CompareRules, SayEverythingThatIsWrongAtOnce) {
  std::vector<CompareRule> rules = {at("a", Kind::ignore), at("$.b", Kind::ignore), at("c", Kind::ignore)};
  EXPECT_EQ(CompareRules::compile(rules).error().size(), 2u);
}

TEST(Instants, AreReadAsAnswersWriteThem) {
  auto noon = read_instant_text("2026-11-21T12:00:00Z");
  ASSERT_TRUE(noon);
  for (std::string_view same :
       {"2026-11-21T13:00:00+01:00", "2026-11-21 12:00:00", "2026-11-21T12:00",
        "2026-11-21T12:00:00.000000000000Z", "2026-11-21T06:30:00-0530", "Sat, 21 Nov 2026 12:00:00 GMT"})
    EXPECT_TRUE(read_instant_text(same) == noon) << same;
  for (std::string_view same :
       {"1795262400", "1795262400.000", "1795262400000", "1.7952624e15", "1795262400000000000"})
    EXPECT_TRUE(read_instant_number(same) == noon) << same;
  EXPECT_TRUE(read_instant_text("2026-11-21") == *noon - EpochNanoseconds{43'200} * 1'000'000'000);
  EXPECT_TRUE(*read_instant_text("1969-12-31T23:59:59.5Z") == -500'000'000);
  EXPECT_TRUE(read_instant_number("-0.5") == -500'000'000);
  for (std::string_view bad :
       {"", "2026", "2026-02-30", "2026-11-21T25:00:00Z", "2026-11-21T12:00:00 Europe/Paris", "tomorrow",
        "2026-11-21T", "2026-11-21T12:00:00.Z", "Sat, 21 Nox 2026 12:00:00 GMT"})
    EXPECT_FALSE(read_instant_text(bad)) << bad;
  EXPECT_FALSE(read_instant_number("1e300"));
}

TEST(SameClass, TakesNoLongerThanTheTextIsLong) {
  CompareRule rule{.kind = Kind::same_class, .path = "$.e", .classes = {"(a*)*b"}};
  auto compiled = CompareRules::compile(std::span(&rule, 1));
  ASSERT_TRUE(compiled);
  CompareRules::Stack stack;
  const auto* ready =
      compiled->find(stack, compiled->at_member(stack, compiled->at_root(stack), "e"), Kind::same_class);
  ASSERT_NE(ready, nullptr);
  std::string evil(100'000, 'a');
  EXPECT_FALSE(same_class(*ready, evil, evil));
  EXPECT_TRUE(same_class(*ready, evil + "b", "b"));
}

TEST(MappingRules, FollowFromTheColumns) {
  TableSpec table;
  table.columns = {
      {.op = ColumnOp::rename, .legacy = {"payment_id"}, .new_side = {"id"}},
      {.op = ColumnOp::scale, .legacy = {"amount"}, .new_side = {"amount_minor"}, .argument = "100"},
      {.op = ColumnOp::map, .legacy = {"state"}, .new_side = {"state"}, .map = {{"A", "authorised"}}},
      {.op = ColumnOp::drop, .legacy = {"note"}, .why = "moved"},
      {.op = ColumnOp::use_default, .new_side = {"created_at"}},
      {.op = ColumnOp::concat, .legacy = {"first", "last"}, .new_side = {"name"}, .argument = " "}};
  table.may_differ = {{.column = "id", .until = std::chrono::year(2027) / 3 / 1},
                      {.column = "old", .until = std::chrono::year(2026) / 3 / 1}};
  std::vector<std::string> told;
  for (const auto& each : rules_from_mapping(table, "$.rows[*]", std::chrono::year(2026) / 11 / 21))
    told.push_back(fmt::format("{} {}{}{}{}", static_cast<int>(each.kind), each.path, each.to, each.factor,
                               each.map.size()));
  auto rename = static_cast<int>(Kind::rename), scale = static_cast<int>(Kind::scale),
       map = static_cast<int>(Kind::map);
  EXPECT_EQ(
      fmt::format("{}", fmt::join(told, "\n")),
      fmt::format("{0} $.rows[*].payment_idid0\n{0} $.rows[*].amountamount_minor0\n{1} $.rows[*].amount1000\n"
                  "{2} $.rows[*].state1\n0 $.rows[*].note0\n0 $.rows[*].created_at0\n0 $.rows[*].first0\n"
                  "0 $.rows[*].last0\n0 $.rows[*].name0\n0 $.rows[*].payment_id0",
                  rename, scale, map));
}

TEST(MappingRules, CompareAColumnThatIsCarriedAlthoughAnotherRuleReadsIt) {
  TableSpec table;
  table.columns = {{.op = ColumnOp::rename, .legacy = {"first"}, .new_side = {"first"}},
                   {.op = ColumnOp::scale, .legacy = {"net"}, .new_side = {"net_minor"}, .argument = "100"},
                   {.op = ColumnOp::concat, .legacy = {"first", "last"}, .new_side = {"name"}},
                   {.op = ColumnOp::sql, .legacy = {"net", "vat"}, .new_side = {"total"}}};
  std::vector<std::string> ignored;
  for (const auto& each : rules_from_mapping(table, "$", std::chrono::year(2026) / 11 / 21))
    if (each.kind == Kind::ignore) ignored.push_back(each.path);
  EXPECT_THAT(ignored, testing::ElementsAre("$.last", "$.name", "$.vat", "$.total"));
}

}  // namespace
}  // namespace oxbow
