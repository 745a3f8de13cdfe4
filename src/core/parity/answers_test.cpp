#include "core/parity/answers.hpp"

#include <fmt/format.h>
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

TEST(CompareAnswers, CountsWhatItDoesNotTell) {
  auto zeros = "[" + list(10'000, [](int) { return std::string("0"); }) + "]";
  auto ones = "[" + list(10'000, [](int) { return std::string("1"); }) + "]";
  auto found = compare(zeros, ones);
  EXPECT_EQ(found.difference_count, 10'000u);
  EXPECT_EQ(found.differences.size(), ParityLimits().differences_max);
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
