#include "services/gateway/shadows.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <deque>
#include <thread>
#include <vector>

#include "runtime/real_clock.hpp"
#include "runtime/sleep.hpp"
#include "services/gateway/shadow_runner.hpp"
#include "support/routing_of.hpp"

namespace oxbow {
namespace {

using namespace std::chrono_literals;
using testing::Each;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

std::string answer_of(std::size_t bytes) {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(bytes) + "\r\n\r\n" + std::string(bytes, 'x');
}

const int kFailuresMax = UpstreamLimits{}.failures_max;

// A service that says one thing to whatever it is asked.
class SayingStream final : public ByteStream {
 public:
  explicit SayingStream(std::string text, std::function<void()> on_read)
      : text_(std::move(text)), on_read_(std::move(on_read)) {}

  Task<std::size_t> read_some(std::span<char> into) override {
    // What has come already cannot be called back.
    co_await boost::asio::post(co_await boost::asio::this_coro::executor, boost::asio::use_awaitable);
    if (on_read_) on_read_();
    auto bytes = text_.copy(into.data(), std::min<std::size_t>(into.size(), 1000));
    text_.erase(0, bytes);
    co_return bytes;
  }
  Task<void> shake_hands() override { co_return Status{}; }
  Task<void> write(std::string_view) override { co_return Status{}; }
  std::size_t write_now(std::string_view bytes) override { return bytes.size(); }
  Task<void> shutdown_write() override { co_return Status{}; }
  bool is_quiet() override { return true; }
  void close(bool) override {}
  std::string_view peer_address() const override { return "unix"; }
  bool is_encrypted() const override { return false; }
  std::string_view application_protocol() const override { return {}; }

 private:
  std::string text_;
  std::function<void()> on_read_;
};

struct SayingDialer final : Dialer {
  std::string text;
  std::function<void()> on_read;
  bool refuses = false;
  Duration takes = 1ms;
  int dialling = 0;
  int dialling_max = 0;

  Task<std::unique_ptr<ByteStream>> connect(const ServiceAddress&) override {
    dialling_max = std::max(dialling_max, ++dialling);
    CO_TRY(co_await sleep_for(takes));
    --dialling;
    if (refuses) co_return Err(ErrorCode::unreachable, "refused");
    co_return std::unique_ptr<ByteStream>(std::make_unique<SayingStream>(text, on_read));
  }
};

class ShadowsTest : public testing::Test {
 protected:
  // Legacy has answered, and the other side is asked; then legacy once more.
  void shadow_with_twin() {
    submit(true);
    io.run();
  }

  ShadowSkip submit(const RequestHead& request, const Destination& destination) {
    auto copy = shadows.begin(destination);
    copy->add(copy->answer.head, "HTTP/1.1 200 OK\r\n\r\n");
    return shadows.submit(std::move(copy), destination, request, {});
  }

  void submit(bool takes_twin, Side answered_by = Side::legacy, std::size_t route = 0) {
    Destination destination{.side = answered_by,
                            .shadow_skip = ShadowSkip::none,
                            .takes_twin = takes_twin,
                            .route = route,
                            .routing = routing_of_all(std::vector<Route>(2))};
    ASSERT_EQ(submit({.method = "GET", .target = "/a", .host = "h"}, destination), ShadowSkip::none);
  }

  void run_until(const std::function<bool()>& fact) {
    io.restart();
    auto began = monotonic_now();
    while (!fact() && monotonic_now() - began < 5s) io.run_one_for(100ms);
    EXPECT_TRUE(fact());
  }

