#include "services/gateway/judge.hpp"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>

namespace oxbow {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

std::set<std::filesystem::path> threads() {
  std::set<std::filesystem::path> found;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task")) found.insert(entry.path());
  return found;
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
TEST(Judge, IsWokenOnceForMuchThatComesInAMoment) {
  constexpr int kOffers = 400;
  auto others = threads();
  Judge judge({.now = [] { return WallTime{}; }, .ask_again = {}});
  std::filesystem::path thread;
  for (const auto& each : threads())
    if (!others.contains(each)) thread = each;
  auto routing = std::make_shared<Routing>();
  routing->routes = std::make_shared<Routes>(Routes{.table = {}, .rules = {}, .texts = {"GET /a"}});

  auto slept_before = sleeps_of(thread);
  auto began = Clock::now();
  for (int i = 0; i < kOffers; ++i) {
    judge.skipped(routing, 0, ShadowSkip::timeout);
    pause_for(500us);
  }
  auto slept = sleeps_of(thread) - slept_before;
  auto moments = (Clock::now() - began) / 10ms + 1;
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

}  // namespace
}  // namespace oxbow
