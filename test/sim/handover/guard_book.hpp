// The guards of one side, one for each cohort, and the tables whose triggers ask them. What they say is true
// at this moment for everybody: it belongs to no snapshot and to no transaction. Driven by the simulation,
// one thread.
#pragma once

#include <cstddef>
#include <set>
#include <vector>

#include "model/cohort.hpp"
#include "model/guard.hpp"
#include "sim/handover/flaw.hpp"
#include "sim/handover/payment.hpp"

namespace oxbow::sim {

class GuardBook {
 public:
  bool are_made() const { return !guards_.empty(); }
  bool are_on(PaymentTable table) const { return guarded_.contains(table); }
  bool are_installed() const { return guarded_.size() == kPaymentTables.size(); }

  // What is there already stays, with its state.
  void make(const std::vector<GuardState>& initial) {
    if (are_made()) return;
    for (const auto& state : initial) guards_.push_back({state, state});
  }
  void put_on(PaymentTable table) { guarded_.insert(table); }

  // Where there is no guard, every write passes.
  GuardState state(CohortId cohort) const {
    return are_made() ? guards_[cohort.value()].now : GuardState{GuardMode::open, 0, {}};
  }
  GuardMode mode(CohortId cohort) const { return state(cohort).mode; }

  // False: there is no guard, or it may not follow what has been carried out. The same order again changes
  // nothing.
  bool obey(CohortId cohort, GuardState order, Flaw flaw) {
    if (!are_made()) return false;
    auto& [now, before] = guards_[cohort.value()];
    if (order == now) return true;
    bool is_late = order.order <= now.order && flaw != Flaw::old_orders_accepted;
    bool fences_unannounced = order.mode == GuardMode::fenced && now.mode != GuardMode::near &&
                              flaw != Flaw::fence_over_anything && flaw != Flaw::no_announcement;
    if (is_late || fences_unannounced || order.epoch < now.epoch) return false;
    before = now;
    now = order;
    return true;
  }

  // A standby took over that had not heard of the last order.
  void forget_last_order(CohortId cohort) { guards_[cohort.value()].now = guards_[cohort.value()].before; }

 private:
  struct Guard {
    GuardState now, before;
  };
  std::vector<Guard> guards_;  // by CohortId
  std::set<PaymentTable> guarded_;
};

}  // namespace oxbow::sim
