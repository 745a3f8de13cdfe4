#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "runtime/channel.hpp"
#include "runtime/deadline.hpp"
#include "runtime/real_clock.hpp"
#include "runtime/sleep.hpp"
#include "runtime/task_group.hpp"
#include "runtime/thread_priority.hpp"

namespace oxbow {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
namespace asio = boost::asio;

constexpr Duration kForEver = 1h;

// Runs one task to its end on a loop of its own.
template <class T>
Result<T> run(asio::io_context& io, Task<T> task) {
  Result<T> out = Err(ErrorCode::internal, "the task never ended");
  asio::co_spawn(io, run_guarded(std::move(task)),
                 [&](std::exception_ptr, Result<T> result) { out = std::move(result); });
  io.run();
  io.restart();
  return out;
}

Task<int> value_after(Duration delay, int value) {
  CO_TRY(co_await sleep_for(delay));
  co_return value;
}

TEST(Deadline, GivesTheValueOfATaskThatEndsInTime) {
  asio::io_context io;
  EXPECT_EQ(run(io, with_deadline(value_after(0ms, 7), kForEver)), 7);
}

TEST(Deadline, StopsATaskThatTakesTooLong) {
  asio::io_context io;
  auto result = run(io, with_deadline(value_after(kForEver, 7), 1ms));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::timeout);
}

TEST(Deadline, KeepsTheErrorOfATaskThatFails) {
  asio::io_context io;
  auto fails = [](Duration) -> Task<int> { co_return Err(ErrorCode::not_found, "x"); };
  EXPECT_EQ(run(io, with_deadline(fails(0ms), kForEver)).error().code, ErrorCode::not_found);
}

TEST(Deadline, AnOuterRequestToStopIsNotATimeout) {
  asio::io_context io;
  TaskGroup group(io.get_executor());
  Error seen{ErrorCode::internal, ""};
  auto inner = [&]() -> Task<void> {
    auto result = co_await with_deadline(value_after(kForEver, 1), kForEver);
    seen = result.error();
    co_return Status{};
  };
  auto outer = [&]() -> Task<void> {
    group.spawn(inner());
    CO_TRY(co_await sleep_for(1ms));
    group.cancel();
    co_return co_await group.wait();
  };
  EXPECT_TRUE(run(io, outer()));
  EXPECT_EQ(seen.code, ErrorCode::cancelled);
}

TEST(Deadline, AnExceptionOfALibraryBecomesAnError) {
  asio::io_context io;
  auto throws = []() -> Task<int> {
    throw std::runtime_error("from below");
    co_return 1;
  };
  EXPECT_EQ(run(io, with_deadline(throws(), kForEver)).error().code, ErrorCode::internal);
}

TEST(TaskGroup, WaitsForAll) {
  asio::io_context io;
  TaskGroup group(io.get_executor());
  std::vector<int> order;
  auto work = [&](Duration delay, int id) -> Task<void> {
    CO_TRY(co_await sleep_for(delay));
    order.push_back(id);
    co_return Status{};
  };
  auto main = [&]() -> Task<void> {
    group.spawn(work(20ms, 2));
    group.spawn(work(0ms, 1));
    co_return co_await group.wait();
  };
  EXPECT_TRUE(run(io, main()));
  EXPECT_THAT(order, ElementsAre(1, 2));
}

TEST(TaskGroup, TheFirstFailureStopsTheOthersAndIsReported) {
  asio::io_context io;
  TaskGroup group(io.get_executor());
  bool cleaned_up = false;
  auto waits = [&]() -> Task<void> {
    auto status = co_await sleep_for(kForEver);
    // What is awaited after the request to stop still works: clean-up needs it.
    asio::steady_timer timer(co_await asio::this_coro::executor, 1ms);
    auto [error] = co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
    cleaned_up = !error;
    co_return status;
  };
  auto fails = [&]() -> Task<void> {
    CO_TRY(co_await sleep_for(1ms));
    co_return Err(ErrorCode::not_found, "gone");
  };
  auto main = [&]() -> Task<void> {
    group.spawn(waits());
    group.spawn(fails());
    co_return co_await group.wait();
  };
  auto status = run(io, main());
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error(), (Error{ErrorCode::not_found, "gone"}));
  EXPECT_TRUE(cleaned_up);
}

