#include "core/evidence/field_book.hpp"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace oxbow {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::Field;
using testing::IsEmpty;
using testing::SizeIs;

using Differences = std::vector<FieldDifference>;

constexpr FieldDifference kPrice = {"$.price", "value"};
constexpr FieldDifference kUpdated = {"$.updated_at", "value"};

class Book : public testing::Test {
 protected:
  // The same request so often, with a twin if it is given.
  void record(const Differences& differences, std::optional<Differences> twin = {}, int times = 1) {
    ComparedRequest request{.route = "GET /a", .differences = differences};
    if (twin) request.twin_differences = *twin;
    for (int i = 0; i < times; ++i) book.record(request);
  }

  FieldReport only_field() {
    auto fields = book.report(rules).fields;
    EXPECT_THAT(fields, SizeIs(1));
    return fields.empty() ? FieldReport{} : fields.front();
  }
  FieldVerdict verdict() { return only_field().verdict; }
  RouteReport route() { return book.report(rules).routes.at(0); }

  FieldBook book;
  VerdictRules rules;
};

TEST_F(Book, ARouteWithoutDifferencesIsCleanAfterEnoughRequests) {
  record({}, {}, 299);
  EXPECT_EQ(route().state, FieldState::undetermined);
  EXPECT_EQ(route().needs_more, 1u);
  record({});
  EXPECT_EQ(route().state, FieldState::clean);
  EXPECT_THAT(book.report(rules).fields, IsEmpty());
}

TEST_F(Book, AFieldThatDiffersManyTimesInOneAnswerCountsOnce) {
  record({kPrice, kPrice, kPrice}, Differences{kPrice, kPrice});
  EXPECT_EQ(only_field().counts, (FieldCounts{.compared = 1, .differed = 1, .twins = 1, .twin_differed = 1}));
}

TEST_F(Book, OnlyPairsInWhichOneOfTheTwoDiffersAreEvidence) {
  record({kPrice}, Differences{}, 3);
  record({}, Differences{kPrice}, 2);
  record({kPrice}, Differences{kPrice}, 5);
  record({kPrice}, {}, 7);
  record({}, {}, 11);
  auto counts = only_field().counts;
  EXPECT_EQ(
      counts,
      (FieldCounts{
          .compared = 28, .differed = 15, .twins = 10, .twin_differed = 7, .only_new = 3, .only_twin = 2}));
  EXPECT_EQ(counts.ties(), 5u);
}

