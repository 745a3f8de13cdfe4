// Carries one handover out: what flow/handover says, on both databases, both streams and the gateway. Asked
// to stop before the flip, it leads back first; behind it, it leaves the rest to the next run. Lives on the
// pipeline's executor.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "flow/handover/handover.hpp"
#include "model/numbered_column.hpp"
#include "services/control/handover_order.hpp"
#include "services/pipeline/handover_connections.hpp"
#include "services/pipeline/handover_recheck.hpp"
#include "services/pipeline/stream.hpp"

namespace oxbow {

class HandoverRunner {
 public:
  struct Parts {
    const Spec& spec;
    HandoverConnections& connections;
    Stream& there;
    Stream& back;
    std::function<void(Finding)> report;
    FindingCloser close_findings;
    std::function<void()> want_streams;               // cohorts have changed their stream
    std::function<std::vector<std::string>()> waits;  // for whom our sessions wait
  };

  HandoverRunner(Parts parts, HandoverOrder order, HandoverHost& host);
  ~HandoverRunner();

  Task<HandoverReport> run();

 private:
  enum class Done { yes, not_yet };  // with what it waits for in waits_for_

  Task<void> lead(Handover& handover);
  Task<Done> carry_out(HandoverAction action);
  Task<Done> install_guards();
  Task<void> put_guards_on();
  Task<void> refuse_if_unprepared();
  Task<Done> start_stream_back();
  Task<Done> await_others();
  Task<Done> hold();
  Task<Done> drain();
  Task<Done> mark();
  Task<Done> catch_up();
  Task<Done> recheck();
  Task<Done> advance_sequences();
  Task<Done> confirm_fence();
  Task<Done> leave_stream();
  Task<Done> join_stream_back();
  Task<Done> reopen_old();
  Task<Done> order(Guards& guards, HandoverAction action, GuardMode mode, std::uint64_t epoch);
  Done wait_for(std::string whom);

  Task<void> pair_numbers_ahead();
  Task<void> recheck_ahead();
  Task<void> refuse_quarantined();
  Task<std::vector<QuarantineRecord>> read_waiting();
  Task<void> take_given_up();
  GuardedEntity guarded(Side side) const;
  std::vector<GuardState> states_on(Side side) const;
  std::string scope() const;

  Parts parts_;
  HandoverOrder order_;
  HandoverHost& host_;
  const EntitySpec& entity_;
  Side old_home_, new_home_;
  std::shared_ptr<const Plan> plan_;  // from legacy to the new side; also when its stream has ended meanwhile
  Stream& to_new_home_;
  Stream& to_old_home_;
  HandoverConnections::Set connections_;
  bool are_connections_sound_ = true;
  Guards &old_guards_, &new_guards_;
  Sequences &old_numbers_, &new_numbers_;
  HandoverRecheck recheck_;
  std::vector<NumberedColumn> numbers_from_, numbers_to_;  // parallel: which go on where which stop
  std::optional<std::set<std::string>> awaited_;           // transactions of the moment of the announcement
  std::shared_ptr<Marker> marker_;
  std::vector<QuarantineRecord> given_up_;  // of the stream to the new home, with leave to lose them
  bool is_equal_ = false;                   // so the recheck has found both sides
  std::optional<Error> waits_for_;
  HandoverReport report_;
};

}  // namespace oxbow
