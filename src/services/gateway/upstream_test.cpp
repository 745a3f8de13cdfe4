#include "services/gateway/upstream.hpp"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <functional>
#include <map>
#include <string>

#include "runtime/real_clock.hpp"
#include "runtime/sleep.hpp"
#include "runtime/task_group.hpp"

namespace oxbow {
namespace {

using namespace std::chrono_literals;

struct RefusingDialer final : Dialer {
  Task<std::unique_ptr<ByteStream>> connect(const ServiceAddress&) override {
    CO_TRY(co_await sleep_for(1ms));
    co_return Err(ErrorCode::unreachable, "refused");
  }
};

Task<void> try_to_connect(Upstream& upstream) {
  co_await upstream.connect();
  co_return Status{};
}

// Takes every connection, and whatever is asked on it fails or is answered as the test has it.
struct QuietStream final : ByteStream {
  Task<void> shake_hands() override { co_return Status{}; }
  Task<std::size_t> read_some(std::span<char>) override { co_return 0; }
  Task<void> write(std::string_view) override { co_return Status{}; }
  std::size_t write_now(std::string_view bytes) override { return bytes.size(); }
  Task<void> shutdown_write() override { co_return Status{}; }
  bool is_quiet() override { return true; }
  void close(bool) override {}
  std::string_view peer_address() const override { return "unix"; }
  bool is_encrypted() const override { return false; }
  std::string_view application_protocol() const override { return {}; }
};

struct TakingDialer final : Dialer {
  std::string asked;  // last

  Task<std::unique_ptr<ByteStream>> connect(const ServiceAddress& address) override {
    asked = address.at.host;
    co_return std::unique_ptr<ByteStream>(std::make_unique<QuietStream>());
  }
};

class UpstreamAnswers : public testing::Test {
 protected:
  static ServiceAddress at(std::string host) {
    ServiceAddress address;
    address.at.host = std::move(host);
    return address;
  }

  // Each address in its turn; `answers` says who answers. How often each was asked.
  std::map<std::string, int> ask(Upstream& upstream, int times,
                                 const std::function<bool(const std::string&)>& answers) {
    std::map<std::string, int> asked;
    for (int i = 0; i < times; ++i) {
      TaskGroup group(io.get_executor());
      group.spawn([](Upstream& to, TakingDialer& by, const auto& says) -> Task<void> {
        auto lease = CO_TRY(co_await to.connect());
        says(by.asked) ? lease.succeeded() : lease.failed();
        co_return Status{};
      }(upstream, dialer, answers));
      io.restart();
      io.run();
      ++asked[dialer.asked];
    }
    return asked;
  }

  boost::asio::io_context io;
  Deadlines deadlines;
  TakingDialer dialer;
};

TEST_F(UpstreamAnswers, ThatFailTakeTheOnlyAddressFromNobody) {
  Upstream upstream(dialer, deadlines, {at("one")}, {});
  EXPECT_EQ(ask(upstream, 100, [](const auto&) { return false; })["one"], 100);
  EXPECT_TRUE(upstream.is_available());
  EXPECT_FALSE(upstream.addresses()[0].is_left_alone);
  EXPECT_TRUE(upstream.addresses()[0].is_failing);
  ask(upstream, 1, [](const auto&) { return true; });
  EXPECT_FALSE(upstream.addresses()[0].is_failing);
}

TEST_F(UpstreamAnswers, ThatFailEverywhereTakeNoAddressAway) {
  Upstream upstream(dialer, deadlines, {at("one"), at("two")}, {});
  auto asked = ask(upstream, 100, [](const auto&) { return false; });
  EXPECT_EQ(asked["one"], 50);
  EXPECT_EQ(asked["two"], 50);
}

TEST_F(UpstreamAnswers, ThatFailNowAndThenTakeNoAddressAway) {
  Upstream upstream(dialer, deadlines, {at("one"), at("two")}, {});
  int i = 0;
  auto asked = ask(upstream, 100, [&](const auto& host) { return host == "two" || ++i % 2 == 0; });
  EXPECT_EQ(asked["one"], 50);
}

TEST_F(UpstreamAnswers, ThatMostlyFailAtOneAddressLeaveItAloneForAnother) {
  Upstream upstream(dialer, deadlines, {at("one"), at("two")}, {});
  auto only_two = [](const auto& host) { return host == "two"; };
  EXPECT_EQ(ask(upstream, 100, only_two)["one"], 5);
  EXPECT_TRUE(upstream.addresses()[0].is_left_alone);
  EXPECT_TRUE(upstream.is_available());
}

TEST_F(UpstreamAnswers, ThatFailInARowLeaveAnAddressAloneThatNobodyNeeds) {
  Upstream upstream(dialer, deadlines, {at("one")}, {.is_needed = false});
  ask(upstream, 5, [](const auto&) { return false; });
  EXPECT_FALSE(upstream.is_available());
}

// Who is away for long is asked once a second: waiting longer would keep users from it when it is back.
TEST(Upstream, TheOnlyAddressIsLeftAloneForAMomentHoweverLongItIsAway) {
  boost::asio::io_context io;
  Deadlines deadlines;
  RefusingDialer dialer;
  Upstream upstream(dialer, deadlines, {ServiceAddress{}}, {});
  TaskGroup group(io.get_executor());
  group.spawn(deadlines.run());
  for (int time_away = 0; time_away < 3; ++time_away) {
    for (int asked = 0; asked < 5; ++asked) group.spawn(try_to_connect(upstream));
    auto began = monotonic_now();
    while (upstream.is_available() && monotonic_now() - began < 10s) io.run_one_for(100ms);
    began = monotonic_now();
    while (!upstream.is_available() && monotonic_now() - began < 10s) io.run_one_for(100ms);
    EXPECT_LT(monotonic_now() - began, 1500ms) << time_away;
  }
  group.cancel();
  io.run();
}

// A service that restarts fails all that it was asked just then.
TEST(Upstream, ManyThatFailAtOnceLeaveAnAddressAloneNoLongerThanOne) {
  boost::asio::io_context io;
  Deadlines deadlines;
  RefusingDialer dialer;
  Upstream upstream(dialer, deadlines, {ServiceAddress{}}, {});
  TaskGroup group(io.get_executor());
  group.spawn(deadlines.run());
  for (int asked = 0; asked < 30; ++asked) group.spawn(try_to_connect(upstream));
  auto began = monotonic_now();
  auto run_until = [&](bool is_available) {
    while (upstream.is_available() != is_available && monotonic_now() - began < 10s) io.run_one_for(100ms);
  };
  run_until(false);
  EXPECT_FALSE(upstream.is_available());
  run_until(true);
  EXPECT_LT(monotonic_now() - began, 1500ms);
  group.cancel();
  io.run();
}

}  // namespace
}  // namespace oxbow