  boost::asio::io_context io;
  Deadlines deadlines;
  SayingDialer legacy, new_side;
  Upstreams upstreams{.legacy = Upstream(legacy, deadlines, {ServiceAddress{}}, {.is_needed = false}),
                      .new_side = Upstream(new_side, deadlines, {ServiceAddress{}}, {.is_needed = false})};
  std::vector<std::unique_ptr<ShadowCopy>> pairs;
  std::vector<std::string> failed;  // what the user was answered
  std::vector<ShadowSkip> skipped;
  std::function<bool()> users_wait = [] { return false; };
  int users_at_legacy = 0;
  ShadowRunner runner{
      {.executor = io.get_executor(),
       .upstreams = upstreams,
       .deadlines = deadlines,
       .body_bytes_max = 7000,
       .connections_max = 1,
       .users_wait = [this] { return users_wait(); },
       .asked_by_users = [this](Side side) { return side == Side::legacy ? users_at_legacy : 0; },
       .on_pair =
           [this](auto copy) {
             if (copy->failure == ShadowSkip::none) return pairs.push_back(std::move(copy));
             skipped.push_back(copy->failure);
             failed.push_back(copy->answer.head);
           },
       .on_skip = [this](const auto&, ShadowSkip why) { skipped.push_back(why); }}};
  Shadows shadows{8000, 7000, [this](Side side) { return runner.refuses(side); },
                  [this](auto copy) { runner.take(std::move(copy)); },
                  [this](const auto&, std::size_t, ShadowSkip why) { skipped.push_back(why); }};
};

TEST_F(ShadowsTest, APairIsHandedOverWithItsTwin) {
  new_side.text = answer_of(1000);
  legacy.text = answer_of(2000);
  shadow_with_twin();
  ASSERT_EQ(pairs.size(), 1u);
  EXPECT_EQ(pairs[0]->shadow_answer.body.size(), 1000u);
  EXPECT_EQ(pairs[0]->twin_answer.body.size(), 2000u);
  EXPECT_THAT(skipped, IsEmpty());
}

TEST_F(ShadowsTest, TwinAndShadowAreAskedInAnOrderThatAlternates) {
  new_side.text = legacy.text = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
  std::string order;
  legacy.on_read = [&] { order += 'l'; };
  new_side.on_read = [&] { order += 'n'; };
  for (int i = 0; i < 4; ++i) {
    submit(true);
    run_until([&] { return pairs.size() == 1; });
    EXPECT_TRUE(pairs[0]->is_asked_alike);
    EXPECT_TRUE(pairs[0]->shadow_answer.took && pairs[0]->twin_answer.took);
    pairs.clear();
  }
  EXPECT_EQ(order, "nllnnlln");
}

TEST_F(ShadowsTest, TheOrderAlternatesForEachRoute) {
  new_side.text = legacy.text = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
  std::array<std::string, 2> orders;
  std::size_t route = 0;
  legacy.on_read = [&] { orders[route] += 'l'; };
  new_side.on_read = [&] { orders[route] += 'n'; };
  for (int i = 0; i < 4; ++i, route = 1 - route) {
    submit(true, Side::legacy, route);
    run_until([&] { return pairs.size() == 1; });
    pairs.clear();
  }
  EXPECT_THAT(orders, ElementsAre("nlln", "nlln"));
}

TEST_F(ShadowsTest, AShadowAloneIsNotAskedAlikeATwinAmongUsers) {
  new_side.text = legacy.text = answer_of(10);
  users_at_legacy = 1;
  for (int i = 0; i < 2; ++i) {
    submit(true);
    run_until([&] { return pairs.size() == 1; });
    EXPECT_FALSE(pairs[0]->is_asked_alike);
    pairs.clear();
  }
}

TEST_F(ShadowsTest, MoreThanThereAreConnectionsForAreAskedOneAfterTheOther) {
  new_side.text = answer_of(10);
  for (int i = 0; i < 3; ++i) submit(false);
  io.run();
  EXPECT_THAT(pairs, SizeIs(3));
  EXPECT_EQ(new_side.dialling_max, 1);
}

TEST_F(ShadowsTest, AShadowBeginsBehindTheUsersWhoWait) {
  new_side.text = answer_of(10);
  int looks = 0;
  users_wait = [&] {
    if (++looks <= 4) EXPECT_EQ(new_side.dialling_max, 0);
    return looks < 4;
  };
  submit(false);
  io.run();
  EXPECT_THAT(pairs, SizeIs(1));
  EXPECT_GE(looks, 4);
}

TEST_F(ShadowsTest, AShadowDoesNotWaitForUsersWithoutEnd) {
  new_side.text = answer_of(10);
  users_wait = [&] { return pairs.empty(); };
  submit(false);
  io.run();
  EXPECT_THAT(pairs, SizeIs(1));
}

TEST_F(ShadowsTest, ASideThatIsLeftAloneDoesNotDelayTheShadowsOfTheOther) {
  legacy.refuses = true;
  new_side.text = answer_of(10);
  for (int asked = 0; asked <= kFailuresMax; ++asked) {
    submit(false, Side::new_side);
    run_until([&] { return std::cmp_greater(skipped.size(), asked); });
  }
  ASSERT_EQ(runner.refuses(Side::legacy), ShadowSkip::left_alone);
  auto began = monotonic_now();
  for (int asked = 0; asked < 10; ++asked) {
    submit(false);
    run_until([&] { return !pairs.empty(); });
    pairs.clear();
  }
  EXPECT_LT(monotonic_now() - began, 250ms);
}

TEST_F(ShadowsTest, ASideThatFailsToAnswerIsHandedOverWithTheAnswerOfTheUser) {
  new_side.refuses = true;
  submit(false);
  run_until([&] { return !skipped.empty(); });
  new_side.refuses = false;
  new_side.text = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf";
  submit(false);
  run_until([&] { return skipped.size() == 2; });
  EXPECT_THAT(skipped, ElementsAre(ShadowSkip::unreachable, ShadowSkip::broken_off));
  EXPECT_THAT(failed, ElementsAre("HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"));
}

TEST_F(ShadowsTest, ASideThatIsNotAskedOrSaysTooMuchHasNotFailed) {
  new_side.text = answer_of(8000);
  for (int asked = 0; asked <= kFailuresMax; ++asked) {
    submit(false);
    run_until([&] { return std::cmp_greater(skipped.size(), asked); });
  }
  EXPECT_THAT(skipped, testing::Contains(ShadowSkip::left_alone));
  EXPECT_THAT(failed, IsEmpty());
}

TEST_F(ShadowsTest, ASideThatCouldNotKeepPaceIsLookedAtAgainSoon) {
  new_side.text = answer_of(10);
  new_side.takes = 300ms;
  auto began = monotonic_now();
  submit(false);
  submit(false);
  run_until([&] { return runner.refuses(Side::new_side) == ShadowSkip::connections; });
  EXPECT_THAT(skipped, ElementsAre(ShadowSkip::connections));
  run_until([&] { return runner.refuses(Side::new_side) == ShadowSkip::none; });
  EXPECT_THAT(pairs, SizeIs(1));
  EXPECT_LT(monotonic_now() - began, 450ms);
}

TEST_F(ShadowsTest, ASideThatOnlySaysTooMuchIsLeftAlone) {
  new_side.text = answer_of(8000);
  for (int asked = 0; asked <= kFailuresMax; ++asked) {
    submit(false);
    run_until([&] { return std::cmp_greater(skipped.size(), asked); });
  }
  EXPECT_EQ(std::exchange(skipped.back(), ShadowSkip::answer_too_large), ShadowSkip::left_alone);
  EXPECT_THAT(skipped, Each(ShadowSkip::answer_too_large));
}

// What befalls one must not befall the others.
TEST_F(ShadowsTest, AShadowThatAnExceptionEndsIsCountedAndEndsNoOther) {
  new_side.text = answer_of(10);
  new_side.on_read = [] { throw std::runtime_error("out of a library"); };
  submit(false);
  run_until([&] { return !skipped.empty(); });
  EXPECT_THAT(skipped, ElementsAre(ShadowSkip::broken_off));
  new_side.on_read = {};
  submit(false);
  run_until([&] { return !pairs.empty(); });
}

TEST_F(ShadowsTest, ASecondLookThatAnExceptionEndsIsNoneAndEndsNoOther) {
  new_side.text = legacy.text = answer_of(10);
  submit(false);
  run_until([&] { return !pairs.empty(); });
  new_side.on_read = [] { throw std::runtime_error("out of a library"); };
  runner.look_again(std::move(pairs.back()), 1ms);
  pairs.clear();
  run_until([&] { return !pairs.empty() || !skipped.empty(); });
  EXPECT_THAT(skipped, IsEmpty());
  EXPECT_EQ(pairs.at(0)->look, ShadowCopy::Look::only);
  EXPECT_EQ(pairs.at(0)->shadow_answer.body.size(), 10u);
  new_side.on_read = {};
  submit(false);
  run_until([&] { return pairs.size() == 2; });
}

TEST_F(ShadowsTest, AShadowWhoseAnswerIsComingStopsWithTheRunner) {
  new_side.text = answer_of(5000);
  TaskGroup stopping(io.get_executor());
  int reads_since = 0;
  new_side.on_read = [&] {
    if (stopping.running() == 0) stopping.spawn(runner.stop());
    ++reads_since;
  };
  submit(false);
  io.run();
  EXPECT_THAT(pairs, IsEmpty());
  EXPECT_THAT(failed, IsEmpty()) << "it was stopped";
  EXPECT_LE(reads_since, 2);
}

TEST_F(ShadowsTest, TheHeadOfARequestNeedsRoomAsAllElseDoes) {
  Destination destination{.shadow_skip = ShadowSkip::none, .route = 0, .routing = routing_of({})};
  RequestHead request{.method = "GET", .target = "/a", .host = "h"};
  std::string large(3000, 'x');
  request.fields = {{"Cookie", large}};
  EXPECT_EQ(submit(request, destination), ShadowSkip::none);
  EXPECT_GT(shadows.memory_bytes(), 2048 + large.size());
  EXPECT_EQ(submit(request, destination), ShadowSkip::budget);
  EXPECT_LT(shadows.memory_bytes(), 2 * large.size());
}

// What has no room takes the first two answers with it, and two answers that are gone look equal.
TEST_F(ShadowsTest, APairWhoseTwinFindsNoRoomIsNotCompared) {
  new_side.text = answer_of(3000);
  legacy.text = answer_of(5000);
  shadow_with_twin();
  EXPECT_THAT(pairs, IsEmpty());
  EXPECT_THAT(skipped, ElementsAre(ShadowSkip::budget));
}

TEST_F(ShadowsTest, APairWhoseTwinIsTooLargeIsNotCompared) {
  new_side.text = answer_of(10);
  legacy.text = answer_of(8000);
  shadow_with_twin();
  EXPECT_THAT(pairs, IsEmpty());
  EXPECT_THAT(skipped, ElementsAre(ShadowSkip::body_too_large));
}

TEST(ShadowBudget, WhatTwoThreadsTakeAtOnceIsTakenOnce) {
  constexpr int kBudgets = 1'000'000;
  std::deque<ShadowBudget> budgets;
  for (int i = 0; i < kBudgets; ++i) budgets.emplace_back(1);
  std::atomic<int> taken = 0;
  auto take_all = [&] {
    int mine = 0;
    for (auto& budget : budgets) mine += budget.take(1);
    taken += mine;
  };
  std::thread other(take_all);
  take_all();
  other.join();
  EXPECT_EQ(taken, kBudgets);
}

}  // namespace
}  // namespace oxbow
