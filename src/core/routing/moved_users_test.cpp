#include "core/routing/moved_users.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace oxbow {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class MovedUsers : public testing::Test {
 protected:
  MovedUsers() {
    EntitySpec entity;
    entity.name = "payment";
    entity.cohorts = {{.name = "pilot", .keys = {"1"}, .buckets = std::nullopt, .rest = false, .mark = {}},
                      {.name = "rest", .keys = {}, .buckets = std::nullopt, .rest = true, .mark = {}}};
    entity.reads = {{ReadClass::latency, State::new_read}};
    Route route;
    route.method = "GET";
    route.path = "/a/{id}";
    route.key = KeySource{RequestPart::path, "id"};
    route.read = ReadClass::latency;
    entity.routes = {route};
    before.entities = after.entities = {entity};
  }

  // The pilot is mirrored, copied and proven.
  static RoutingState state_of(const RouteTable& table) {
    auto state = all_in(State::legacy, table);
    state.cohorts[0][0] = {.state = State::mirrored, .proven = true, .copied = true};
    return state;
  }

  std::vector<std::string> moved() {
    auto was = RouteTable::compile(before), is = RouteTable::compile(after);
    return moved_users(was, state_of(was), is, state_of(is));
  }

  Spec before, after;
};

TEST_F(MovedUsers, NobodyMovesWhileTheAnsweringSidesStay) {
  after.entities[0].routes[0].recheck_after = std::chrono::seconds(7);
  EXPECT_THAT(moved(), IsEmpty());
}

TEST_F(MovedUsers, AReadClassThatMovesEarlierMovesThoseWhoAreThatFar) {
  after.entities[0].reads = {{ReadClass::latency, State::mirrored}};
  EXPECT_THAT(moved(),
              ElementsAre("GET /a/{id} of payment/pilot is answered by new from now on, and was by legacy"));
}

TEST_F(MovedUsers, CohortsInLegacyMayBecomeOthersAndNobodyMoves) {
  before.entities[0].reads = after.entities[0].reads = {{ReadClass::latency, State::mirrored}};
  after.entities[0].cohorts.insert(
      after.entities[0].cohorts.begin() + 1,
      {.name = "second", .keys = {"2"}, .buckets = std::nullopt, .rest = false, .mark = {}});
  EXPECT_THAT(moved(), IsEmpty());
  std::swap(before, after);
  EXPECT_THAT(moved(), IsEmpty());
}

TEST_F(MovedUsers, ARouteThatIsTakenAwayMovesItsUsersToLegacy) {
  before.entities[0].reads = {{ReadClass::latency, State::mirrored}};
  after.entities[0].routes.clear();
  EXPECT_THAT(moved(),
              ElementsAre("GET /a/{id} of payment/pilot is answered by legacy from now on, and was by new"));
}

TEST_F(MovedUsers, ARouteThatIsNewMovesThoseWhomTheNewSideAnswers) {
  after.entities[0].reads = {{ReadClass::latency, State::mirrored}};
  before.entities[0].routes.clear();
  EXPECT_THAT(moved(),
              ElementsAre("GET /a/{id} of payment/pilot is answered by new from now on, and was by legacy"));
}

}  // namespace
}  // namespace oxbow
