#include "sim/handover/handover_driver.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <limits>

#include "core/sequence/next_number.hpp"

namespace oxbow::sim {
namespace {

using A = HandoverAction;
using namespace std::chrono_literals;

constexpr Duration kPatience = 60ms;    // for one answer
constexpr Duration kSlack = 100ms;      // until the driver has had its turns
constexpr Duration kLatencyMax = 15ms;  // of one action, and of its answer
constexpr int kActionsBehindFlip = 5;   // until writes are released

NumberedColumn numbered(const SideStore& store) {
  NumberedColumn column{.table = {"", "payment"}, .column = "number", .sequence = "numbers"};
  column.last_given = store.numbers.last_given();
  column.largest_possible = std::numeric_limits<std::int64_t>::max();
  if (!store.rows().empty()) column.largest_row = store.rows().rbegin()->first;
  return column;
}

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
  if (is_queueing_) stage_.installing = false;
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
  bool takes_effect = attempt_->fate == Fate::well || attempt_->fate == Fate::answer_lost;
  if (takes_effect && !attempt_->did && stage_.now >= attempt_->takes_effect) {
    bool fails = !reaches(attempt_->action);
    attempt_->did = fails ? Did::failed : carry_out(attempt_->action);
    if (fails) stage_.marks.hit("a server cannot be reached");
  }
  if (stage_.now >= attempt_->answered) conclude();
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
  constexpr std::array kFates = {Attempt::Fate::lost_before, Attempt::Fate::answer_lost, Attempt::Fate::late};
  attempt_->fate = kFates[random.below(kFates.size())];
  if (attempt_->fate != Attempt::Fate::lost_before) attempt_->answered = stage_.now + kPatience;
  if (attempt_->fate == Attempt::Fate::answer_lost)
    attempt_->answered = std::max(attempt_->answered, attempt_->takes_effect);
  if (attempt_->fate == Attempt::Fate::late) send_late(action);
}

void HandoverDriver::conclude() {
  using Fate = Attempt::Fate;
  auto attempt = *std::exchange(attempt_, std::nullopt);
  bool is_answered = attempt.fate == Fate::well && attempt.did != Did::failed;
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
  bool old_side = !stage_.is_cut_off(old_), new_side = !stage_.is_cut_off(new_);
  switch (action) {
    case A::install_guards:
    case A::start_stream_back:
    case A::recheck:
    case A::advance_sequences:
      return old_side && new_side;
    case A::announce:
    case A::await_others:
    case A::fence:
    case A::drain:
    case A::mark:
    case A::confirm_fence:
    case A::join_stream_back:
    case A::close_old:
    case A::reopen_old:
      return old_side;
    case A::leave_stream:
    case A::open_new:
      return new_side;
    default:
      return true;
  }
}

HandoverDriver::Did HandoverDriver::carry_out(HandoverAction action) {
  auto flaw = stage_.flaw;
  auto& entry = stage_.journal[cohort_];
  auto did_if = [](bool done) { return done ? Did::done : Did::not_yet; };
  switch (action) {
    case A::install_guards:
      return install_guards();
    case A::start_stream_back:
      return start_stream_back();
    case A::announce:
      return flaw == Flaw::no_announcement ? Did::done : order(action);
    case A::await_others:
      return await_others();
    case A::hold:
      if (flaw != Flaw::no_hold) stage_.gateway.hold(cohort_);
      return Did::done;
    case A::fence:
      if (flaw == Flaw::mark_before_drain) stage_.store(old_).emit_marker(marker());
      return flaw == Flaw::no_fence ? Did::done : order(action);
    case A::drain:
      return drain();
    case A::mark:
      if (flaw == Flaw::mark_before_drain) return Did::done;
      stage_.store(old_).emit_marker(marker());
      return Did::done;
    case A::catch_up:
      if (flaw == Flaw::no_catch_up) return Did::done;
      if (!stage_.stream_to(new_).has_passed(marker())) stage_.marks.hit("catch_up waits for the stream");
      return did_if(stage_.stream_to(new_).has_passed(marker()));
    case A::recheck:
      return recheck();
    case A::advance_sequences:
      return advance_sequences();
    case A::confirm_fence:
      return confirm_fence();
    case A::flip:
      return flip();
    case A::leave_stream:
      return did_if(flaw == Flaw::no_leaving || stage_.stream_to(new_).leave(cohort_));
    case A::join_stream_back:
      return did_if(flaw == Flaw::join_after_open || stage_.stream_to(old_).join(cohort_));
    case A::close_old:
      if (flaw == Flaw::release_before_open) stage_.gateway.release(cohort_, new_);
      return flaw == Flaw::no_closing ? Did::done : order(action);
    case A::reopen_old:
      if (flaw == Flaw::no_reopening || !stage_.store(old_).guards.are_installed()) return Did::done;
      return order(action);
    case A::open_new:
      return order(action);
    case A::release:
      if (flaw == Flaw::join_after_open && !stage_.stream_to(old_).join(cohort_)) return Did::not_yet;
      if (flaw != Flaw::no_release) stage_.gateway.release(cohort_, new_);
      return Did::done;
    case A::release_back:
      stage_.gateway.release(cohort_, old_);
      return Did::done;
    case A::end:
    case A::end_without_change:
      entry.handover = JournalEntry::Handover::none;
      return Did::done;
  }
  return Did::failed;
}

// The old home first. It stands in the queue of the table until all who write it have ended.
HandoverDriver::Did HandoverDriver::install_guards() {
  stage_.stream_to(new_).take_touched(cohort_);
  for (auto side : {old_, new_}) {
    auto& store = stage_.store(side);
    if (store.guards.are_installed()) continue;
    is_queueing_ = stage_.installing = !store.writers().empty();
    if (is_queueing_) {
      stage_.marks.hit("install_guards waits for a writer");
      return Did::not_yet;
    }
    std::vector<GuardState> initial;
    for (std::uint32_t i = 0; i < kCohorts; ++i) {
      const auto& entry = stage_.journal[CohortId(i)];
      initial.push_back({entry.home == side ? GuardMode::open : GuardMode::closed, entry.epoch, {}});
    }
    bool stays_close = side == old_ || stage_.flaw == Flaw::numbered_apart_late;
    if (!stays_close && advance_sequences() != Did::done) return Did::failed;
    store.guards.install(initial);
    if (stage_.random.chance(trouble_chance_)) return Did::failed;
  }
  return Did::done;
}

HandoverDriver::Did HandoverDriver::start_stream_back() {
  auto& back = stage_.stream_to(old_);
  if (!back.exists()) back.create({});
  if (!back.is_running()) back.start();
  return Did::done;
}

HandoverDriver::Did HandoverDriver::await_others() {
  if (stage_.flaw == Flaw::no_awaiting) return Did::done;
  auto writers = stage_.store(old_).writers();
  if (!others_) others_ = writers;
  std::erase_if(*others_, [&](Xid xid) { return !writers.contains(xid); });
  if (others_->empty()) return Did::done;
  stage_.marks.hit("await_others waits for a straggler");
  return Did::not_yet;
}

HandoverDriver::Did HandoverDriver::drain() {
  if (stage_.flaw == Flaw::no_drain) return Did::done;
  is_draining_ = !stage_.store(old_).try_drain(cohort_);
  if (is_draining_) stage_.marks.hit("drain waits for a straggler");
  return is_draining_ ? Did::not_yet : Did::done;
}

HandoverDriver::Did HandoverDriver::recheck() {
  if (stage_.flaw == Flaw::no_recheck) return Did::done;
  auto& stream = stage_.stream_to(new_);
  if (stream.has_quarantined(cohort_) || stream.is_retrying()) {
    stage_.marks.hit("recheck finds a row in quarantine");
    reason_ = "a row waits in quarantine";
    return Did::failed;
  }
  for (auto number : stream.take_touched(cohort_)) {
    const auto &there = stage_.store(old_).rows(), &here = stage_.store(new_).rows();
    auto before = there.find(number), after = here.find(number);
    auto expected = before == there.end() ? std::nullopt : image(before->second, old_, new_);
    auto found = after == here.end() ? std::nullopt : std::optional(after->second);
    auto is_of_cohort = [&](const auto& row) { return row && cohort_of_account(row->account) == cohort_; };
    if (!is_of_cohort(expected) && !is_of_cohort(found)) continue;
    stage_.marks.hit("recheck compares a row");
    if (expected == found) continue;
    reason_ = fmt::format("the proof finds payment {} with {} on {}, and it must be {}", number, show(found),
                          name(new_), show(expected));
    bool has_fence = stage_.store(old_).guards.state(cohort_) == order_to_guard(A::fence)->second;
    stage_.marks.hit("recheck notices what came behind a lost fence");
    if (has_fence) stage_.ledger.wrong(reason_);
    return Did::failed;
  }
  return Did::done;
}

HandoverDriver::Did HandoverDriver::advance_sequences() {
  if (stage_.flaw == Flaw::no_sequences) return Did::done;
  auto next = next_number(numbered(stage_.store(old_)), numbered(stage_.store(new_)));
  if (!next) return Did::failed;
  auto apart = stage_.flaw == Flaw::numbers_close_by ? kNumbersApartMin - kNumbersApartMax : 0;
  stage_.store(new_).numbers.advance(*next + apart);
  return Did::done;
}

HandoverDriver::Did HandoverDriver::confirm_fence() {
  has_confirmed_fence_ = true;
  if (stage_.flaw == Flaw::no_confirmation || stage_.flaw == Flaw::no_fence) return Did::done;
  auto expected = order_to_guard(A::fence)->second;
  if (stage_.store(old_).guards.state(cohort_) == expected) return Did::done;
  stage_.marks.hit("a fence that the server has lost is missed");
  reason_ = "the fence is lost";
  return Did::failed;
}

HandoverDriver::Did HandoverDriver::flip() {
  auto& entry = stage_.journal[cohort_];
  if (stage_.flaw == Flaw::flip_after_open && order(A::open_new) == Did::done && stage_.random.chance(0.5))
    return Did::not_yet;
  entry.home = new_;
  entry.epoch = epoch_ + 1;
  entry.handover = JournalEntry::Handover::flipped;
  return Did::done;
}

HandoverDriver::Did HandoverDriver::order(HandoverAction action) {
  auto [side, state] = *order_to_guard(action);
  bool obeyed = stage_.store(side).guards.obey(cohort_, state, stage_.flaw);
  if (!obeyed && action == A::fence) stage_.marks.hit("an announcement that the server has lost is missed");
  if (!obeyed) reason_ = "the guard does not obey";
  return obeyed ? Did::done : Did::failed;
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
