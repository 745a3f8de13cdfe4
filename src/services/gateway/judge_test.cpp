#include "services/gateway/judge.hpp"

#include <fmt/core.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <future>
#include <mutex>
#include <set>
#include <string>

#include "support/routing_of.hpp"

namespace oxbow {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

std::set<std::filesystem::path> threads() {
  std::set<std::filesystem::path> found;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task")) found.insert(entry.path());
  return found;
}

// The same under an operator's order to begin anew.
std::shared_ptr<const Routing> ordered_anew(const std::shared_ptr<const Routing>& before, WallTime at,
                                            std::uint64_t revision) {
  auto routing = std::make_shared<Routing>(*before);
  routing->begun_anew[""] = at;
  routing->state.revision = revision;
  return routing;
}

// A pair whose one member differs.
std::unique_ptr<ShadowCopy> pair_of(std::shared_ptr<const Routing> routing) {
  auto copy = std::make_unique<ShadowCopy>(std::make_shared<ShadowBudget>(10000), 10000);
  copy->routing = std::move(routing);
  copy->look = ShadowCopy::Look::only;
  copy->answer = {"HTTP/1.1 200 OK\r\n\r\n", R"({"note":"one","member":"Anna"})"};
  copy->shadow_answer = {"HTTP/1.1 200 OK\r\n\r\n", R"({"note":"two","member":"Anna"})"};
  return copy;
}

// A pair whose one field of the head differs.
std::unique_ptr<ShadowCopy> pair_with(std::shared_ptr<const Routing> routing, const std::string& legacy_field,
                                      const std::string& new_field) {
  auto copy = pair_of(std::move(routing));
  copy->answer = {"HTTP/1.1 302 Found\r\n" + legacy_field + "\r\n\r\n", ""};
  copy->shadow_answer = {"HTTP/1.1 302 Found\r\n" + new_field + "\r\n\r\n", ""};
  return copy;
}

CompareRule ignore(std::string path) {
  CompareRule rule;
  rule.path = std::move(path);
  return rule;
}

// How often the kernel put a thread to sleep that had nothing to do.
long sleeps_of(const std::filesystem::path& thread) {
  std::ifstream status(thread / "status");
  for (std::string word; status >> word;)
    if (word == "voluntary_ctxt_switches:" && status >> word) return std::stol(word);
  return -1;
}

// The load has a pace, so that a judge who sleeps at once has the time to.
void pause_for(Duration time) {
  boost::asio::io_context io;
  boost::asio::steady_timer(io, time).wait();
}

// Waking a thread costs the one that serves users more than a comparison costs the judge.
TEST(Judge, IsWokenOnceForMuchThatIsSkippedInAMoment) {
  constexpr int kOffers = 400;
  auto others = threads();
  Judge judge({.now = [] { return WallTime{}; }, .ask_again = {}});
  std::filesystem::path thread;
  for (const auto& each : threads())
    if (!others.contains(each)) thread = each;
  auto routing = routing_of({});
  judge.take_over(*routing);

  auto slept_before = sleeps_of(thread);
  auto began = Clock::now();
  for (int i = 0; i < kOffers; ++i) {
    judge.skipped(routing, 0, ShadowSkip::timeout);
    pause_for(500us);
  }
  auto slept = sleeps_of(thread) - slept_before;
  auto moments = (Clock::now() - began) / 100ms + 1;
  EXPECT_GE(slept_before, 0);
  EXPECT_LE(slept, 3 * moments + 10) << "in " << moments << " moments";

  std::uint64_t counted = 0;
  for (auto until = Clock::now() + 10s; counted < kOffers && Clock::now() < until;) {
    pause_for(5ms);
    judge.look([&](const AnswersKnown& known) {
      auto found = known.routes.find("GET /a");
      if (found != known.routes.end()) counted = found->second.coverage.eligible();
    });
  }
  EXPECT_EQ(counted, kOffers);
}

class JudgeTest : public testing::Test {
 protected:
  std::map<std::string, std::uint64_t, std::less<>> skipped() {
    std::map<std::string, std::uint64_t, std::less<>> reasons;
    judge.look([&](const AnswersKnown& known) {
      auto found = known.routes.find("GET /a");
      if (found != known.routes.end()) reasons = found->second.coverage.reasons();
    });
    return reasons;
  }