TEST(TaskGroup, ARequestToTheWaiterStopsTheTasksAndStillWaitsForThem) {
  asio::io_context io;
  TaskGroup inner(io.get_executor());
  TaskGroup outer(io.get_executor());
  std::vector<std::string> order;
  auto leaf = [&]() -> Task<void> {
    auto status = co_await sleep_for(kForEver);
    order.push_back("leaf ended");
    co_return status;
  };
  auto middle = [&]() -> Task<void> {
    inner.spawn(leaf());
    auto status = co_await inner.wait();
    order.push_back("waiter ended: " + std::string(name(status.error().code)));
    co_return status;
  };
  auto main = [&]() -> Task<void> {
    outer.spawn(middle());
    CO_TRY(co_await sleep_for(1ms));
    outer.cancel();
    co_return co_await outer.wait();
  };
  EXPECT_TRUE(run(io, main()));
  EXPECT_THAT(order, ElementsAre("leaf ended", "waiter ended: cancelled"));
}

TEST(TaskGroup, ATaskSpawnedAfterCancelDoesNotRun) {
  asio::io_context io;
  TaskGroup group(io.get_executor());
  bool ran = false;
  auto work = [&]() -> Task<void> {
    ran = true;
    co_return Status{};
  };
  auto main = [&]() -> Task<void> {
    group.cancel();
    group.spawn(work());
    co_return co_await group.wait();
  };
  EXPECT_TRUE(run(io, main()));
  EXPECT_FALSE(ran);
}

TEST(Channel, AFullChannelMakesItsSenderWait) {
  asio::io_context io;
  Channel<int> channel(io.get_executor(), 1);
  TaskGroup group(io.get_executor());
  std::vector<std::string> order;
  auto sender = [&]() -> Task<void> {
    for (int i = 1; i <= 3; ++i) {
      CO_TRY(co_await channel.send(i));
      order.push_back("sent " + std::to_string(i));
    }
    channel.close();
    co_return Status{};
  };
  auto receiver = [&]() -> Task<void> {
    CO_TRY(co_await sleep_for(5ms));
    order.push_back("receiving");
    while (auto value = CO_TRY(co_await channel.receive())) order.push_back("got " + std::to_string(*value));
    order.push_back("closed");
    co_return Status{};
  };
  auto main = [&]() -> Task<void> {
    group.spawn(sender());
    group.spawn(receiver());
    co_return co_await group.wait();
  };
  EXPECT_TRUE(run(io, main()));
  EXPECT_EQ(order.front(), "sent 1");
  EXPECT_EQ(order[1], "receiving");
  EXPECT_EQ(order.back(), "closed");
  EXPECT_EQ(std::count(order.begin(), order.end(), "got 3"), 1);
}

TEST(Channel, AReceiverCanBeAskedToStop) {
  asio::io_context io;
  Channel<int> channel(io.get_executor(), 1);
  TaskGroup group(io.get_executor());
  Error seen{ErrorCode::internal, ""};
  auto receiver = [&]() -> Task<void> {
    auto value = co_await channel.receive();
    seen = value.error();
    co_return Status{};
  };
  auto main = [&]() -> Task<void> {
    group.spawn(receiver());
    CO_TRY(co_await sleep_for(1ms));
    group.cancel();
    co_return co_await group.wait();
  };
  EXPECT_TRUE(run(io, main()));
  EXPECT_EQ(seen.code, ErrorCode::cancelled);
}

TEST(RealClock, MovesForward) {
  auto before = monotonic_now();
  EXPECT_GE(monotonic_now(), before);
  EXPECT_GT(wall_now(), WallTime(std::chrono::sys_days{std::chrono::year(2024) / 1 / 1}));
}

TEST(ThreadPriority, OnlyTheThreadThatAsksForItGoesBehindOthers) {
  int of_thread = 0;
  std::thread([&] {
    let_others_go_first();
    of_thread = ::sched_getscheduler(0);
  }).join();
  EXPECT_EQ(of_thread, SCHED_BATCH);
  EXPECT_EQ(::sched_getscheduler(0), SCHED_OTHER);
}

}  // namespace
}  // namespace oxbow
