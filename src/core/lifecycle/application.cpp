#include "core/lifecycle/application.hpp"

#include <algorithm>
#include <map>
#include <utility>
#include <variant>

namespace oxbow {
namespace {

// Applies one event; a method per happening.
class Application {
 public:
  Application(Lifecycle& lifecycle, const Event& event) : lifecycle_(lifecycle), event_(event) {}

  void operator()(const SpecAdopted& what) {
    for (const auto& [scope, life] : lifecycle_.cohorts)
      lifecycle_.epochs[scope.entity] = last_epoch_of(lifecycle_, scope.entity);
    std::map<Scope, CohortLife> cohorts;
    for (const auto& adopted : what.cohorts) {
      auto known = lifecycle_.cohorts.find(adopted.scope);
      auto& life = cohorts[adopted.scope];
      if (known == lifecycle_.cohorts.end()) {
        life.since = event_.at;
      } else {
        life = known->second;
      }
      auto begins_in = what.epochs.find(adopted.scope.entity);
      bool takes_a_place =
          life.definition != adopted.definition && life.state == State::legacy && !life.moving_to;
      // Guards there know of transitions of the cohort that stood in it, also of those that were given up.
      if (takes_a_place) life.attempt = lifecycle_.transitions;
      if (takes_a_place && begins_in != what.epochs.end())
        life.epoch = std::max(life.epoch, begins_in->second);
      life.definition = adopted.definition;
    }
    lifecycle_.cohorts = std::move(cohorts);
    lifecycle_.spec_hash = event_.spec_hash;
  }

  void operator()(const TransitionBegan& what) {
    auto& life = lifecycle_.cohorts[what.scope];
    life.moving_to = what.to;
    life.called_back = false;
    life.attempt = ++lifecycle_.transitions;
  }

  void operator()(const HandoverCalledBack& what) { lifecycle_.cohorts[what.scope].called_back = true; }

  void operator()(const EnvelopeNarrowed& what) {
    lifecycle_.cohorts[what.scope].narrowed = {event_.at, what.table, what.key, what.reason};
  }
  void operator()(const EnvelopeWidened& what) { lifecycle_.cohorts[what.scope].narrowed.reset(); }
  void operator()(const LossAccepted& what) { lifecycle_.cohorts[what.scope].accepted_loss = what.loss; }

  void operator()(const ForwardDecided& what) {
    lifecycle_.cohorts[what.scope].forward_only = {event_.at, event_.who, event_.why};
  }
  void operator()(const ForwardWithdrawn& what) { lifecycle_.cohorts[what.scope].forward_only.reset(); }
  void operator()(const GateOverridden& what) {
    lifecycle_.cohorts[what.scope].gate_overrides[what.to] = {event_.at, event_.who, what.approver,
                                                              event_.why};
  }
  void operator()(const GateOverrideWithdrawn& what) {
    lifecycle_.cohorts[what.scope].gate_overrides.erase(what.to);
  }
  void operator()(const ShadowsKeptAway& what) { lifecycle_.shadows_kept_away[what.entity] = event_.at; }
  void operator()(const ShadowsAllowed& what) { lifecycle_.shadows_kept_away.erase(what.entity); }

  void operator()(const AuthorityMoved& what) {
    auto& life = lifecycle_.cohorts[what.scope];
    life.state = what.to;
    life.since = event_.at;
    life.epoch = what.epoch;
    life.settling = true;
    life.paused = false;
    life.last_failure.reset();
    life.narrowed.reset();  // of the home that it had
  }

  void operator()(const TransitionDone& what) {
    auto& life = lifecycle_.cohorts[what.scope];
    if (what.to == State::mirrored && what.figures)
      lifecycle_.rehearsals[what.scope.entity] = {event_.at, what.scope.cohort,
                                                  what.figures->pause_us.value_or(0)};
    if (life.state != what.to) life.since = event_.at;
    life.state = what.to;
    life.epoch = what.epoch;
    life.moving_to.reset();
    life.settling = life.called_back = false;
    life.last_failure.reset();
    life.accepted_loss.reset();
    if (what.to == State::legacy) {
      life.paused = false;
      life.proof.reset();
    }
  }

  void operator()(const TransitionFailed& what) {
    auto& life = lifecycle_.cohorts[what.scope];
    life.moving_to.reset();
    life.called_back = false;
    life.accepted_loss.reset();
    life.last_failure = what.error;
    life.failed_at = event_.at;
  }

  void operator()(const Paused& what) { lifecycle_.cohorts[what.scope].paused = true; }
  void operator()(const Resumed& what) { lifecycle_.cohorts[what.scope].paused = false; }

  void operator()(const Halted&) {
    lifecycle_.halted = true;
    lifecycle_.halted_why = event_.why;
    lifecycle_.halted_at = event_.at;
  }

  void operator()(const HaltEnded&) {
    lifecycle_.halted = false;
    lifecycle_.halted_why.clear();
  }

  void operator()(const RateSet& what) { lifecycle_.rate = what.rate; }
  void operator()(const VerifyBegan&) { lifecycle_.verify_began = event_.at; }
  void operator()(const QuarantineRetried&) {}
  void operator()(const FindingsClosed&) {}

  void operator()(const Retired& what) { lifecycle_.retired[what.entity] = event_.at; }

  void operator()(const BegunAnew& what) {
    if (what.route.empty()) lifecycle_.begun_anew.clear();
    lifecycle_.begun_anew[what.route] = event_.at;
  }

  // Where nothing was compared, the last proof still says the most.
  void operator()(const VerifyEnded& what) {
    if (what.proof.result == VerifyState::failed && what.proof.rows_compared == 0) return;
    for (auto& [scope, life] : lifecycle_.cohorts) {
      bool covered = what.entity.empty() || scope.entity == what.entity;
      bool has_two_sides = life.state != State::legacy && life.state != State::fully_cutover;
      if (!covered || !has_two_sides) continue;
      life.proof = what.proof;
      life.compared_since = lifecycle_.verify_began;
      if (failed_for_want_of_proof(life) && is_proven_since(life, life.failed_at)) life.last_failure.reset();
    }
  }

 private:
  Lifecycle& lifecycle_;
  const Event& event_;
};

}  // namespace

void bring_about(Lifecycle& lifecycle, const Event& event) {
  std::visit(Application(lifecycle, event), event.what);
}

}  // namespace oxbow