  // When all that was offered before was judged, which the last pair and the last that is skipped show.
  std::uint64_t eligible_behind(const std::shared_ptr<const Routing>& routing) {
    auto last = pair_of(routing);
    last->shadow_answer.body = "{";
    judge.offer(std::move(last));
    judge.skipped(routing, 0, ShadowSkip::no_answer);
    auto is_over = [&] { return skipped().contains("no_answer") && skipped().contains("not_json"); };
    for (auto until = Clock::now() + 10s; !is_over() && Clock::now() < until;) pause_for(5ms);
    EXPECT_TRUE(is_over());
    std::uint64_t eligible = 0;
    judge.look([&](const AnswersKnown& known) {
      eligible = known.routes.find("GET /a")->second.coverage.eligible();
    });
    return eligible - 2;
  }

  std::string example_of_legacy() {
    std::string body;
    judge.look([&](const AnswersKnown& known) {
      for (const auto* cluster : known.clusters.list())
        for (const auto& pair : cluster->exemplars) body += pair.legacy.body;
    });
    return body;
  }

  // Where pairs differ, by the paths of their clusters.
  std::vector<std::string> paths() {
    std::vector<std::string> found;
    judge.look([&](const AnswersKnown& known) {
      for (const auto* cluster : known.clusters.list()) found.push_back(cluster->signature.path);
    });
    return found;
  }

