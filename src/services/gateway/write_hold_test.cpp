#include "services/gateway/write_hold.hpp"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "runtime/real_clock.hpp"
#include "runtime/sleep.hpp"

namespace oxbow {
namespace {

using namespace std::chrono_literals;

class WriteHoldTest : public testing::Test {
 protected:
  // What becomes of a write that waits, and after how long.
  std::pair<Status, Duration> wait(std::uint64_t seen, Duration patience) {
    Status outcome;
    auto began = monotonic_now();
    boost::asio::co_spawn(io, hold.wait(seen, patience),
                          [&](std::exception_ptr, Status ended) { outcome = ended; });
    io.restart();
    io.run();
    return {outcome, monotonic_now() - began};
  }
  void run_users() {
    io.restart();
    io.run();
  }

  boost::asio::io_context io;
  WriteHold hold{io.get_executor()};
  const Scope pilot{"payment", "pilot"}, rest{"payment", "rest"};
};

TEST_F(WriteHoldTest, AWriteWaitsUntilTheRoutingChanges) {
  auto change = [&]() -> Task<void> {
    CO_TRY(co_await sleep_for(20ms));
    hold.routing_changed();
    co_return Status{};
  };
  boost::asio::co_spawn(io, change(), [](std::exception_ptr, Status) {});
  auto [outcome, took] = wait(hold.seen(), 10s);
  EXPECT_TRUE(outcome);
  EXPECT_LT(took, 5s);
}

// Decided by the routing before, and the new one comes into force before the write has begun to wait.
TEST_F(WriteHoldTest, AChangeBetweenTheDecisionAndTheWaitIsNotMissed) {
  auto seen = hold.seen();
  hold.routing_changed();
  run_users();
  EXPECT_TRUE(wait(seen, 10s).first);
}

TEST_F(WriteHoldTest, AWriteDoesNotWaitForEver) {
  auto [outcome, took] = wait(hold.seen(), 20ms);
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::timeout);
}

TEST_F(WriteHoldTest, WritesUnderWayAreCountedByCohortUntilTheyAreOver) {
  {
    WriteHold::Passage one(hold, pilot);
    auto other = WriteHold::Passage(hold, pilot);
    EXPECT_EQ(hold.under_way(pilot), 2u);
    EXPECT_EQ(hold.under_way(rest), 0u);
    one = std::move(other);
    EXPECT_EQ(hold.under_way(pilot), 1u);
  }
  EXPECT_EQ(hold.under_way(pilot), 0u);
}

TEST_F(WriteHoldTest, AWriteThatDoesNotTellItsCohortMayBeOfAny) {
  WriteHold::Passage passage(hold, {"payment", ""});
  EXPECT_EQ(hold.under_way(pilot), 1u);
  EXPECT_EQ(hold.under_way({"order", "all"}), 0u);
}

// Whatever was decided before has its passage only when the users' thread has come round.
TEST_F(WriteHoldTest, OnlyTheUsersThreadCanTellThatNothingIsDecidedByTheOldRoutingAnyMore) {
  auto change = hold.routing_changed();
  EXPECT_FALSE(hold.knows_all_before(change));
  run_users();
  EXPECT_TRUE(hold.knows_all_before(change));
}

}  // namespace
}  // namespace oxbow
