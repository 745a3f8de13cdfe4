// oxbow_sim: many seeds, or one again. `--seeds N` runs seeds S..S+N-1 of each world, shows what failed with
// its seed, then hunts each seeded bug, and fails if some situation was never reached or some bug was never
// found.
#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <span>
#include <string_view>
#include <utility>

#include "sim/handover/campaign.hpp"
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

constexpr const char* kCounted[] = {"handed over", "handed back", "given up: a deadline has passed",
                                    "given up: an action failed"};

constexpr std::uint64_t kBugSeedsMax = 300;

// One of the two worlds: how it is run, and what a campaign must show.
template <class Flaw>
struct World {
  const char* name;
  Outcome (*run)(std::uint64_t seed, Flaw flaw);
  std::span<const char* const> marks;
  std::span<const std::pair<Flaw, const char*>> flaws;
  std::span<const char* const> counted;  // marks whose number says how much happened
};

constexpr World<Bug> kDataPlane{
    "data plane",
    [](std::uint64_t seed, Bug bug) { return simulate({.seed = seed, .bug = bug}); },
    kMarks,
    kBugs,
    {}};

constexpr World<Flaw> kHandovers{
    "handovers",
    [](std::uint64_t seed, Flaw flaw) { return simulate_handovers({.seed = seed, .flaw = flaw}); },
    kHandoverMarks, kFlaws, kCounted};

template <class Flaw>
bool run_seeds(const World<Flaw>& world, std::uint64_t first, std::uint64_t count, Marks& marks) {
  std::uint64_t failures = 0;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    auto outcome = world.run(seed, Flaw::none);
    marks.add(outcome.marks);
    if (outcome.failure.empty()) continue;
    ++failures;
    fmt::print("{}: seed {} failed: {}\n", world.name, seed, outcome.failure);
  }
  fmt::print("{}: {} seeds from {}: {} failed\n", world.name, count, first, failures);
  return failures == 0;
}

template <class Flaw>
bool all_reached(const World<Flaw>& world, const Marks& marks) {
  auto is_reached = [&](const char* mark) { return marks.count(mark) > 0; };
  for (const char* mark : world.marks) {
    if (!is_reached(mark)) fmt::print("{}: never reached: {}\n", world.name, mark);
  }
  auto reached = std::ranges::count_if(world.marks, is_reached);
  const char* rarest = std::ranges::min(world.marks, {}, [&](const char* mark) { return marks.count(mark); });
  fmt::print("{}: {} of {} situations reached, the rarest {} times: {}\n", world.name, reached,
             world.marks.size(), marks.count(rarest), rarest);
  for (const char* mark : world.counted)
    fmt::print("{}: {} times: {}\n", world.name, marks.count(mark), mark);
  return reached == std::ssize(world.marks);
}

template <class Flaw>
bool hunt(const World<Flaw>& world, Flaw flaw, const char* name, std::uint64_t first) {
  for (std::uint64_t seed = first; seed < first + kBugSeedsMax; ++seed) {
    auto outcome = world.run(seed, flaw);
    if (outcome.failure.empty()) continue;
    fmt::print("seeded bug '{}': found by seed {}, after {} seeds: {}\n", name, seed, seed - first,
               outcome.failure);
    return true;
  }
  fmt::print("seeded bug '{}': NOT found in {} seeds\n", name, kBugSeedsMax);
  return false;
}

template <class Flaw>
bool campaign(const World<Flaw>& world, std::uint64_t first, std::uint64_t seeds) {
  Marks marks;
  bool good = run_seeds(world, first, seeds, marks);
  if (seeds == 1) return good;
  good = all_reached(world, marks) && good;
  for (auto [flaw, name] : world.flaws) good = hunt(world, flaw, name, first) && good;
  return good;
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
  bool good = campaign(kDataPlane, first, seeds);
  good = campaign(kHandovers, first, seeds) && good;
  return good ? 0 : 1;
}
