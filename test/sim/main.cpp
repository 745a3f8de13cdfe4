// oxbow_sim: many seeds, or one again. `--seeds N` runs seeds S..S+N-1, shows what failed with its seed, then
// hunts each seeded bug, and fails if some situation was never reached or some bug was never found.
#include <fmt/core.h>

#include <cstdlib>
#include <string_view>
#include <utility>

#include "sim/simulation.hpp"

namespace {

using namespace oxbow::sim;

constexpr std::pair<Bug, const char*> kBugs[] = {
    {Bug::plain_watermark, "plain watermark rule"},
    {Bug::forgotten_skipped, "skipped transactions forgotten"},
    {Bug::range_apart, "range and its record committed apart"},
    {Bug::position_apart, "position committed apart from its rows"},
    {Bug::closed_ahead, "range placed ahead of the stream"},
    {Bug::settled_early, "range settled before it was committed"},
    {Bug::released_ahead, "key released from quarantine before its row is there"},
};

constexpr std::uint64_t kBugSeedsMax = 300;

bool run_seeds(std::uint64_t first, std::uint64_t count, Marks& marks) {
  std::uint64_t failures = 0;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    auto outcome = simulate({.seed = seed});
    marks.add(outcome.marks);
    if (outcome.failure.empty()) continue;
    ++failures;
    fmt::print("seed {} failed: {}\n", seed, outcome.failure);
  }
  fmt::print("{} seeds from {}: {} failed\n", count, first, failures);
  return failures == 0;
}

bool all_reached(const Marks& marks) {
  bool complete = true;
  for (const char* mark : kMarks) {
    if (marks.count(mark) == 0) fmt::print("never reached: {}\n", mark);
    complete = complete && marks.count(mark) > 0;
  }
  return complete;
}

bool hunt(Bug bug, const char* name, std::uint64_t first) {
  for (std::uint64_t seed = first; seed < first + kBugSeedsMax; ++seed) {
    auto outcome = simulate({.seed = seed, .bug = bug});
    if (outcome.failure.empty()) continue;
    fmt::print("seeded bug '{}': found by seed {}: {}\n", name, seed, outcome.failure);
    return true;
  }
  fmt::print("seeded bug '{}': NOT found in {} seeds\n", name, kBugSeedsMax);
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  std::uint64_t seeds = 200, first = 1;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::string_view(argv[i]) == "--seeds") seeds = std::strtoull(argv[i + 1], nullptr, 10);
    if (std::string_view(argv[i]) == "--seed") {
      first = std::strtoull(argv[i + 1], nullptr, 10);
      seeds = 1;
    }
  }
  Marks marks;
  bool good = run_seeds(first, seeds, marks);
  if (seeds == 1) return good ? 0 : 1;
  good = all_reached(marks) && good;
  for (auto [bug, name] : kBugs) good = hunt(bug, name, first) && good;
  return good ? 0 : 1;
}
