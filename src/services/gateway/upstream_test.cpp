#include "services/gateway/upstream.hpp"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>

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
