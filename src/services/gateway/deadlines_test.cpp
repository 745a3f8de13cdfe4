#include "services/gateway/deadlines.hpp"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <optional>

#include "runtime/real_clock.hpp"
#include "runtime/task_group.hpp"

namespace oxbow {
namespace {

using namespace std::chrono_literals;

// What is set right before a look, when the one before is long ago, has its whole time all the same.
TEST(Deadlines, NoneComesEarly) {
  boost::asio::io_context io;
  Deadlines deadlines;
  TaskGroup group(io.get_executor());
  group.spawn(deadlines.run());
  std::optional<Instant> came;
  Deadline deadline(deadlines, [&] { came = monotonic_now(); });
  io.run_for(90ms);
  auto set_at = monotonic_now();
  deadline.set(50ms);
  while (!came && monotonic_now() - set_at < 10s) io.run_one_for(100ms);
  ASSERT_TRUE(came);
  EXPECT_GE(*came - set_at, 50ms);
  EXPECT_TRUE(deadline.has_expired());
  group.cancel();
  io.run();
}

}  // namespace
}  // namespace oxbow
