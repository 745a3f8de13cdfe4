#include "core/routing/decision.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <set>
#include <sstream>

#include "base/random.hpp"
#include "core/cohort/cohorts.hpp"

namespace oxbow {
namespace {

std::string content_of(const std::string& path) {
  std::ifstream file(OXBOW_SOURCE_DIR + path);
  EXPECT_TRUE(file) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

Route read_route(std::string path, ReadClass read_class) {
  Route route;
  route.method = "GET";
  route.path = std::move(path);
  route.key = KeySource{RequestPart::path, "id"};
  route.read = read_class;
  route.shadow.buckets = kBucketCount;
  return route;
}

Route write_route(std::string path, std::string safe_path) {
  Route route;
  route.method = "POST";
  route.path = std::move(path);
  route.key = KeySource{RequestPart::path, "id"};
  route.write = true;
  if (!safe_path.empty()) route.shadow = {kBucketCount, std::move(safe_path)};
  return route;
}

// One class for each state in which reads can move, and both kinds of writes.
Spec spec_with(std::vector<CohortSpec> cohorts) {
  EntitySpec entity;
  entity.name = "payment";
  entity.key = "id";
  entity.cohorts = std::move(cohorts);
  entity.reads = {{ReadClass::bulk, State::mirrored},
                  {ReadClass::consistency, State::new_write},
                  {ReadClass::latency, State::new_read},
                  {ReadClass::historical, State::fully_cutover}};
  entity.routes = {read_route("/mirrored/{id}", ReadClass::bulk),
                   read_route("/new-write/{id}", ReadClass::consistency),
                   read_route("/new-read/{id}", ReadClass::latency),
                   read_route("/fully-cutover/{id}", ReadClass::historical),
                   write_route("/write/{id}", ""),
                   write_route("/safe-write/{id}", "/dry/{id}")};
  Spec spec;
  spec.migration = "billing";
  spec.hash = "h";
  spec.entities = {entity};
  return spec;
}

CohortSpec rest() {
  return {.name = "rest", .keys = {}, .buckets = std::nullopt, .rest = true, .mark = {}};
}
CohortSpec slice(std::string name, std::uint32_t buckets) {
  return {.name = std::move(name), .keys = {}, .buckets = buckets, .rest = false, .mark = {}};
}

std::string shown(const Decision& decision, std::string_view plus) {
  auto text = std::string(name(decision.side));
  if (decision.shadow) text += std::string(plus) + std::string(name(*decision.shadow));
  return text;
}

Decision decide_for(const RouteTable& table, const RoutingState& state, std::string_view method,
                    std::string_view target, std::optional<RequestKey> key = std::nullopt) {
  RequestHead head{.method = method, .target = target, .host = {}, .minor_version = 1, .fields = {}};
  auto match = table.match(head);
  std::string buffer;
  if (!key && match.route) key = find_key(table, match, head, buffer);
  return decide(table, state, match, key.value_or(RequestKey()), target);
}

// The table that people read in docs/spec.md, cell by cell.
TEST(Decisions, AreThoseOfTheTable) {
  auto table = RouteTable::compile(spec_with({rest()}));
  std::vector<std::pair<std::string, std::string>> rows = {{"write", "/write/1"},
                                                           {"write with a safe way", "/safe-write/1"}};
  for (std::size_t i = 1; i < kStateNames.size(); ++i)
    rows.emplace_back(fmt::format("read that moves in `{}`", kStateNames[i]),
                      fmt::format("/{}/1", kStateNames[i]));

  std::string text =
      "| request | `legacy` | `mirrored` | `mirrored`, proven equal | `new-write` | `new-read` | "
      "`fully-cutover` |\n"
      "|---|---|---|---|---|---|---|\n";
  for (const auto& [title, target] : rows) {
    text += fmt::format("| {} |", title);
    auto method = title.starts_with("write") ? "POST" : "GET";
    for (std::size_t i = 0; i < kStateNames.size(); ++i) {
      auto state = all_in(static_cast<State>(i), table);
      bool two_columns = state.cohorts[0][0].state == State::mirrored;
      for (bool proven : two_columns ? std::vector{false, true} : std::vector{true}) {
        state.cohorts[0][0].proven = proven;
        text += fmt::format(" {} |", shown(decide_for(table, state, method, target), " + "));
      }
    }
    text += "\n";
  }
  auto golden = content_of("/test/golden/routing/decisions.md");
  EXPECT_EQ(text, golden);
  EXPECT_TRUE(content_of("/docs/spec.md").contains(golden)) << "docs/spec.md shows another table";
}

TEST(Decisions, WithoutAKeyDependOnAllCohorts) {
  auto table = RouteTable::compile(spec_with({slice("one", 100), rest()}));
  std::istringstream lines(content_of("/test/golden/routing/without_key.txt"));
  std::set<std::pair<State, State>> seen;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with('#')) continue;
    std::istringstream words(line);
    std::string one, other, read, write;
    words >> one >> other >> read >> write;
    for (auto [first, second] : {std::pair(one, other), std::pair(other, one)}) {
      auto state = all_in(State::legacy, table);
      state.cohorts[0][0].state = *parse_state(first);
      state.cohorts[0][1].state = *parse_state(second);
      seen.insert({*parse_state(first), *parse_state(second)});
      for (auto found : {KeyFound::none_declared, KeyFound::absent, KeyFound::twice, KeyFound::not_json}) {
        RequestKey key{found, {}};
        EXPECT_EQ(shown(decide_for(table, state, "GET", "/new-read/1", key), "+"), read) << line;
        EXPECT_EQ(shown(decide_for(table, state, "POST", "/safe-write/1", key), "+"), write) << line;
      }
    }
  }
  EXPECT_EQ(seen.size(), 25u);
}

// The new side would answer 404 for rows that are still on their way.
TEST(Decisions, GiveNoShadowToACohortWhoseRowsAreNotCopied) {
  auto table = RouteTable::compile(spec_with({rest()}));
  auto state = all_in(State::mirrored, table);
  state.cohorts[0][0].copied = false;
  auto read = decide_for(table, state, "GET", "/new-read/1");
  EXPECT_EQ(shown(read, "+"), "legacy");
  EXPECT_EQ(read.shadow_why, ShadowWhy::not_copied);
  EXPECT_EQ(decide_for(table, state, "POST", "/safe-write/1").shadow_why, ShadowWhy::not_copied);
  EXPECT_EQ(decide_for(table, state, "POST", "/write/1").shadow_why, ShadowWhy::no_safe_way);
  auto moved = decide_for(table, state, "GET", "/mirrored/1");
  EXPECT_EQ(shown(moved, "+"), "legacy") << "nor does it answer users, whatever was proven before";
  EXPECT_EQ(moved.because, Because::not_copied);
  state.cohorts[0][0].state = State::legacy;
  EXPECT_EQ(decide_for(table, state, "GET", "/new-read/1").shadow_why, ShadowWhy::by_state);
}

TEST(Decisions, WithoutAKeyGiveNoShadowUntilEveryCohortIsCopied) {
  auto table = RouteTable::compile(spec_with({slice("one", 100), rest()}));
  auto state = all_in(State::mirrored, table);
  RequestKey none{KeyFound::none_declared, {}};
  state.cohorts[0][1].copied = false;
  EXPECT_EQ(decide_for(table, state, "GET", "/new-read/1", none).shadow_why, ShadowWhy::not_copied);
  state.cohorts[0][0].state = State::legacy;
  EXPECT_EQ(decide_for(table, state, "GET", "/new-read/1", none).shadow_why, ShadowWhy::mixed);
}

// Only what would have had a shadow counts as a miss.
TEST(ShadowSampling, ComesBeforeTheQuestionWhetherTheRowsAreCopied) {
  auto spec = spec_with({rest()});
  spec.entities[0].routes[2].shadow.buckets = 2500;
  auto table = RouteTable::compile(spec);
  auto state = all_in(State::mirrored, table);
  state.cohorts[0][0].copied = false;
  std::set<ShadowWhy> seen;
  for (int key = 0; key < 100; ++key) {
    auto why = decide_for(table, state, "GET", fmt::format("/new-read/{}", key)).shadow_why;
    bool sampled = bucket_of("billing:shadow", std::to_string(key)) < 2500;
    EXPECT_EQ(why, sampled ? ShadowWhy::not_copied : ShadowWhy::sampled_out);
    seen.insert(why);
  }
  EXPECT_EQ(seen.size(), 2u);
}

TEST(Decisions, GiveNoRequestAShadowWhoseEntityHasThemKeptAway) {
  auto table = RouteTable::compile(spec_with({slice("one", 100), rest()}));
  auto state = all_in(State::new_write, table);
  EXPECT_EQ(decide_for(table, state, "GET", "/new-read/1").shadow_why, ShadowWhy::sent);
  for (auto& cohort : state.cohorts[0]) cohort.shadows_kept_away = true;
  EXPECT_EQ(decide_for(table, state, "GET", "/new-read/1").shadow_why, ShadowWhy::kept_away);
  EXPECT_EQ(decide_for(table, state, "GET", "/new-read/1").shadow, std::nullopt);
  RequestKey none{KeyFound::none_declared, {}};
  EXPECT_EQ(decide_for(table, state, "GET", "/new-read/1", none).shadow_why, ShadowWhy::kept_away);
  EXPECT_EQ(decide_for(table, state, "POST", "/write/1").shadow_why, ShadowWhy::no_safe_way);
}

TEST(Decisions, LetWritesOfACohortThatChangesHandsWaitAndNothingElse) {
  auto table = RouteTable::compile(spec_with({slice("one", 100), rest()}));
  auto state = all_in(State::mirrored, table);
  auto of_key = decide_for(table, state, "POST", "/write/4711").cohort;
  ASSERT_TRUE(of_key);
  state.cohorts[0][of_key->value()].held = true;
  EXPECT_TRUE(decide_for(table, state, "POST", "/write/4711").waits);
  EXPECT_TRUE(decide_for(table, state, "POST", "/safe-write/4711").waits);
  EXPECT_FALSE(decide_for(table, state, "GET", "/new-write/4711").waits) << "reads go on";
  RequestKey none{KeyFound::none_declared, {}};
  EXPECT_TRUE(decide_for(table, state, "POST", "/write/4711", none).waits) << "it may be of that cohort";
  EXPECT_FALSE(decide_for(table, state, "POST", "/other").waits);
  state.cohorts[0][of_key->value()].held = false;
  state.cohorts[0][1 - of_key->value()].held = true;
  EXPECT_FALSE(decide_for(table, state, "POST", "/write/4711").waits) << "another cohort";
}

TEST(Decisions, OfUnlistedRequestsAreLegacyInEveryState) {
  auto table = RouteTable::compile(spec_with({rest()}));
  for (std::size_t i = 0; i < kStateNames.size(); ++i) {
    auto state = all_in(static_cast<State>(i), table);
    for (const auto* target : {"/other", "/new-write/1/", "/new-write//1", "/new-write/%2e%2e", "*"}) {
      auto decision = decide_for(table, state, "GET", target);
      EXPECT_EQ(shown(decision, "+"), "legacy") << target;
      EXPECT_EQ(decision.because, Because::unlisted);
    }
  }
}

TEST(Decisions, OfAnEntityWithOneCohortNeedNoKey) {
  auto table = RouteTable::compile(spec_with({rest()}));
  auto decision = decide_for(table, all_in(State::mirrored, table), "GET", "/mirrored/1", RequestKey{});
  EXPECT_EQ(shown(decision, "+"), "new+legacy");
  EXPECT_EQ(decision.cohort, CohortId());
}

TEST(Decisions, SayWhichCohortAndBucketAKeyHas) {
  auto named = slice("one", 100);
  CohortSpec pilot{.name = "pilot", .keys = {"4711"}, .buckets = std::nullopt, .rest = false, .mark = {}};
  auto spec = spec_with({pilot, slice("one", 5000), rest()});
  auto table = RouteTable::compile(spec);
  auto state = all_in(State::legacy, table);
  state.cohorts[0][0].state = State::new_read;
  auto pinned = decide_for(table, state, "GET", "/new-read/4711");
  EXPECT_EQ(pinned.cohort, CohortId(0));
  EXPECT_EQ(pinned.bucket, std::nullopt) << "a named key needs no bucket";
  EXPECT_EQ(pinned.side, Side::new_side);
  auto hashed = decide_for(table, state, "GET", "/new-read/4712");
  EXPECT_EQ(hashed.bucket, bucket_of("cohort/billing/payment", "4712"));
  EXPECT_EQ(hashed.side, Side::legacy);
  EXPECT_EQ(hashed.state, State::legacy);
}

TEST(ShadowSampling, IsStickyPerKeyAndIndependentOfCohorts) {
  auto spec = spec_with({rest()});
  spec.entities[0].routes[2].shadow.buckets = 2500;
  auto table = RouteTable::compile(spec);
  auto state = all_in(State::mirrored, table);
  int sampled = 0, in_both = 0;
  for (int key = 0; key < 4000; ++key) {
    auto decision = decide_for(table, state, "GET", fmt::format("/new-read/{}", key));
    auto again = decide_for(table, state, "GET", fmt::format("/new-read/{}?x=1", key));
    EXPECT_EQ(decision.shadow, again.shadow);
    EXPECT_EQ(decision.shadow.has_value(), bucket_of("billing:shadow", std::to_string(key)) < 2500);
    EXPECT_EQ(decision.shadow_why, decision.shadow ? ShadowWhy::sent : ShadowWhy::sampled_out);
    sampled += decision.shadow.has_value();
    in_both += decision.shadow && bucket_of("cohort/billing/payment", std::to_string(key)) < 5000;
  }
  EXPECT_NEAR(sampled, 1000, 100);
  EXPECT_NEAR(in_both, 500, 80);
}

TEST(ShadowSampling, GrowsWithoutLosingAnybody) {
  auto spec = spec_with({rest()});
  std::set<int> before;
  for (std::uint32_t buckets : {0u, 10u, 100u, 2500u, 9999u, 10'000u}) {
    spec.entities[0].routes[2].shadow.buckets = buckets;
    auto table = RouteTable::compile(spec);
    auto state = all_in(State::mirrored, table);
    std::set<int> now;
    for (int key = 0; key < 2000; ++key)
      if (decide_for(table, state, "GET", fmt::format("/new-read/{}", key)).shadow) now.insert(key);
    EXPECT_TRUE(std::ranges::includes(now, before)) << buckets;
    before = std::move(now);
  }
  EXPECT_EQ(before.size(), 2000u);
}

TEST(ShadowSampling, OfAWriteGoesToItsSafePath) {
  auto table = RouteTable::compile(spec_with({rest()}));
  RequestHead head{
      .method = "POST", .target = "/safe-write/a%20b?x=1", .host = {}, .minor_version = 1, .fields = {}};
  EXPECT_EQ(shadow_target(table, table.match(head), head), "/dry/a%20b?x=1");
}

// Widening the slice of a cohort that stands further on takes keys from those behind it, and gives none back.
TEST(Stickiness, RaisingAPercentageMovesNobodyBack) {
  Random random(7);
  for (int round = 0; round < 20; ++round) {
    auto first = static_cast<std::uint32_t>(1 + random.below(4000));
    auto second = static_cast<std::uint32_t>(1 + random.below(4000));
    auto wider = first + static_cast<std::uint32_t>(random.below(2000));
    auto route = [&](std::uint32_t buckets) {
      auto table = RouteTable::compile(spec_with({slice("one", buckets), slice("two", second), rest()}));
      auto state = all_in(State::legacy, table);
      state.cohorts[0][0].state = State::new_read;
      state.cohorts[0][1].state = State::new_write;
      return std::pair(std::move(table), std::move(state));
    };
    auto [narrow_table, narrow_state] = route(first);
    auto [wide_table, wide_state] = route(wider);
    for (int key = 0; key < 500; ++key) {
      auto target = fmt::format("/new-read/{}", random.below(1'000'000));
      auto before = decide_for(narrow_table, narrow_state, "GET", target);
      auto after = decide_for(wide_table, wide_state, "GET", target);
      EXPECT_GE(*after.state, *before.state) << target;
      if (before.side == Side::new_side) EXPECT_EQ(after.side, Side::new_side) << target;
    }
  }
}

TEST(RoutingState, IsWhatTheLifecycleSays) {
  auto spec = spec_with({slice("one", 100), slice("two", 100), rest()});
  Lifecycle lifecycle;
  lifecycle.cohorts[{"payment", "one"}] = {.state = State::mirrored,
                                           .moving_to = State::new_write,
                                           .proof = ProofSummary{.result = VerifyState::equal}};
  lifecycle.cohorts[{"payment", "two"}] = {.state = State::mirrored,
                                           .proof = ProofSummary{.result = VerifyState::differs}};
  auto state = routing_state(spec, lifecycle, {}, 42);
  EXPECT_EQ(state.revision, 42u);
  EXPECT_EQ(state.cohorts[0][0], (CohortRouting{State::mirrored, true, false})) << "it has not moved yet";
  EXPECT_EQ(state.cohorts[0][1], (CohortRouting{State::mirrored, false, false}));
  EXPECT_EQ(state.cohorts[0][2], (CohortRouting{State::legacy, false, false}));
}

TEST(RoutingState, KnowsFromTheDataPlaneWhoseRowsAreCopied) {
  auto spec = spec_with({slice("one", 100), slice("two", 100), rest()});
  DataFacts facts{.key_kinds = {}, .copied = {{"payment", {CohortId(0)}}, {"refund", {CohortId(1)}}}};
  Lifecycle lifecycle;
  for (const auto* cohort : {"one", "two"})
    lifecycle.cohorts[{"payment", cohort}] = {.state = State::mirrored};
  auto state = routing_state(spec, lifecycle, facts, 1);
  EXPECT_TRUE(state.cohorts[0][0].copied);
  EXPECT_FALSE(state.cohorts[0][1].copied);
}

TEST(RoutingStateDeathTest, OfAnotherSpecIsABrokenInvariant) {
  auto table = RouteTable::compile(spec_with({rest()}));
  auto state = all_in(State::legacy, table);
  state.spec_hash = "other";
  EXPECT_DEATH((void)decide_for(table, state, "GET", "/new-read/1"), "the states of spec other");
}

}  // namespace
}  // namespace oxbow
