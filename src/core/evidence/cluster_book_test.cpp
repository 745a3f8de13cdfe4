#include "core/evidence/cluster_book.hpp"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

namespace oxbow {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using Difference = DifferingPair::Difference;

constexpr Difference kPrice = {"$.items[*].price", "value", "number", "number", "12", "12.5"};
constexpr Difference kName = {"$.name", "type", "string", "null", "\"a\"", "null"};

class Clusters : public testing::Test {
 protected:
  void record(std::vector<Difference> differences, std::string route = "GET /a",
              std::string request = "GET /a/1") {
    now += 1s;
    book.record({.route = route,
                 .request = request,
                 .legacy_status = 200,
                 .new_status = 500,
                 .legacy_body = legacy_body,
                 .new_body = "{}",
                 .differences = differences,
                 .redactor = redactor},
                now);
  }

  // What changed is written to a disk.
  std::vector<DifferenceCluster> keep() {
    auto changed = book.changed();
    book.were_kept(changed);
    return changed;
  }

  std::string legacy_body = R"({"items":[{"price":12}],"password":"hunter2"})";
  WallTime now{};
  Redactor redactor;
  ClusterBook book{Random(1)};
};

TEST_F(Clusters, SameDifferencesAreOneClusterAndCountRequests) {
  record({kPrice, kPrice, kName});
  record({kPrice});
  auto list = book.list();
  ASSERT_THAT(list, SizeIs(2));
  EXPECT_EQ(list[0]->signature, (ClusterSignature{"GET /a", "$.items[*].price", "value", "number / number"}));
  EXPECT_EQ(list[0]->count, 2u);
  EXPECT_EQ(list[0]->first_seen, WallTime(1s));
  EXPECT_EQ(list[0]->last_seen, WallTime(2s));
  EXPECT_EQ(list[1]->count, 1u);
}

TEST_F(Clusters, RoutesKindsAndClassesOfValuesKeepThemApart) {
  auto as_text = kPrice;
  as_text.new_class = "string";
  auto missing = kPrice;
  missing.kind = "missing";
  record({kPrice, as_text, missing});
  record({kPrice}, "GET /b");
  EXPECT_THAT(book.list(), SizeIs(4));
}

TEST_F(Clusters, WhatANewSpecHidesIsTakenOutOfWhatWasKept) {
  record({kPrice, kName});
  record({kName}, "GET /b");
  keep();
  redactor = Redactor({"$.items[*].price"});
  book.redact_again("GET /a", redactor);
  auto changed = keep();
  ASSERT_THAT(changed, SizeIs(2)) << "of the other route nothing was said";
  for (const auto& cluster : changed) {
    EXPECT_THAT(cluster.exemplars.at(0).legacy.body, Not(HasSubstr("12")));
    EXPECT_THAT(cluster.exemplars.at(0).new_side.value, Not(HasSubstr("12.5")));
  }
  book.redact_again("GET /a", redactor);
  EXPECT_THAT(book.changed(), IsEmpty()) << "what is hidden already stays as it is";
}

TEST_F(Clusters, AnExemplarIsRedactedBeforeItIsKept) {
  auto secret = Difference{"$.access_token", "value", "string", "string", "\"abc\"", "\"def\""};
  record({secret}, "GET /a", "GET /a?api_key=0815");
  auto& kept = book.list()[0]->exemplars.at(0);
  EXPECT_EQ(kept.request, "GET /a?api_key=[redacted]");
  EXPECT_EQ(kept.legacy.value, "\"[redacted]\"");
  EXPECT_EQ(kept.new_side.value, "\"[redacted]\"");
  EXPECT_THAT(kept.legacy.body, Not(HasSubstr("hunter2")));
  EXPECT_EQ(kept.legacy.status, 200);
  EXPECT_EQ(kept.new_side.status, 500);
}

TEST_F(Clusters, NamesOfMembersThatAreDataCountTogether) {
  record({{R"($.users["bob@example.org"].name)", "value", "string", "string", "1", "2"}});
  record({{R"($.users["eve@example.org"].name)", "value", "string", "string", "1", "2"}});
  ASSERT_THAT(book.list(), SizeIs(1));
  EXPECT_EQ(book.list()[0]->signature.path, "$.users.*.name");
  EXPECT_EQ(book.list()[0]->count, 2u);
}

TEST_F(Clusters, EveryRequestHasTheSameChanceToBeAnExemplar) {
  constexpr int kRequests = 20, kRuns = 4000;
  std::map<std::string, int> kept;
  for (int run = 0; run < kRuns; ++run) {
    ClusterBook fresh{Random(static_cast<std::uint64_t>(run))};
    for (int i = 0; i < kRequests; ++i) {
      std::vector differences{kPrice};
      auto request = std::to_string(i);
      fresh.record({.route = "r", .request = request, .differences = differences, .redactor = redactor}, now);
    }
    for (const auto& each : fresh.list()[0]->exemplars) ++kept[each.request];
  }
  double expected = double{ClusterBook::kExemplarsMax} * kRuns / kRequests;
  ASSERT_THAT(kept, SizeIs(kRequests));
  for (const auto& [request, count] : kept) EXPECT_NEAR(count, expected, expected * 0.15) << request;
}

TEST_F(Clusters, TheSameSeedKeepsTheSameExemplars) {
  ClusterBook twin{Random(1)};
  for (int i = 0; i < 100; ++i) {
    std::vector differences{kPrice};
    auto request = std::to_string(i);
    for (auto* each : {&book, &twin})
      each->record({.route = "r", .request = request, .differences = differences, .redactor = redactor}, now);
  }
  EXPECT_EQ(*book.list()[0], *twin.list()[0]);
}

TEST_F(Clusters, WhatTheComparisonDoesNotTellIsCounted) {
  std::vector differences{kPrice};
  book.record({.route = "r", .differences = differences, .differences_untold = 7, .redactor = redactor}, now);
  EXPECT_EQ(book.differences_without_room(), 7u);
}

TEST_F(Clusters, WhatFindsNoRoomIsCounted) {
  for (std::size_t i = 0; i < ClusterBook::kClustersPerRouteMax + 7; ++i) {
    auto path = "$.by_id." + std::to_string(i);
    record({{path, "value", "number", "number", "1", "2"}});
  }
  EXPECT_THAT(book.list(), SizeIs(ClusterBook::kClustersPerRouteMax));
  EXPECT_EQ(book.differences_without_room(), 7u);
  record({kPrice}, "GET /b");
  EXPECT_THAT(book.list(), SizeIs(ClusterBook::kClustersPerRouteMax + 1)) << "another route has room";
}

TEST_F(Clusters, HugeAnswersAreCutToSize) {
  legacy_body = "[\"" + std::string(10'000'000, 'x') + "\"]";
  std::string path(10'000, 'p'), value(10'000, 'v'), request(10'000, 'r');
  record({{path, "value", "string", "string", value, value}}, "GET /a", request);
  const auto& cluster = *book.list()[0];
  EXPECT_LE(cluster.signature.path.size(), ClusterBook::kPathBytesMax);
  EXPECT_LE(cluster.exemplars[0].bytes(), 2 * ClusterBook::kBodyBytesMax + 2 * ClusterBook::kValueBytesMax +
                                              ClusterBook::kRequestBytesMax + 5 * 3);
}

TEST_F(Clusters, AnIdFollowsFromTheSignatureAndItsBeginningIsEnough) {
  record({kPrice, kName});
  const auto& cluster = *book.list()[0];
  EXPECT_EQ(cluster.id, cluster_id(cluster.signature));
  EXPECT_THAT(cluster.id, SizeIs(12));
  EXPECT_EQ(book.find(cluster.id.substr(0, 6)), &cluster);
  EXPECT_EQ(book.find(""), nullptr);
  EXPECT_EQ(book.find("nothing"), nullptr);
}

TEST_F(Clusters, TellsWhatChangedUntilItIsKept) {
  record({kPrice, kName});
  EXPECT_THAT(book.changed(), SizeIs(2));
  EXPECT_THAT(keep(), SizeIs(2)) << "it was not kept";
  EXPECT_THAT(book.changed(), IsEmpty());
  record({kName});
  EXPECT_THAT(book.changed(), ElementsAre(testing::Field(&DifferenceCluster::count, 2u)));
}

TEST_F(Clusters, WhatChangesWhileItIsBeingKeptHasChanged) {
  record({kPrice});
  auto being_kept = book.changed();
  book.redact_again("GET /a", Redactor({"$.items[*].price"}));
  book.were_kept(being_kept);
  ASSERT_THAT(book.changed(), SizeIs(1));
  EXPECT_THAT(book.changed()[0].exemplars.at(0).legacy.body, Not(HasSubstr("12")));
}

TEST_F(Clusters, GoOnCountingAfterARestart) {
  record({kPrice, kName});
  record({kPrice});
  ClusterBook restarted{Random(2)};
  restarted.restore(book.changed());
  EXPECT_EQ(*restarted.list()[0], *book.list()[0]);
  EXPECT_THAT(restarted.changed(), IsEmpty());
  std::vector differences{kPrice};
  restarted.record({.route = "GET /a", .differences = differences, .redactor = redactor}, now);
  EXPECT_EQ(restarted.list()[0]->count, 3u);
  EXPECT_EQ(restarted.list()[0]->first_seen, WallTime(1s));
}

TEST_F(Clusters, TheMostFrequentAreRestoredWhereNotAllHaveRoom) {
  std::vector<DifferenceCluster> many;
  for (std::uint64_t i = 1; i <= 100; ++i)
    many.push_back({.signature = {"GET /a", "$." + std::to_string(i), "value", "x"}, .count = i});
  book.restore(many);
  ASSERT_THAT(book.list(), SizeIs(ClusterBook::kClustersPerRouteMax));
  EXPECT_EQ(book.list().back()->count, 100 - ClusterBook::kClustersPerRouteMax + 1);
}

TEST_F(Clusters, ARouteThatBeginsAnewCountsItsRequestsAnewAndKeepsItsExamples) {
  for (int i = 0; i < 3; ++i) record({kPrice});
  book.begin_anew("GET /a");
  for (int i = 0; i < 2; ++i) record({kPrice}, "GET /b");
  record({kPrice});
  auto list = book.list();
  ASSERT_THAT(list, SizeIs(2));
  EXPECT_EQ(list[0]->signature.route, "GET /b");
  EXPECT_EQ(list[1]->count_now(), 1u);
  EXPECT_THAT(list[1]->exemplars, SizeIs(4));
}

// A difference of a name that no other request has.
std::string unique_path(int number) {
  return "$.by_user.u" + std::to_string(number);
}
Difference unlike(const std::string& path) {
  return {path, "value", "number", "number", "1", "2"};
}

class FullBook : public Clusters {
 protected:
  // `count` requests, each with a difference of its own, together with `common`.
  void record_unique(int count, const std::string& route, const std::vector<Difference>& common = {}) {
    for (int i = 0; i < count; ++i) {
      auto path = unique_path(next_++);
      auto differences = common;
      differences.push_back(unlike(path));
      record(differences, route);
    }
  }

  // One request with 31 differences that no other has, and these.
  void record_with_rare(int request, std::vector<Difference> differences = {}) {
    std::vector<std::string> paths;
    for (int i = 0; i < 31; ++i) paths.push_back(fmt::format("$.by_user.r{}_{}", request, i));
    for (const auto& path : paths) differences.push_back(unlike(path));
    record(differences);
  }

  std::size_t listed(std::string_view route) const {
    return static_cast<std::size_t>(
        std::ranges::count_if(book.list(), [&](auto* each) { return each->signature.route == route; }));
  }

  const DifferenceCluster* price() const {
    for (const auto* each : book.list())
      if (each->signature.path == kPrice.path) return each;
    return nullptr;
  }

 private:
  int next_ = 0;
};

TEST_F(FullBook, WhatIsFrequentComesInHoweverManyRareOnesThereAre) {
  record_unique(500, "GET /a");
  record_unique(200, "GET /a", {kPrice});
  ASSERT_NE(price(), nullptr);
  EXPECT_EQ(price()->count, 198u) << "it came in with its third request and never gave way";
  EXPECT_EQ(book.list()[0], price());
  EXPECT_EQ(book.differences_without_room(), 900u - 198 - (ClusterBook::kClustersPerRouteMax - 1));
}

TEST_F(FullBook, WhatIsFrequentComesInAlthoughEachRequestBringsAsManyRareOnesAsAreTold) {
  for (int request = 0; request < 2000; ++request)
    record_with_rare(request, request % 10 == 9 ? std::vector{kPrice} : std::vector<Difference>{});
  ASSERT_NE(price(), nullptr);
  EXPECT_GT(price()->count, 180u) << "of 200";
  EXPECT_EQ(book.list()[0], price());
}

TEST_F(FullBook, WhatComesInLateStaysAlthoughItIsRarerThanTheRoomIsSmall) {
  for (int request = 0; request < 1000; ++request) record_with_rare(request);
  for (int request = 1000; request < 4000; ++request)
    record_with_rare(request, request % 50 == 0 ? std::vector{kPrice} : std::vector<Difference>{});
  ASSERT_NE(price(), nullptr);
  EXPECT_GT(price()->count, 40u) << "of 60";
}

TEST_F(FullBook, ARequestCountsOnceForWhatHasNoRoomHoweverOftenItShowsIt) {
  record_unique(64, "GET /a");
  for (int request = 0; request < 2; ++request) record({kPrice, kPrice, kPrice});
  EXPECT_EQ(price(), nullptr);
  EXPECT_EQ(book.differences_without_room(), 2u);
}

TEST_F(FullBook, WhatWasFrequentOnceDoesNotKeepOthersOutForEver) {
  std::vector<std::string> paths;
  for (int i = 0; i < 64; ++i) paths.push_back("$.old" + std::to_string(i));
  std::vector<Difference> old;
  for (const auto& path : paths) old.push_back(unlike(path));
  for (int i = 0; i < 20'000; ++i) record(old);
  record_unique(10'000, "GET /a", {kPrice});
  ASSERT_NE(price(), nullptr);
  EXPECT_GT(price()->count, 5'000u);
}

TEST_F(FullBook, OfThoseThatAreAsFrequentNoneDisplacesAnother) {
  std::vector<std::string> paths;
  for (int i = 0; i < 128; ++i) paths.push_back("$.f" + std::to_string(i));
  for (int i = 0; i < 12'800; ++i) record({unlike(paths[static_cast<std::size_t>(i * 37 % 128)])});
  EXPECT_EQ(book.clusters_gone(), 0u);
  for (const auto* each : book.list()) EXPECT_EQ(each->count, 100u);
}

TEST_F(FullBook, ARouteThatHasFewTakesRoomFromThatWhichHasMost) {
  for (auto route : {"GET /a", "GET /b", "GET /c", "GET /d"}) record_unique(64, route);
  ASSERT_THAT(book.list(), SizeIs(ClusterBook::kClustersMax));
  record({kPrice}, "GET /e");
  EXPECT_EQ(listed("GET /e"), 1u);
  EXPECT_THAT(book.list(), SizeIs(ClusterBook::kClustersMax));
  record_unique(1000, "GET /e", {kPrice});
  for (auto route : {"GET /a", "GET /b", "GET /c", "GET /d", "GET /e"})
    EXPECT_GE(listed(route), 50u) << route;
  EXPECT_EQ(price()->count, 1001u);
  EXPECT_GT(book.differences_without_room("GET /a"), 0u);
  EXPECT_EQ(book.differences_without_room("GET /f"), 0u);
}

TEST_F(FullBook, ManyRoutesShareTheRoom) {
  for (int i = 0; i < 300; ++i) record({kPrice}, "GET /" + std::to_string(i));
  EXPECT_THAT(book.list(), SizeIs(ClusterBook::kClustersMax));
  EXPECT_EQ(listed("GET /299"), 1u);
  EXPECT_EQ(book.clusters_gone(), 44u);
}

TEST_F(FullBook, WhatWasNotSeenSinceItsRouteBeganAnewGivesWayFirst) {
  for (auto route : {"GET /a", "GET /b", "GET /c", "GET /d"}) record_unique(64, route);
  book.begin_anew("GET /b");
  record_unique(10, "GET /e");
  EXPECT_EQ(listed("GET /b"), 54u);
  EXPECT_EQ(listed("GET /a"), 64u);
  record_unique(10, "GET /a");
  EXPECT_EQ(listed("GET /a"), 64u) << "no route has more";
  EXPECT_EQ(book.differences_without_room("GET /b"), 0u) << "what it counted before does not count";
  EXPECT_EQ(book.clusters_gone("GET /b"), 0u);
}

TEST_F(FullBook, ARouteThatBeganAnewHasAllItsRoom) {
  record_unique(1000, "GET /a");
  book.begin_anew("GET /a");
  EXPECT_EQ(book.differences_without_room(), 0u);
  EXPECT_EQ(listed("GET /a"), 64u);
  record_unique(64, "GET /a");
  EXPECT_EQ(book.differences_without_room(), 0u);
  for (const auto* each : book.list()) EXPECT_EQ(each->count_now(), 1u);
}

TEST_F(FullBook, RoutesThatAreNoMoreGiveWayFirst) {
  for (auto route : {"GET /a", "GET /b", "GET /c", "GET /d"}) record_unique(64, route);
  std::vector<std::string> routes{"GET /a", "GET /c", "GET /d", "GET /e"};
  book.end_all_but(routes);
  record_unique(64, "GET /e");
  EXPECT_EQ(listed("GET /b"), 0u);
  EXPECT_EQ(listed("GET /e"), 64u);
}

TEST_F(FullBook, ARequestDisplacesNothingOfItsOwn) {
  std::vector<std::string> paths;
  for (int i = 0; i < 80; ++i) paths.push_back(unique_path(i));
  std::vector<Difference> differences;
  for (const auto& path : paths) differences.push_back(unlike(path));
  record(differences);
  EXPECT_EQ(listed("GET /a"), 64u);
  EXPECT_EQ(book.differences_without_room(), 16u);
  EXPECT_EQ(book.clusters_gone(), 0u);
}

TEST_F(FullBook, TellsWhatWasKeptAndGaveWayUntilItIsForgotten) {
  record({kPrice});
  keep();
  record_unique(600, "GET /a");
  ASSERT_EQ(price(), nullptr);
  auto gone = book.gone();
  EXPECT_THAT(gone,
              ElementsAre(ClusterSignature{"GET /a", std::string(kPrice.path), "value", "number / number"}))
      << "the others were never kept";
  EXPECT_EQ(book.gone(), gone) << "it was not forgotten";
  book.were_forgotten(gone);
  EXPECT_THAT(book.gone(), IsEmpty());
  EXPECT_THAT(book.changed(), SizeIs(64));
}

TEST_F(FullBook, WhatGivesWayWhileItIsBeingKeptIsGone) {
  record({kPrice});
  auto being_kept = book.changed();
  record_unique(600, "GET /a");
  ASSERT_EQ(price(), nullptr);
  book.were_kept(being_kept);
  EXPECT_THAT(book.gone(), ElementsAre(being_kept.at(0).signature));
}

TEST_F(FullBook, WhatIsNotRestoredIsGone) {
  std::vector<DifferenceCluster> many;
  for (std::uint64_t i = 1; i <= 100; ++i)
    many.push_back({.signature = {"GET /a", "$." + std::to_string(i), "value", "x"}, .count = i});
  book.restore(many);
  EXPECT_THAT(book.gone(), SizeIs(100 - ClusterBook::kClustersPerRouteMax));
  record_unique(64, "GET /a", {kPrice});
  EXPECT_NE(price(), nullptr) << "what is seen now is worth more than what was";
  EXPECT_EQ(book.differences_without_room(), 1u);
}

TEST_F(Clusters, PathsWithOneLongBeginningAreToldApart) {
  auto parent = "$." + std::string(500, 'n');
  auto one = parent + ".first", other = parent + ".second";
  record({unlike(one), unlike(other)});
  ASSERT_THAT(book.list(), SizeIs(2));
  EXPECT_EQ(book.list()[0]->signature.path, one) << "this long one is whole";
  auto longer = parent + std::string(600, 'n');
  one = longer + ".first", other = longer + ".second";
  record({unlike(one), unlike(other)}, "GET /b");
  EXPECT_EQ(book.list().size(), 4u);
}

}  // namespace
}  // namespace oxbow