  WallTime now = WallTime{} + 24h;
  std::function<void()> on_difference = [] {};
  Judge judge{{.now = [this] { return now; }, .ask_again = [this](auto, Duration) { on_difference(); }}};
};

TEST_F(JudgeTest, APairThatWasToBeComparedByOtherRulesDoesNotCount) {
  auto before = routing_of({}), after = routing_of({.compare = {ignore("$.b")}});
  judge.take_over(*before);
  judge.take_over(*after);
  judge.offer(pair_of(before));
  judge.offer(pair_of(before));  // it was just being decided
  judge.skipped(before, 0, ShadowSkip::timeout);
  EXPECT_EQ(eligible_behind(after), 0u);
}

TEST_F(JudgeTest, APairOfAnEarlierSpecWithTheSameRulesCounts) {
  auto before = routing_of({}), after = routing_of({});
  judge.take_over(*before);
  judge.take_over(*after);
  judge.offer(pair_of(before));
  judge.skipped(before, 0, ShadowSkip::timeout);
  EXPECT_EQ(eligible_behind(after), 2u);
}

TEST_F(JudgeTest, WhatWasAskedBeforeAnOrderToBeginAnewDoesNotCount) {
  auto before = routing_of({}, 1);
  judge.take_over(*before);
  auto after = ordered_anew(before, now, 2);
  judge.take_over(*after);
  judge.offer(pair_of(before));
  judge.skipped(before, 0, ShadowSkip::timeout);
  EXPECT_EQ(eligible_behind(after), 0u);
}

TEST_F(JudgeTest, AnOrderToBeginAnewCountsAlsoWhenTheClockWasSetBackBeforeIt) {
  auto first = routing_of({}, 1);
  judge.take_over(*first);
  auto second = ordered_anew(first, now, 2);
  judge.take_over(*second);
  judge.offer(pair_of(second));
  EXPECT_EQ(eligible_behind(second), 1u);
  auto third = ordered_anew(second, now - 1h, 3);
  judge.take_over(*third);
  judge.offer(pair_of(third));
  EXPECT_EQ(eligible_behind(third), 1u);
}

TEST_F(JudgeTest, WhatALaterSpecHidesIsHiddenInAnExampleOfAnEarlierRequest) {
  auto before = routing_of({}), after = routing_of({.redact = {"$.member"}});
  judge.take_over(*before);
  judge.take_over(*after);
  judge.offer(pair_of(before));
  eligible_behind(after);
  EXPECT_NE(example_of_legacy(), "");
  EXPECT_EQ(example_of_legacy().find("Anna"), std::string::npos) << example_of_legacy();
}

TEST_F(JudgeTest, AFieldThatHasToBeTranslatedDiffersIfItIsTheSameOnBothSides) {
  CompareRule rule{.kind = CompareRule::Kind::map, .header = "X-State", .map = {{"A", "authorised"}}};
  auto routing = routing_of({.compare = {rule}});
  judge.take_over(*routing);
  auto copy = pair_of(routing);
  copy->answer.head = "HTTP/1.1 200 OK\r\nX-State: A\r\n\r\n";
  copy->shadow_answer = copy->answer;
  judge.offer(std::move(copy));
  EXPECT_EQ(eligible_behind(routing), 1u);
  judge.look([](const AnswersKnown& known) {
    EXPECT_EQ(known.routes.find("GET /a")->second.divergence.differed, 1u);
  });
}

TEST_F(JudgeTest, TwoAnswersThatSendAClientElsewhereDiffer) {
  auto routing = routing_of({});
  judge.take_over(*routing);
  judge.offer(pair_with(routing, "Location: /a", "Location: /b"));
  judge.offer(pair_with(routing, "ETag: 1", "ETag: 2"));
  EXPECT_EQ(eligible_behind(routing), 2u);
  EXPECT_THAT(paths(), testing::ElementsAre("header.location"));
}

TEST_F(JudgeTest, FieldsThatTheRouteListsAreCompared) {
  auto routing = routing_of({.compare_headers = {"etag", "set-cookie"}});
  judge.take_over(*routing);
  judge.offer(pair_with(routing, "ETag: 1", "ETag: 2"));
  judge.offer(pair_with(routing, "Set-Cookie: lang=de", "Set-Cookie: lang=fr"));
  EXPECT_EQ(eligible_behind(routing), 2u);
  EXPECT_THAT(paths(), testing::ElementsAre("header.etag", "header.set-cookie.lang"));
}

TEST_F(JudgeTest, EncodingsInSeveralFieldsAreAllTakenOff) {
  constexpr std::string_view kEmptyObjectAsGzip(
      "\x1f\x8b\x08\0\0\0\0\0\x02\xff\xab\x56\xa8\x05\0\x80\x77\xd5\x1c\x03\0\0\0", 23);
  auto routing = routing_of({});
  judge.take_over(*routing);
  auto copy = pair_of(routing);
  copy->answer.body = R"({"a":1})";
  copy->shadow_answer.head =
      "HTTP/1.1 200 OK\r\nContent-Encoding: identity\r\nContent-Encoding: gzip\r\n\r\n";
  copy->shadow_answer.body = kEmptyObjectAsGzip;
  judge.offer(std::move(copy));
  EXPECT_EQ(eligible_behind(routing), 1u);
  EXPECT_THAT(paths(), testing::ElementsAre("$.a"));
}

// RFC 6265, 5.2.3 and 5.2.4.
TEST_F(JudgeTest, CookiesThatMeanTheSameToABrowserAreEqual) {
  auto routing = routing_of({.compare_headers = {"set-cookie"}});
  judge.take_over(*routing);
  judge.offer(
      pair_with(routing, "Set-Cookie: a=1; Domain=.example.com", "Set-Cookie: a=1; Domain=example.com"));
  judge.offer(pair_with(routing, "Set-Cookie: a=1; Path=here", "Set-Cookie: a=1"));
  EXPECT_EQ(eligible_behind(routing), 2u);
  EXPECT_THAT(paths(), testing::IsEmpty());
}

TEST_F(JudgeTest, AFieldThatLegacyChangesByItselfIsNoise) {
  auto routing = routing_of({.compare_headers = {"etag"}});
  judge.take_over(*routing);
  auto copy = pair_with(routing, "ETag: 1", "ETag: 2");
  copy->twin_answer = {"HTTP/1.1 302 Found\r\nETag: 3\r\n\r\n", ""};
  judge.offer(std::move(copy));
  EXPECT_EQ(eligible_behind(routing), 1u);
  judge.look([](const AnswersKnown& known) {
    auto report = known.fields.report({});
    ASSERT_THAT(report.fields, testing::SizeIs(1));
    EXPECT_EQ(report.fields[0].counts.twin_differed, 1u);
  });
}

TEST_F(JudgeTest, APairThatWasToBeComparedByOtherFieldsDoesNotCount) {
  auto before = routing_of({}), after = routing_of({.compare_headers = {"etag"}});
  judge.take_over(*before);
  judge.take_over(*after);
  judge.offer(pair_of(before));
  EXPECT_EQ(eligible_behind(after), 0u);
}

TEST_F(JudgeTest, APairThatDiffersOnlyAtTheSecondLookDidNotDifferAtTheFirst) {
  auto routing = routing_of({});
  judge.take_over(*routing);
  auto copy = pair_of(routing);
  copy->look = ShadowCopy::Look::second;  // because of its twin
  copy->first_look = {.differed = false};
  judge.offer(std::move(copy));
  EXPECT_EQ(eligible_behind(routing), 1u);
  judge.look([](const AnswersKnown& known) {
    const auto& counted = known.routes.find("GET /a")->second.divergence;
    EXPECT_EQ(counted.differed_first, 0u);
    EXPECT_EQ(counted.rechecked, 1u);
    EXPECT_EQ(counted.differed_after_recheck, 1u);
    EXPECT_EQ(counted.differed, 1u);
  });
}

TEST_F(JudgeTest, ASideThatGaveNoAnswerHasFailed) {
  auto routing = routing_of({});
  judge.take_over(*routing);
  auto offer = [&](Side answered_by, const std::string& status, ShadowSkip failure) {
    auto copy = pair_of(routing);
    copy->answered_by = answered_by;
    copy->answer.head = "HTTP/1.1 " + status + "\r\n\r\n";
    copy->shadow_answer = {};
    copy->failure = failure;
    judge.offer(std::move(copy));
  };
  for (auto failure : {ShadowSkip::unreachable, ShadowSkip::timeout, ShadowSkip::broken_off})
    offer(Side::legacy, "200 OK", failure);
  offer(Side::new_side, "200 OK", ShadowSkip::timeout);
  offer(Side::legacy, "503 Busy", ShadowSkip::broken_off);
  EXPECT_EQ(eligible_behind(routing), 5u);
  judge.look([](const AnswersKnown& known) {
    const auto& figures = known.routes.find("GET /a")->second;
    // The last pair, which cannot be compared, has two good answers.
    EXPECT_EQ(figures.errors, (ErrorTable{1, 1, 3, 1}));
    EXPECT_EQ(figures.coverage.compared_count(), 0u);
    EXPECT_EQ(figures.coverage.reasons().at("timeout"), 2u);
  });
}

TEST_F(JudgeTest, WhatCannotBeComparedHasFailedAllTheSame) {
  auto routing = routing_of({});
  judge.take_over(*routing);
  auto copy = pair_of(routing);
  copy->look = ShadowCopy::Look::first;
  for (auto* answer : {&copy->answer, &copy->shadow_answer})
    answer->head = "HTTP/1.1 500 Sick\r\nContent-Type: text/html\r\n\r\n";
  judge.offer(std::move(copy));
  eligible_behind(routing);
  judge.look([](const AnswersKnown& known) {
    EXPECT_EQ(known.routes.find("GET /a")->second.errors.both_failed, 1u);
  });
}

TEST_F(JudgeTest, WhatIsSkippedDoesNotPileUpBehindManyPairs) {
  auto routing = routing_of({});
  judge.take_over(*routing);
  std::vector<std::size_t> counted;
  std::promise<void> both;
  on_difference = [&] {
    counted.push_back(skipped().size());
    judge.skipped(routing, 0, ShadowSkip::timeout);
    if (counted.size() == 2) both.set_value();
  };
  for (int i = 0; i < 2; ++i) {
    auto copy = pair_of(routing);
    copy->look = ShadowCopy::Look::first;
    judge.offer(std::move(copy));
  }
  both.get_future().wait();
  EXPECT_THAT(counted, testing::ElementsAre(0, 1));
}

// What an earlier run has left, and what the judge does with it.
class KnownExemplars : public ExemplarStore {
 public:
  Status save(const std::vector<DifferenceCluster>& clusters) override {
    if (saves_to_fail-- > 0) return Err(ErrorCode::already_running, "another program holds its lock");
    std::lock_guard lock(mutex);
    for (const auto& each : clusters) saved[each.signature] = each;
    return {};
  }
  Result<std::vector<DifferenceCluster>> load() override { return known; }
  Status forget(const std::vector<ClusterSignature>& signatures) override {
    if (forgets_to_fail-- > 0) return Err(ErrorCode::already_running, "another program holds its lock");
    std::lock_guard lock(mutex);
    forgotten.insert(forgotten.end(), signatures.begin(), signatures.end());
    return {};
  }

