#include "core/routing/own_writes.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace oxbow {
namespace {

using ::testing::Eq;
using ::testing::Optional;

Route read_route(std::string path, ReadClass read_class, bool has_key = true) {
  Route route;
  route.method = "GET";
  route.path = std::move(path);
  if (has_key) route.key = KeySource{RequestPart::path, "id"};
  route.read = read_class;
  route.shadow.buckets = kBucketCount;
  return route;
}

// Bulk reads go to the new side early, those of reports stay on legacy for long.
RouteTable table() {
  EntitySpec entity;
  entity.name = "payment";
  entity.key = "id";
  entity.cohorts = {{.name = "pilot", .keys = {"1"}}, {.name = "rest", .rest = true}};
  entity.reads = {{ReadClass::bulk, State::mirrored}, {ReadClass::historical, State::fully_cutover}};
  Route write;
  write.method = "POST";
  write.path = "/write/{id}";
  write.key = KeySource{RequestPart::path, "id"};
  write.write = true;
  entity.routes = {read_route("/early/{id}", ReadClass::bulk),
                   read_route("/late/{id}", ReadClass::historical),
                   read_route("/late", ReadClass::historical, false), write};
  Spec spec;
  spec.migration = "billing";
  spec.hash = "h";
  spec.entities = {entity};
  return RouteTable::compile(spec);
}

class OwnWrites : public ::testing::Test {
 protected:
  Decision decision(std::string_view method, std::string_view target) {
    RequestHead head{.method = method, .target = target, .host = {}, .minor_version = 1, .fields = {}};
    auto match = table_.match(head);
    std::string buffer;
    auto key = match.route ? find_key(table_, match, head, buffer) : RequestKey();
    return decide(table_, state_, match, key, target);
  }
  std::optional<Side> lags(std::string_view method, std::string_view target) {
    return lags_behind(decision(method, target), table_, state_);
  }
  void put(std::size_t cohort, State state) { state_.cohorts[0][cohort].state = state; }

  RouteTable table_ = table();
  RoutingState state_ = all_in(State::mirrored, table_);
};

TEST_F(OwnWrites, AReadLagsWhereAStreamBringsWhatItReads) {
  EXPECT_THAT(lags("GET", "/early/1"), Optional(Side::legacy));
  EXPECT_THAT(lags("GET", "/late/1"), Eq(std::nullopt)) << "legacy answers, and has the authority";
  put(0, State::new_write);
  EXPECT_THAT(lags("GET", "/early/1"), Eq(std::nullopt));
  EXPECT_THAT(lags("GET", "/late/1"), Optional(Side::new_side));
}

TEST_F(OwnWrites, NeitherAWriteNorWhatNoRouteTakesLags) {
  EXPECT_THAT(lags("POST", "/write/1"), Eq(std::nullopt));
  put(0, State::new_write);
  EXPECT_THAT(lags("POST", "/write/1"), Eq(std::nullopt));
  EXPECT_THAT(lags("GET", "/other"), Eq(std::nullopt));
}

TEST_F(OwnWrites, WithoutAKeyOneCohortThatIsAtHomeElsewhereIsEnough) {
  EXPECT_THAT(lags("GET", "/late"), Eq(std::nullopt));
  put(0, State::new_write);
  EXPECT_THAT(lags("GET", "/late"), Optional(Side::new_side));
}

TEST_F(OwnWrites, AReadThatLagsIsTurnedToTheAuthorityAndItsShadowToTheOtherSide) {
  auto read = decision("GET", "/early/1");
  ASSERT_EQ(read.side, Side::new_side);
  ASSERT_THAT(read.shadow, Optional(Side::legacy));
  turn_to_authority(read, state_);
  EXPECT_EQ(read.side, Side::legacy);
  EXPECT_THAT(read.shadow, Optional(Side::new_side));
  EXPECT_EQ(read.because, Because::own_writes);
}

TEST_F(OwnWrites, WithoutAKeyAndWithTwoAuthoritiesNobodyKnowsMore) {
  put(0, State::new_write);
  auto list = decision("GET", "/late");
  turn_to_authority(list, state_);
  EXPECT_EQ(list.side, Side::legacy) << "the new side does not have the authority over all";
  put(1, State::new_write);
  turn_to_authority(list, state_);
  EXPECT_EQ(list.side, Side::new_side);
}

TEST_F(OwnWrites, TheAuthorityIsAheadAsLongAsAStreamFollowsIt) {
  EXPECT_TRUE(is_ahead(decision("POST", "/write/1"), state_));
  EXPECT_TRUE(is_ahead(decision("GET", "/late/1"), state_)) << "what it reads there may be news elsewhere";
  EXPECT_FALSE(is_ahead(decision("GET", "/early/1"), state_));
  put(0, State::legacy);
  EXPECT_FALSE(is_ahead(decision("POST", "/write/1"), state_));
  put(0, State::fully_cutover);
  EXPECT_FALSE(is_ahead(decision("POST", "/write/1"), state_));
}

TEST_F(OwnWrites, WhatTakesNoRouteMayHaveWrittenAnythingOnItsSide) {
  EXPECT_TRUE(is_ahead(decision("POST", "/other"), state_));
  for (std::size_t cohort : {0, 1}) put(cohort, State::new_write);
  EXPECT_FALSE(is_ahead(decision("POST", "/other"), state_)) << "it went to legacy, which only follows";
}

TEST(SeenBeats, TravelAsAText) {
  EXPECT_EQ(to_text({12, 34}), "l12.n34");
  EXPECT_EQ(parse_seen("l12.n34"), (SeenBeats{12, 34}));
  EXPECT_EQ(parse_seen("l18446744073709551615.n0").legacy, ~0ull);
  for (auto odd :
       {"", "l12", "l12.n", "n34.l12", "l12.n34 ", "l-1.n2", "l18446744073709551616.n0", "l1.n2.n3"})
    EXPECT_EQ(parse_seen(odd), SeenBeats()) << odd;
}

}  // namespace
}  // namespace oxbow
