#include "sim/handover/plane.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <iterator>

namespace oxbow::sim {

using H = JournalEntry::Handover;

void Plane::start() {
  for (auto& stream : stage_.streams)
    if (stream.exists()) stream.start();
  stage_.gateway.start(stage_.journal, stage_.flaw == Flaw::gateway_forgets);
  for (std::uint32_t i = 0; i < kCohorts; ++i)
    if (stage_.journal[CohortId(i)].handover != H::none) take_up(CohortId(i));
}

void Plane::take_up(CohortId cohort) {
  bool is_flipped = stage_.journal[cohort].handover == H::flipped;
  bool goes_forward = is_flipped && stage_.flaw != Flaw::resumes_backwards;
  handovers_.emplace_back(
      stage_, cohort, limits_,
      goes_forward ? HandoverBegins::interrupted_behind_flip : HandoverBegins::interrupted_before_flip,
      trouble_chance_);
}

void Plane::crash() {
  for (auto& handover : handovers_) {
    if (auto action = handover.doing()) stage_.marks.hit(fmt::format("crash at {}", name(*action)));
    handover.die();
  }
  handovers_.clear();
  stage_.gateway.die();
  for (auto& stream : stage_.streams) stream.stop();
}

void Plane::begin_handover(CohortId cohort) {
  auto& entry = stage_.journal[cohort];
  bool is_under_way =
      std::ranges::any_of(handovers_, [&](const auto& each) { return each.cohort() == cohort; });
  if (is_under_way || entry.handover != H::none) return;
  entry.handover = H::begun;
  ++entry.attempt;
  handovers_.emplace_back(stage_, cohort, limits_, HandoverBegins::fresh, trouble_chance_);
}

void Plane::step_handovers() {
  if (handovers_.empty()) return;
  auto at =
      std::next(handovers_.begin(), static_cast<std::ptrdiff_t>(stage_.random.below(handovers_.size())));
  at->step();
  if (at->must_read_journal()) {
    auto cohort = at->cohort();
    at->die();
    handovers_.erase(at);
    take_up(cohort);
  } else if (at->has_ended()) {
    handovers_.erase(at);
  }
}

void Plane::call_one_back() {
  if (!handovers_.empty()) handovers_.front().call_back();
}

void Plane::server_restarted(Side side) {
  for (auto& stream : stage_.streams) {
    if (!stream.is_running()) continue;
    if (stream.source().side() != side && stream.target().side() != side) continue;
    stream.stop();
    stream.start();
  }
}

}  // namespace oxbow::sim
