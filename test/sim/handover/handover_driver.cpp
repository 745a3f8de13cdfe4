#include "sim/handover/handover_driver.hpp"

#include <fmt/core.h>

#include <algorithm>

namespace oxbow::sim {
namespace {

using A = HandoverAction;
using namespace std::chrono_literals;

constexpr Duration kPatience = 60ms;    // for one answer
constexpr Duration kSlack = 100ms;      // until the driver has had its turns
constexpr Duration kLatencyMax = 15ms;  // of one action, and of its answer
constexpr int kActionsBehindFlip = 5;   // until writes are released

HandoverLimits limits_for(Flaw flaw, HandoverLimits limits) {
  return flaw == Flaw::no_deadline ? HandoverLimits{std::chrono::hours(1), std::chrono::hours(1)} : limits;
}

}  // namespace

HandoverDriver::HandoverDriver(Stage& stage, CohortId cohort, HandoverLimits limits, HandoverBegins begins,
                               double trouble_chance)
    : stage_(stage),
      cohort_(cohort),
      limits_(limits),
      trouble_chance_(trouble_chance),
      handover_(limits_for(stage.flaw, limits), begins, stage.now) {
  const auto& entry = stage.journal[cohort];
  bool is_flipped = entry.handover == JournalEntry::Handover::flipped;
  old_ = is_flipped ? other(entry.home) : entry.home;
  new_ = other(old_);
  epoch_ = is_flipped ? entry.epoch - 1 : entry.epoch;
  attempt_number_ = entry.attempt;
}

std::optional<HandoverAction> HandoverDriver::doing() const {
  return attempt_ ? std::optional(attempt_->action) : std::nullopt;
}

void HandoverDriver::call_back() {
  is_called_back_ = true;
}

void HandoverDriver::die() {
  if (is_draining_) stage_.store(old_).stop_draining(cohort_);
  stop_queueing();
  bool is_sent = attempt_ && !attempt_->did && attempt_->fate != Attempt::Fate::late;
  if (is_sent && stage_.random.chance(0.5)) send_late(attempt_->action);
}

// Its server carries it out when nobody waits for that any more.
void HandoverDriver::send_late(HandoverAction action) {
  auto order = order_to_guard(action);
  if (!order) return;
  auto arrives = stage_.now + kPatience + std::chrono::milliseconds(stage_.random.below(400));
  stage_.late_orders.push_back({arrives, order->first, cohort_, order->second});
}

void HandoverDriver::stop_queueing() {
  if (is_queueing_) stage_.queued_at.reset();
  is_queueing_ = false;
}

void HandoverDriver::step() {
  if (has_ended_ || must_read_journal_) return;
  check_pause();
  if (!attempt_) {
    if (std::exchange(is_called_back_, false))
      stage_.marks.hit(handover_.call_back() ? "called back" : "called back too late");
    auto action = handover_.next(stage_.now);
    if (action == A::hold && !held_) held_ = stage_.now;
    if (!action) {
      has_ended_ = true;
    } else {
      begin_attempt(*action);
    }
    return;
  }
  using Fate = Attempt::Fate;
  bool takes_effect = attempt_->fate != Fate::lost_before && attempt_->fate != Fate::late;
  if (takes_effect && !attempt_->did && stage_.now >= attempt_->takes_effect) take_effect();
  if (stage_.now >= attempt_->answered) conclude();
}

void HandoverDriver::take_effect() {
  if (!reaches(attempt_->action)) {
    stage_.marks.hit(fmt::format("cut off at {}, before its effect", name(attempt_->action)));
    attempt_->did = Did::failed;
    return;
  }
  attempt_->did = carry_out(attempt_->action);
  if (attempt_->fate == Attempt::Fate::cut_behind) cut_off();
}

void HandoverDriver::cut_off() {
  auto sides = sides_of(attempt_->action);
  if (!sides.empty()) stage_.cut_off(sides[stage_.random.below(sides.size())]);
}

void HandoverDriver::begin_attempt(HandoverAction action) {
  auto& random = stage_.random;
  auto latency = [&] {
    return random.chance(0.03) ? Duration(std::chrono::milliseconds(random.below(kLatencyMax / 1ms)))
                               : Duration(std::chrono::microseconds(random.below(1500)));
  };
  if (is_draining_ && action != A::drain) {
    stage_.store(old_).stop_draining(cohort_);
    is_draining_ = false;
  }
  if (action != A::await_others) others_.reset();
  if (action != A::install_guards) stop_queueing();
  attempt_ = Attempt{action, stage_.now + latency(), {}, Attempt::Fate::well, {}};
  attempt_->answered = attempt_->takes_effect + latency();
  bool asks_again = std::exchange(last_, action) == action;
  if (!random.chance(asks_again ? trouble_chance_ / 20 : trouble_chance_)) return;
  using Fate = Attempt::Fate;
  constexpr std::array kFates = {Fate::lost_before, Fate::answer_lost, Fate::late,
                                 Fate::cut_before,  Fate::cut_behind,  Fate::cut_behind};
  attempt_->fate = kFates[random.below(kFates.size())];
  if (attempt_->fate == Fate::answer_lost || attempt_->fate == Fate::late)
    attempt_->answered = std::max(stage_.now + kPatience, attempt_->takes_effect);
  if (attempt_->fate == Fate::late) send_late(action);
  if (attempt_->fate == Fate::cut_before) cut_off();
}

void HandoverDriver::conclude() {
  using Fate = Attempt::Fate;
  bool is_silent = attempt_->fate == Fate::lost_before || attempt_->fate == Fate::answer_lost ||
                   attempt_->fate == Fate::late;
  if (!is_silent && attempt_->did != Did::failed && !reaches(attempt_->action)) {
    stage_.marks.hit(fmt::format("cut off at {}, behind its effect", name(attempt_->action)));
    attempt_->fate = Fate::answer_lost;
    attempt_->answered = attempt_->takes_effect + kPatience;
    return;
  }
  auto attempt = *std::exchange(attempt_, std::nullopt);
  bool is_answered = !is_silent && attempt.did != Did::failed;
  if (is_silent && stage_.flaw == Flaw::silence_is_success) return handover_.succeeded(stage_.now);
  if (!is_answered) {
    stage_.marks.hit(fmt::format("{} fails", name(attempt.action)));
    has_been_slow_ = true;
    bool is_unknown = attempt.fate == Fate::answer_lost && attempt.did != Did::failed;
    if (attempt.action == A::flip && is_unknown && stage_.flaw != Flaw::flip_taken_for_lost) {
      stage_.marks.hit("nobody knows whether the flip is in the journal");
      must_read_journal_ = true;
      return;
    }
    if (stage_.flaw == Flaw::no_way_forward && handover_.is_behind_flip())
      handover_ = Handover(limits_, HandoverBegins::interrupted_before_flip, stage_.now);
    auto before = is_before_flip();
    handover_.failed({ErrorCode::connection_lost, reason_.empty() ? "no answer" : reason_});
    reason_.clear();
    if (before && !is_before_flip()) stage_.marks.hit("given up: an action failed");
    return;
  }
  if (*attempt.did == Did::not_yet) return handover_.not_yet({ErrorCode::timeout, "somebody writes"});
  handover_.succeeded(stage_.now);
  if (attempt.action == A::flip) flipped_ = stage_.now;
  if (attempt.action == A::end) stage_.marks.hit(old_ == Side::legacy ? "handed over" : "handed back");
  if (attempt.action == A::end_without_change && handover_.given_up()->code == ErrorCode::timeout)
    stage_.marks.hit("given up: a deadline has passed");
}

// Before the flip the limit is kept whatever happens; behind it nobody is waited for.
void HandoverDriver::check_pause() {
  auto is_longer = [&](std::optional<Instant> since, Duration limit) {
    return since && stage_.now - *since > limit;
  };
  if (is_before_flip() && is_longer(held_, limits_.pause_max + kPatience + kSlack))
    stage_.ledger.wrong(
        fmt::format("writes are kept for {} ms, and nothing has moved", (stage_.now - *held_) / 1ms));
  bool still_keeps = handover_.is_behind_flip() && !handover_.pause();
  if (still_keeps && !has_been_slow_ && is_longer(flipped_, kActionsBehindFlip * 2 * kLatencyMax + kSlack))
    stage_.ledger.wrong(fmt::format("writes are kept for {} ms behind the flip, and no action has failed",
                                    (stage_.now - *flipped_) / 1ms));
}

bool HandoverDriver::reaches(HandoverAction action) const {
  return std::ranges::none_of(sides_of(action), [&](Side side) { return stage_.is_cut_off(side); });
}

// What it asks the servers for; the rest is between gateway, journal and streams.
std::vector<Side> HandoverDriver::sides_of(HandoverAction action) const {
  switch (action) {
    case A::install_guards:
    case A::start_stream_back:
    case A::recheck:
    case A::advance_sequences:
      return {old_, new_};
    case A::announce:
    case A::await_others:
    case A::fence:
    case A::drain:
    case A::mark:
    case A::confirm_fence:
    case A::join_stream_back:
    case A::close_old:
    case A::reopen_old:
      return {old_};
    case A::leave_stream:
    case A::open_new:
      return {new_};
    default:
      return {};
  }
}

std::optional<std::pair<Side, GuardState>> HandoverDriver::order_to_guard(HandoverAction action) const {
  auto number = order_of(action, attempt_number_);
  switch (action) {
    case A::announce:
      return std::pair(old_, GuardState{GuardMode::near, epoch_, number});
    case A::fence:
      return std::pair(old_, GuardState{GuardMode::fenced, epoch_, number});
    case A::close_old:
      return std::pair(old_, GuardState{GuardMode::closed, epoch_ + 1, number});
    case A::open_new:
      return std::pair(new_, GuardState{GuardMode::open, epoch_ + 1, number});
    case A::reopen_old:
      return std::pair(old_, GuardState{GuardMode::open, epoch_, number});
    default:
      return std::nullopt;
  }
}

std::string HandoverDriver::marker() const {
  auto attempt = stage_.flaw == Flaw::any_marker ? 0 : attempt_number_;
  return fmt::format("{}/{}", cohort_.value(), attempt);
}

}  // namespace oxbow::sim
