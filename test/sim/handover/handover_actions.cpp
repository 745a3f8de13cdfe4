// What each action of a handover does to the two stores.
#include <fmt/core.h>

#include <algorithm>
#include <limits>

#include "core/sequence/next_number.hpp"
#include "sim/handover/handover_driver.hpp"

namespace oxbow::sim {
namespace {

using A = HandoverAction;
using namespace std::chrono_literals;

constexpr Duration kImpatience = 15ms;  // of a drain that goes on without who is stopped

NumberedColumn numbered(const SideStore& store, PaymentTable table) {
  NumberedColumn column{.table = {"", "payment"}, .column = "number", .sequence = "numbers"};
  column.last_given = store.numbers[index_of(table)].last_given();
  column.largest_possible = std::numeric_limits<std::int64_t>::max();
  if (auto largest = store.largest_number(table); largest > 0) column.largest_row = largest;
  return column;
}

}  // namespace

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
      if (flaw == Flaw::no_reopening || !stage_.store(old_).guards.are_made()) return Did::done;
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

// It stands in the queue of each table until all who write it have ended.
HandoverDriver::Did HandoverDriver::install_guards() {
  stage_.stream_to(new_).take_touched(cohort_);
  for (auto side : {new_, old_}) {
    auto& store = stage_.store(side);
    if (store.guards.are_installed()) continue;
    std::vector<GuardState> initial;
    for (std::uint32_t i = 0; i < kCohorts; ++i) {
      const auto& entry = stage_.journal[CohortId(i)];
      initial.push_back({entry.home == side ? GuardMode::open : GuardMode::closed, entry.epoch, {}});
    }
    bool stays_close = side == old_ || stage_.flaw == Flaw::numbered_apart_late;
    if (!stays_close && advance_sequences() != Did::done) return Did::failed;
    store.guards.make(initial);
    for (auto table : kPaymentTables) {
      if (store.guards.are_on(table)) continue;
      stop_queueing();
      if (!store.writers_of(table).empty()) {
        if (stage_.queued_at) return Did::not_yet;  // the other handover stands in a queue
        is_queueing_ = true;
        stage_.queued_at = {side, table};
        stage_.marks.hit("install_guards waits for a writer");
        return Did::not_yet;
      }
      store.guards.put_on(table);
      if (stage_.random.chance(trouble_chance_)) return Did::failed;
    }
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
  const auto& store = stage_.store(old_);
  auto writers = store.writers();
  if (stage_.flaw == Flaw::awaiting_of_sessions)
    std::erase_if(writers, [&](Xid xid) { return store.is_prepared(xid); });
  if (!others_) others_ = writers;
  std::erase_if(*others_, [&](Xid xid) { return !writers.contains(xid); });
  return waits_for(*others_) ? Did::not_yet : Did::done;
}

HandoverDriver::Did HandoverDriver::drain() {
  if (stage_.flaw == Flaw::no_drain) return Did::done;
  auto& store = stage_.store(old_);
  auto sharers = store.drain(cohort_);
  if (stage_.flaw == Flaw::drain_of_sessions)
    std::erase_if(sharers, [&](Xid xid) { return store.is_prepared(xid); });
  bool is_patient = stage_.flaw != Flaw::impatient_drain || stage_.now - *held_ < kImpatience;
  is_draining_ = is_patient && waits_for(sharers);
  if (!is_draining_) store.stop_draining(cohort_);
  return is_draining_ ? Did::not_yet : Did::done;
}

bool HandoverDriver::waits_for(const std::set<Xid>& stragglers) {
  for (auto xid : stragglers)
    stage_.marks.hit(fmt::format("{} waits for a {}", name(attempt_->action),
                                 stage_.store(old_).is_prepared(xid) ? "prepared transaction" : "straggler"));
  return !stragglers.empty();
}

HandoverDriver::Did HandoverDriver::recheck() {
  if (stage_.flaw == Flaw::no_recheck) return Did::done;
  auto& stream = stage_.stream_to(new_);
  if (!stream.is_complete(cohort_) && stage_.flaw != Flaw::recheck_while_reading) {
    stage_.marks.hit("recheck waits for rows that are read anew");
    return Did::not_yet;
  }
  if (stream.has_quarantined(cohort_)) {
    stage_.marks.hit("recheck finds a row in quarantine");
    reason_ = "a row waits in quarantine";
    return Did::failed;
  }
  for (auto key : stream.take_touched(cohort_)) {
    if (stage_.flaw == Flaw::recheck_of_one_table && key.table != kPaymentTables.front()) continue;
    const auto &there = stage_.store(old_).rows(), &here = stage_.store(new_).rows();
    auto before = there.find(key), after = here.find(key);
    auto expected = before == there.end() ? std::nullopt : image(before->second, old_, new_);
    auto found = after == here.end() ? std::nullopt : std::optional(after->second);
    auto is_of_cohort = [&](const auto& row) { return row && cohort_of_account(row->account) == cohort_; };
    if (!is_of_cohort(expected) && !is_of_cohort(found)) continue;
    stage_.marks.hit(key.table == PaymentTable::lines ? "recheck compares a line" : "recheck compares a row");
    if (expected == found) continue;
    reason_ = fmt::format("the proof finds {} with {} on {}, and it must be {}", show(key), show(found),
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
  auto apart = stage_.flaw == Flaw::numbers_close_by ? kNumbersApartMin - kNumbersApartMax : 0;
  for (auto table : kPaymentTables) {
    auto next = next_number(numbered(stage_.store(old_), table), numbered(stage_.store(new_), table));
    if (!next) return Did::failed;
    stage_.store(new_).numbers[index_of(table)].advance(*next + apart);
  }
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

}  // namespace oxbow::sim
