// Carries out one handover of one cohort: asks the production Handover what comes next, does it to the
// stores, and reports. Each action takes time, may fail before or after its effect, lose its answer, or
// arrive when nobody waits for it any more. Dies with the plane. One thread, driven by the simulation.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "flow/handover/handover.hpp"
#include "sim/handover/stage.hpp"

namespace oxbow::sim {

class HandoverDriver {
 public:
  HandoverDriver(Stage& stage, CohortId cohort, HandoverLimits limits, HandoverBegins begins,
                 double trouble_chance);

  void step();
  void call_back();  // an operator does, when the action under way has ended
  void die();        // its sessions end with it

  CohortId cohort() const { return cohort_; }
  bool has_ended() const { return has_ended_; }
  bool must_read_journal() const { return must_read_journal_; }  // it does not know whether it has flipped
  bool is_before_flip() const { return !handover_.is_behind_flip() && !handover_.given_up(); }
  bool has_confirmed_fence() const { return has_confirmed_fence_; }
  std::optional<HandoverAction> doing() const;

 private:
  enum class Did { done, not_yet, failed };
  struct Attempt {
    enum class Fate { well, lost_before, answer_lost, late, cut_before, cut_behind };
    HandoverAction action;
    Instant takes_effect, answered;
    Fate fate = Fate::well;
    std::optional<Did> did;
  };

  void begin_attempt(HandoverAction action);
  void take_effect();
  void cut_off();
  void conclude();
  void stop_queueing();
  void send_late(HandoverAction action);
  Did carry_out(HandoverAction action);
  Did install_guards();
  Did start_stream_back();
  Did await_others();
  Did drain();
  bool waits_for(const std::set<Xid>& stragglers);
  Did recheck();
  Did advance_sequences();
  Did confirm_fence();
  Did flip();
  Did order(HandoverAction action);
  std::optional<std::pair<Side, GuardState>> order_to_guard(HandoverAction action) const;
  bool reaches(HandoverAction action) const;
  std::vector<Side> sides_of(HandoverAction action) const;
  std::string marker() const;
  void check_pause();

  Stage& stage_;
  CohortId cohort_;
  HandoverLimits limits_;
  double trouble_chance_;
  Side old_, new_;
  std::uint64_t epoch_, attempt_number_;
  Handover handover_;
  std::optional<Attempt> attempt_;
  std::optional<HandoverAction> last_;
  std::optional<std::set<Xid>> others_;
  std::optional<Instant> held_, flipped_;
  std::string reason_;
  bool is_called_back_ = false, has_been_slow_ = false;
  bool is_queueing_ = false, is_draining_ = false, has_ended_ = false, must_read_journal_ = false,
       has_confirmed_fence_ = false;
};

}  // namespace oxbow::sim
