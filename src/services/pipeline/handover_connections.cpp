#include "services/pipeline/handover_connections.hpp"

#include "runtime/real_clock.hpp"
#include "runtime/sleep.hpp"

namespace oxbow {
namespace {

constexpr Duration kRestMax = std::chrono::minutes(1);
constexpr Duration kLookEvery = std::chrono::seconds(5);

}  // namespace

HandoverConnections::Set HandoverConnections::lend() {
  if (auto rested = std::exchange(resting_, std::nullopt)) return *std::move(rested);
  auto of_stream = ports_.stream(Course::there);
  Set set{.new_side = of_stream.target_admin()};
  for (auto side : {Side::legacy, Side::new_side}) {
    set.guards[side] = ports_.guards(side);
    set.sequences[side] = ports_.sequences(side);
    set.readers[side] = of_stream.snapshot_reader(side);
  }
  return set;
}

void HandoverConnections::take_back(Set set, Instant now) {
  resting_ = std::move(set);
  rest_since_ = now;
}

void HandoverConnections::close_idle(Instant now) {
  if (now - rest_since_ > kRestMax) resting_.reset();
}

Task<void> HandoverConnections::run() {
  while (true) {
    CO_TRY(co_await sleep_for(kLookEvery));
    close_idle(monotonic_now());
  }
}

}  // namespace oxbow