TEST_F(Book, WithoutTwinsADifferenceStaysUndetermined) {
  record({kPrice}, {}, 10'000);
  EXPECT_EQ(verdict().state, FieldState::undetermined);
  EXPECT_EQ(verdict().needs_more, 300u);
}

TEST_F(Book, ADeterministicFieldDiffersOnceItsTwinsWouldHaveShownNoiseThatIsAsFrequent) {
  record({}, Differences{}, 300);
  record({kPrice});
  EXPECT_EQ(verdict().state, FieldState::undetermined)
      << "legacy may say another thing once in 300 times, too";
  EXPECT_GT(verdict().needs_more, 0u);
  record({kPrice}, {}, 8);
  EXPECT_EQ(verdict().state, FieldState::difference);
  EXPECT_TRUE(verdict().by_budget);
  EXPECT_EQ(verdict().noise_rate_max, 0.01);
}

TEST_F(Book, FewTwinsAmongManyRequestsSayLittle) {
  record({}, Differences{}, 306);
  record({}, {}, 6200);
  record({kPrice}, {}, 4);
  EXPECT_EQ(verdict().state, FieldState::undetermined);
}

TEST_F(Book, ABudgetAllowsDifferencesInADeterministicField) {
  rules.mismatch_budget = 2;
  record({}, Differences{}, 300);
  record({kPrice}, {}, 2);
  EXPECT_EQ(verdict().state, FieldState::clean);
  record({kPrice}, {}, 9);
  EXPECT_EQ(verdict().state, FieldState::difference);
}

TEST_F(Book, WhatLegacyChangesAsOftenIsNoise) {
  for (int i = 0; i < 2000; ++i) {
    Differences differences, twin;
    if (i % 100 != 1) differences.push_back(kUpdated);
    if (i % 100 != 2) twin.push_back(kUpdated);
    record(differences, twin);
  }
  EXPECT_EQ(verdict().state, FieldState::noise);
  EXPECT_DOUBLE_EQ(verdict().noise_rate, 0.99);
  EXPECT_EQ(route().state, FieldState::noise);
}

TEST_F(Book, ARegressionOnTopOfNoiseIsADifference) {
  for (int i = 0; i < 8000; ++i) {
    Differences differences, twin;
    if (i % 4 == 0 || i % 20 == 1) differences.push_back(kUpdated);
    if (i % 4 == 2) twin.push_back(kUpdated);
    record(differences, twin);
  }
  EXPECT_EQ(verdict().state, FieldState::difference);
  EXPECT_FALSE(verdict().by_budget);
  EXPECT_GT(verdict().log_e, 4.6);
  EXPECT_DOUBLE_EQ(verdict().rate, 0.30);
  EXPECT_LT(verdict().rate_interval.low, 0.30);
  EXPECT_GT(verdict().rate_interval.high, 0.30);
}

TEST_F(Book, AMissingMemberIsNotExcusedByItsNoisyValue) {
  Differences missing{{"$.updated_at", "missing"}};
  record(missing, Differences{kUpdated}, 400);
  auto report = book.report(rules);
  ASSERT_THAT(report.fields, SizeIs(2));
  EXPECT_EQ(report.fields[0].kind, "missing");
  EXPECT_EQ(report.fields[0].verdict.state, FieldState::difference);
}

TEST_F(Book, LittleNoiseIsUndeterminedAndSaysHowManyTwinsAreMissing) {
  record({kUpdated}, Differences{}, 2);
  record({}, Differences{kUpdated}, 2);
  record({}, Differences{}, 96);
  auto early = verdict();
  EXPECT_EQ(early.state, FieldState::undetermined);
  ASSERT_GT(early.needs_more, 0u);
  // Going on as it was, that many more are enough.
  for (std::uint64_t more = 0; more < early.needs_more; more += 100) {
    record({kUpdated}, Differences{}, 2);
    record({}, Differences{kUpdated}, 2);
    record({}, Differences{}, 96);
  }
  EXPECT_EQ(verdict().state, FieldState::noise);
}

TEST_F(Book, ANewVersionForgetsWhatWasNoise) {
  record({kUpdated}, Differences{kUpdated}, 1000);
  ASSERT_EQ(verdict().state, FieldState::noise);
  book.begin_anew("GET /a");
  record({kUpdated}, Differences{kUpdated});
  EXPECT_EQ(verdict().state, FieldState::undetermined);
  EXPECT_EQ(only_field().counts.compared, 1u);
}

TEST_F(Book, OneRouteBeginsAnewAndTheOthersGoOn) {
  record({kPrice}, Differences{}, 400);
  book.record({.route = "GET /b"});
  book.begin_anew("GET /b");
  book.begin_anew("GET /c");
  EXPECT_THAT(book.report(rules).routes, ElementsAre(Field(&RouteReport::route, "GET /a")));
  EXPECT_EQ(verdict().state, FieldState::difference);
}

TEST_F(Book, WhatTheComparisonDoesNotTellKeepsTheRouteUndetermined) {
  record({}, Differences{}, 1000);
  EXPECT_EQ(route().state, FieldState::clean);
  book.record({.route = "GET /a", .differences_untold = 7});
  EXPECT_EQ(route().differences_untracked, 7u);
  EXPECT_EQ(route().state, FieldState::undetermined);
}

TEST_F(Book, FieldsWithoutRoomAreCountedAndKeepTheRouteUndetermined) {
  for (std::size_t i = 0; i < FieldBook::kFieldsPerRouteMax + 10; ++i) {
    auto path = fmt::format("$.by_id.{}", i);
    record({{path, "value"}}, Differences{});
  }
  record({}, Differences{}, 1000);
  EXPECT_EQ(route().differences_untracked, 10u);
  EXPECT_THAT(book.report(rules).fields, SizeIs(FieldBook::kFieldsPerRouteMax));
  rules.mismatch_budget = 1;
  EXPECT_EQ(route().state, FieldState::undetermined);
}

TEST_F(Book, AFrequentFieldGetsAVerdictHoweverManyRareOnesCameBeforeIt) {
  for (std::size_t i = 0; i < FieldBook::kFieldsPerRouteMax; ++i) {
    auto path = fmt::format("$.by_id.{}", i);
    record({{path, "value"}}, Differences{});
  }
  record({kPrice}, Differences{}, 400);
  auto fields = book.report(rules).fields;
  EXPECT_THAT(fields, SizeIs(FieldBook::kFieldsPerRouteMax));
  auto price = std::ranges::find(fields, kPrice.path, &FieldReport::path);
  ASSERT_NE(price, fields.end());
  EXPECT_EQ(price->verdict.state, FieldState::difference);
  EXPECT_EQ(price->counts.differed, price->counts.compared) << "counted since it came in";
  EXPECT_EQ(price->counts.twins, price->counts.compared);
  EXPECT_EQ(price->counts.only_new, price->counts.compared);
  EXPECT_GT(price->counts.compared, 390u);
  EXPECT_EQ(route().state, FieldState::difference);
  EXPECT_GT(route().differences_untracked, 0u);
}

TEST_F(Book, WhatWasFrequentLongAgoMakesRoomForWhatIsFrequentNow) {
  for (std::size_t i = 0; i < FieldBook::kFieldsPerRouteMax; ++i) {
    auto path = fmt::format("$.by_id.{}", i);
    record({{path, "value"}}, Differences{}, 600);
  }
  record({kPrice}, Differences{}, 20'000);
  auto fields = book.report(rules).fields;
  auto price = std::ranges::find(fields, kPrice.path, &FieldReport::path);
  ASSERT_NE(price, fields.end());
  EXPECT_EQ(price->verdict.state, FieldState::difference);
}

TEST_F(Book, NamesThatALaterSpecHidesAreForgotten) {
  record({{"$.by_iban.DE1.n", "value"}}, Differences{});
  book.hide("GET /a", Redactor({"$.other"}));
  EXPECT_THAT(book.report(rules).fields, SizeIs(1));
  book.hide("GET /a", Redactor({"$.by_iban"}));
  EXPECT_THAT(book.report(rules).fields, SizeIs(0));
}

TEST_F(Book, WhatLegacyAloneChangesFindsRoomAsWell) {
  for (std::size_t i = 0; i < FieldBook::kFieldsPerRouteMax; ++i) {
    auto path = fmt::format("$.by_id.{}", i);
    record({{path, "value"}}, Differences{});
  }
  record({}, Differences{kUpdated}, 100);
  auto fields = book.report(rules).fields;
  auto updated = std::ranges::find(fields, kUpdated.path, &FieldReport::path);
  ASSERT_NE(updated, fields.end());
  EXPECT_GT(updated->counts.only_twin, 90u);
  EXPECT_EQ(updated->counts.differed, 0u);
}

// One of many that were looked at is conspicuous by chance, although the others are not there any more.
TEST_F(Book, AFieldNeedsMoreEvidenceWhereOthersGaveWay) {
  constexpr std::size_t kFields = FieldBook::kFieldsPerRouteMax;
  for (std::size_t i = 0; i < kFields; ++i) {
    auto before = fmt::format("$.by_id.{}", i);
    record({{before, "value"}}, Differences{});
  }
  for (std::size_t i = 0; i < kFields; ++i) {
    auto path = fmt::format("$.by_name.{}", i);
    record({{path, "value"}}, Differences{}, 3);
  }
  auto price = [&] {
    auto fields = book.report(rules).fields;
    auto found = std::ranges::find(fields, kPrice.path, &FieldReport::path);
    return found == fields.end() ? FieldVerdict{} : found->verdict;
  };
  auto enough = [](std::size_t fields) { return std::log(static_cast<double>(fields) / 0.01); };
  while (price().log_e < enough(kFields)) record({kPrice}, Differences{});
  ASSERT_LT(price().log_e, enough(2 * kFields - 10));
  EXPECT_EQ(price().state, FieldState::undetermined);
  record({kPrice}, Differences{}, 2);
  EXPECT_EQ(price().state, FieldState::difference);
}

TEST_F(Book, ARareFieldDisplacesNone) {
  record({kPrice}, Differences{}, 2);
  for (std::size_t i = 1; i < FieldBook::kFieldsPerRouteMax; ++i) {
    auto path = fmt::format("$.by_id.{}", i);
    record({{path, "value"}}, Differences{}, 2);
  }
  for (int i = 0; i < 1000; ++i) {
    auto path = fmt::format("$.by_name.{}", i);
    record({{path, "value"}}, Differences{});
  }
  EXPECT_EQ(route().differences_untracked, 1000u);
  EXPECT_EQ(book.report(rules).fields[0].path, kPrice.path);
}

TEST_F(Book, EndlessPathsAreBoundedAndToldApart) {
  std::string one = "$." + std::string(100'000, 'x') + "1";
  std::string other = "$." + std::string(100'000, 'x') + "2";
  record({{one, "value"}});
  record({{other, "value"}});
  record({{other, "value"}});
  auto fields = book.report(rules).fields;
  ASSERT_THAT(fields, SizeIs(2));
  EXPECT_LE(fields[0].path.size(), FieldBook::kPathBytesMax);
  EXPECT_EQ(fields[0].counts.differed, 1u);
  EXPECT_EQ(fields[1].counts.differed, 2u);
}

TEST_F(Book, RoutesAreKeptApart) {
  book.record({.route = "GET /b", .differences = {}});
  record({kPrice}, Differences{}, 400);
  auto report = book.report(rules);
  EXPECT_THAT(report.routes,
              ElementsAre(Field(&RouteReport::compared, 400u), Field(&RouteReport::compared, 1u)));
  EXPECT_THAT(report.fields, Each(Field(&FieldReport::route, "GET /a")));
}

TEST(Counts, AreSaidInWords) {
  EXPECT_EQ(describe_counts({.compared = 9800, .differed = 9412, .twins = 1200, .twin_differed = 1164}),
            "differs in 9,412 of 9,800 requests, and legacy asked twice in 97 % of 1,200");
  EXPECT_EQ(describe_counts({.compared = 10, .differed = 1, .twins = 5}),
            "differs in 1 of 10 requests; legacy asked twice never differed in 5 requests");
  EXPECT_EQ(describe_counts({.compared = 10, .differed = 1}),
            "differs in 1 of 10 requests; legacy was not asked twice");
}

}  // namespace
}  // namespace oxbow