  std::vector<DifferenceCluster> known;
  std::atomic<int> saves_to_fail = 0;
  std::atomic<int> forgets_to_fail = 0;
  std::mutex mutex;
  std::map<ClusterSignature, DifferenceCluster> saved;
  std::vector<ClusterSignature> forgotten;
};

TEST(Judge, WhatGaveWayIsNotKeptOnTheDiskEither) {
  KnownExemplars exemplars;
  for (int i = 0; i < 100; ++i)
    exemplars.known.push_back({.signature = {"GET /a", fmt::format("$.f{}", i), "value", "x"}, .count = 1});
  Judge({.exemplars = &exemplars, .now = [] { return WallTime{}; }, .ask_again = {}});
  EXPECT_THAT(exemplars.forgotten, testing::SizeIs(100 - ClusterBook::kClustersPerRouteMax));
}

TEST(Judge, WhatCouldNotBeHiddenOnTheDiskIsHiddenThereAsSoonAsThatIsPossible) {
  constexpr std::size_t kKept = ClusterBook::kClustersPerRouteMax, kGone = 36;
  for (auto fails : {&KnownExemplars::saves_to_fail, &KnownExemplars::forgets_to_fail}) {
    KnownExemplars exemplars;
    exemplars.*fails = 3;
    for (std::size_t i = 0; i < kKept + kGone; ++i)
      exemplars.known.push_back({.signature = {"GET /a", fmt::format("$.f{}", i), "value", "x"},
                                 .count = 1,
                                 .exemplars = {{.legacy = {.body = R"({"member":"Anna"})"}}}});
    Judge judge(
        {.exemplars = &exemplars, .now = [] { return WallTime{}; }, .ask_again = {}, .keep_every = 1ms});
    judge.take_over(*routing_of({.redact = {"$.member"}}));
    auto is_done = [&] {
      std::lock_guard lock(exemplars.mutex);
      return exemplars.saved.size() == kKept && exemplars.forgotten.size() == kGone;
    };
    for (auto until = Clock::now() + 10s; !is_done() && Clock::now() < until;) pause_for(5ms);
    ASSERT_TRUE(is_done());
    for (const auto& [signature, cluster] : exemplars.saved)
      EXPECT_EQ(cluster.exemplars.at(0).legacy.body, R"({"member":"[redacted]"})");
  }
}

// Its name, its mapping and what it hid are not known any more.
TEST(Judge, KeepsNoExamplesOfARouteThatIsNoMore) {
  KnownExemplars exemplars;
  ClusterSignature gone{"GET /was", "$.note", "value", "string / string"};
  exemplars.known.push_back(
      {.signature = gone, .count = 1, .exemplars = {{.legacy = {.body = R"({"member":"Anna"})"}}}});
  {
    Judge judge({.exemplars = &exemplars, .now = [] { return WallTime{}; }, .ask_again = {}});
    judge.take_over(*routing_of({}));
    judge.look([](const AnswersKnown& known) {
      ASSERT_THAT(known.clusters.list(), testing::SizeIs(1));
      EXPECT_THAT(known.clusters.list()[0]->exemplars, testing::IsEmpty());
    });
  }
  ASSERT_TRUE(exemplars.saved.contains(gone));
  EXPECT_THAT(exemplars.saved[gone].exemplars, testing::IsEmpty());
}

TEST(Judge, DoesNotEndWhatItHasBegunWithAtItsEnd) {
  constexpr int kOffers = 100;
  auto routing = routing_of({});
  std::atomic<int> judged = 0;
  {
    Judge judge({.now = [] { return WallTime{}; },
                 .ask_again =
                     [&](auto, Duration) {
                       ++judged;
                       pause_for(5ms);
                     }});
    judge.take_over(*routing);
    for (int i = 0; i < kOffers; ++i) {
      auto copy = pair_of(routing);
      copy->look = ShadowCopy::Look::first;
      judge.offer(std::move(copy));
    }
    while (judged == 0) pause_for(1ms);
  }
  EXPECT_LT(judged, kOffers);
}

}  // namespace
}  // namespace oxbow
