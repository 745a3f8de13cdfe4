#include "core/parity/answers.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

namespace oxbow {
namespace {

using Verdict = AnswerComparison::Verdict;

CompareRules compiled(std::vector<CompareRule> rules) {
  auto made = CompareRules::compile(rules);
  EXPECT_TRUE(made);
  return *std::move(made);
}

AnswerComparison compare(std::string_view legacy, std::string_view new_side, const CompareRules& rules = {},
                         const ParityLimits& limits = {}) {
  return compare_answers({.body = legacy}, {.body = new_side}, rules, limits);
}

template <class Print>
std::string list(int count, Print print) {
  std::string out;
  for (int i = 0; i < count; ++i) out += (i > 0 ? "," : "") + print(i);
  return out;
}

TEST(CompareAnswers, MatchesManyMembersInAnyOrder) {
  constexpr int kMany = 50'000;
  auto forward = "{" + list(kMany, [](int i) { return fmt::format("\"m{}\":{}", i, i); }) + "}";
  auto backward = "{" + list(kMany, [](int i) { return fmt::format("\"m{0}\":{0}.0", kMany - 1 - i); }) + "}";
  EXPECT_EQ(compare(forward, backward).verdict, Verdict::equal);
  auto twice = backward.substr(0, backward.size() - 1) + ",\"m7\":7}";
  EXPECT_EQ(compare(forward, twice).skipped->reason, SkipReason::duplicate_members);
}

TEST(CompareAnswers, TellsManyNamesApartWithoutCallingThemTwice) {
  // So many names that some of their short hashes are the same.
  constexpr int kMany = 200'000;
  auto body = "{" + list(kMany, [](int i) { return fmt::format("\"{}\":0", i); }) + "}";
  EXPECT_EQ(compare(body, body + " ").verdict, Verdict::equal);
}

TEST(CompareAnswers, ReadsAgainOnlySoMuch) {
  // Members in another order on each of many levels: each level is read again.
  auto nested = [](bool turned) {
    std::string text = "0";
    for (int i = 0; i < 300; ++i)
      text = turned ? "{\"b\":1,\"a\":" + text + "}" : "{\"a\":" + text + ",\"b\":1}";
    return text;
  };
  EXPECT_EQ(compare(nested(false), nested(true), {}, {.rework_factor_max = 1'000}).verdict, Verdict::equal);
  auto stopped = compare(nested(false), nested(true), {}, {.rework_factor_max = 4});
  EXPECT_EQ(stopped.skipped->reason, SkipReason::too_costly);
}

TEST(CompareAnswers, GivesUpOnElementsThatWouldAllHaveToBeTried) {
  auto rules = compiled({{.kind = CompareRule::Kind::unordered, .path = "$"},
                         {.kind = CompareRule::Kind::tolerance, .path = "$[*].v", .absolute = "0.1"}});
  constexpr int kMany = 20'000;
  auto rows = [](int from) {
    return "[" + list(kMany, [&](int i) { return fmt::format("{{\"v\":{}}}", from + i * 2); }) + "]";
  };
  EXPECT_EQ(compare(rows(0), rows(1), rules).skipped->reason, SkipReason::too_costly);
  EXPECT_EQ(compare(rows(0), rows(0) + " ", rules).verdict, Verdict::equal);
}

TEST(CompareAnswers, FindsManyElementsWithoutTryingThem) {
  auto rules = compiled({{.kind = CompareRule::Kind::unordered, .path = "$.set"},
                         {.kind = CompareRule::Kind::keyed, .path = "$.rows", .keys = {"id"}}});
  constexpr int kMany = 20'000;
  auto body = [](bool backward) {
    auto at = [&](int i) { return backward ? kMany - 1 - i : i; };
    return fmt::format("{{\"set\":[{}],\"rows\":[{}]}}",
                       list(kMany, [&](int i) { return std::to_string(at(i)); }),
                       list(kMany, [&](int i) { return fmt::format("{{\"id\":{}}}", at(i)); }));
  };
  EXPECT_EQ(compare(body(false), body(true), rules).verdict, Verdict::equal);
}

TEST(CompareAnswers, ListsOnlySoMany) {
  auto body = [](std::string_view first) {
    return fmt::format("{{{},{}}}", first, list(100, [](int i) { return fmt::format("\"m{}\":0", i); }));
  };
  auto one = body("\"a\":1,\"b\":2"), other = body("\"b\":2,\"a\":1");
  EXPECT_EQ(compare(one, other).verdict, Verdict::equal);
  EXPECT_EQ(compare(one, other, {}, {.parts_max = 50}).skipped->reason, SkipReason::too_costly);
}

TEST(CompareAnswers, TellsWhatRepeatsOnceSoThatItHidesNothingBehindIt) {
  auto rows = [](std::string_view suffix, int total) {
    auto row = [&](int i) { return fmt::format("{{\"id{0}\":{1},\"name{0}\":{1}}}", suffix, i); };
    return fmt::format("{{\"rows\":[{}],\"total\":{}}}", list(1'000, row), total);
  };
  auto found = compare(rows("", 1), rows("_", 2));
  std::vector<std::string> told;
  for (const auto& each : found.differences) told.push_back(fmt::format("{} {}", each.path, name(each.kind)));
  EXPECT_THAT(told, testing::ElementsAre("$.rows[0].id missing", "$.rows[0].name missing",
                                         "$.rows[0].id_ extra", "$.rows[0].name_ extra", "$.total value"));
  EXPECT_EQ(found.difference_count, 4'001u);
  EXPECT_EQ(found.differences_untold, 0u);
}

TEST(CompareAnswers, TellsDifferencesOfOtherTypesAtOnePlaceApart) {
  auto found =
      compare("[1, 2, 3, \"4\", null, {\"1\": 0, \"2\": 0}]", "[5, \"2\", 6, 4, 7, {\"1\": 1, \"2\": 1}]");
  std::vector<std::string> told;
  for (const auto& each : found.differences) told.push_back(each.path);
  EXPECT_THAT(told, testing::ElementsAre("$[0]", "$[1]", "$[3]", "$[4]", "$[5].1"));
}

TEST(CompareAnswers, CountsWhatItDoesNotTell) {
  auto members = [](int value) {
    return "[" +
           list(3,
                [&](int) {
                  return "{" + list(100, [&](int i) { return fmt::format("\"m{}\":{}", i, value); }) + "}";
                }) +
           "]";
  };
  Answer legacy{.fields = {{"ETag", "1"}}}, fresh{.fields = {{"ETag", "2"}}};
  auto zeros = members(0), ones = members(1);
  legacy.body = zeros;
  fresh.body = ones;
  std::string headers[] = {"etag"};
  auto found = compare_answers(legacy, fresh, {}, {}, headers);
  EXPECT_EQ(found.difference_count, 301u);
  EXPECT_EQ(found.differences.size(), ParityLimits().differences_max);
  EXPECT_EQ(found.differences_untold, 3 * (100 - (ParityLimits().differences_max - 1)));
}

TEST(CompareAnswers, ForgetsWhatItToldOfAnArrayOfAnotherLength) {
  auto found = compare("[[1, 2, 3], [1]]", "[[2, 3], [2]]", {}, {.differences_max = 1});
  EXPECT_EQ(found.difference_count, 2u);
  EXPECT_EQ(found.differences.at(0).path, "$[0]");
  EXPECT_EQ(found.differences_untold, 1u);
}

TEST(CompareAnswers, ReadsALongNameAboveManyDifferencesOnce) {
  auto body = [name = std::string(2'000'000, 'n')](std::string_view value) {
    return fmt::format("{{\"{}\":[{}]}}", name, list(200'000, [&](int) { return std::string(value); }));
  };
  EXPECT_EQ(compare(body("0"), body("1")).difference_count, 200'000u);
}

TEST(CompareAnswers, StandsTheDeepestNestingThatIsAllowed) {
  ParityLimits limits{.depth_max = ParityLimits::kDepthMaxEver};
  auto depth = static_cast<std::size_t>(limits.depth_max);
  for (std::array<std::string_view, 2> open : {std::array<std::string_view, 2>{"[", "]"}, {"{\"a\":", "}"}}) {
    std::string text = "1";
    for (std::size_t i = 0; i < depth; ++i) text = std::string(open[0]) + text + std::string(open[1]);
    EXPECT_EQ(compare(text, text + " ", {}, limits).verdict, Verdict::equal);
    EXPECT_EQ(compare("[" + text + "]", "[" + text + "] ", {}, limits).skipped->reason, SkipReason::too_deep);
  }
}

TEST(CompareAnswers, PassesOnWhyABodyIsNotThere) {
  Answer whole{.body = "{}"}, bomb{.unreadable = SkipReason::too_large},
      zstd{.unreadable = SkipReason::content_encoding_unsupported};
  auto found = compare_answers(whole, bomb, {}, {});
  EXPECT_EQ(found.verdict, Verdict::skipped);
  EXPECT_EQ(found.skipped, (SkippedBody{.reason = SkipReason::too_large, .side = Side::new_side}));
  EXPECT_EQ(compare_answers(zstd, bomb, {}, {}).skipped,
            (SkippedBody{.reason = SkipReason::content_encoding_unsupported, .side = Side::legacy}));
  EXPECT_EQ(compare_answers(bomb, bomb, {}, {}).verdict, Verdict::skipped);
}

}  // namespace
}  // namespace oxbow
