// What somebody may ask of a migration. Commands are wishes: decide() (machine.hpp) turns them into events or
// says why not. EndVerify, MoveAuthority, EndTransition, NarrowEnvelope and WidenEnvelope come from oxbow
// itself, which reports what became of a wish, or what it sees.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/lifecycle/handover_figures.hpp"
#include "core/lifecycle/state.hpp"

namespace oxbow {

// A cohort as the spec defines it now.
struct AdoptedCohort {
  Scope scope;
  std::string definition;

  friend bool operator==(const AdoptedCohort&, const AdoptedCohort&) = default;
};

// Take over the spec: its entities and cohorts.
struct AdoptSpec {
  std::string spec_hash;
  std::vector<AdoptedCohort> cohorts;
};

// Forward, one step. Without a cohort: every cohort of the entity.
struct Advance {
  std::string entity;
  std::optional<std::string> cohort;
  State to = State::mirrored;
  std::optional<Duration> rehearsed_within = {};  // before reads move: how long ago a rollback may have been
  std::map<Scope, Error> closed_gates = {};  // of cohorts that do not fulfil the spec's conditions for `to`
};

// Backward, one step. `accepted_losses` are of cohorts whose way back is not whole.
struct Rollback {
  std::string entity;
  std::optional<std::string> cohort;
  State to = State::legacy;
  std::optional<std::uint64_t> accepted_rows = {};  // as the person says who orders it
  std::optional<std::string> seen = {};             // which rows a preview has shown him, see seen_of()
  std::map<Scope, AcceptedLoss> accepted_losses = {};
};

// Hold the backfill; changes are still applied. Without an entity: all that can be paused.
struct Pause {
  std::optional<std::string> entity;
};

// Ends a pause. Without an entity it ends a halt, too.
struct Resume {
  std::optional<std::string> entity;
};

// Stop writing to the new side, whatever is going on.
struct Halt {};

struct SetRate {
  Rate rate;
};

struct BeginVerify {
  std::optional<std::string> entity;
};

struct EndVerify {
  std::optional<std::string> entity;
  ProofSummary proof;
};

// Rows in quarantine are to be read again: of one key, or all.
struct RetryQuarantined {
  std::optional<std::string> key;
};

// A person says that findings need nobody any more: one by its number, or all of a kind.
struct CloseFindings {
  std::string which;
};

// Forget what the comparison of answers has shown of a route, or of all: it was fixed, and counts from now
// on.
struct BeginAnew {
  std::optional<std::string> route;
};

// Nobody needs the legacy tables of an entity any more, by this evidence.
struct Retire {
  std::string entity;
  std::string evidence = {};
};

// A person decides that cohorts at home on the new side do not go back, whatever is wrong there: it is mended
// there (forward-fix). Without a cohort: every cohort of the entity that is at home there.
struct GoForward {
  std::string entity;
  std::optional<std::string> cohort;
  bool withdraw = false;
};

// Cohorts may enter a state although its gate does not open. Without a cohort: all of the entity.
struct OverrideGate {
  std::string entity;
  std::optional<std::string> cohort;
  State to = State::mirrored;
  std::string approver = {};
  bool withdraw = false;
};

// No request of the entity has a shadow until that is taken back: the other side cannot know the answer any
// more.
struct KeepShadowsAway {
  std::string entity;
  bool withdraw = false;
};

// A row of the new side waits that legacy does not take; and the end of that, which needs a proof.
struct NarrowEnvelope {
  Scope scope;
  std::string table, key, reason;
};
struct WidenEnvelope {
  Scope scope;
};

// The flip of a handover: from here on the other side has the authority, in the epoch after `epoch`.
struct MoveAuthority {
  Scope scope;
  std::uint64_t epoch = 0;  // that the handover began in
};

// A transition under way has ended: with success if there is no failure.
struct EndTransition {
  Scope scope;
  std::optional<Error> failure;
  std::optional<HandoverFigures> figures = std::nullopt;  // of a handover
};

using Wish = std::variant<AdoptSpec, Advance, Rollback, Pause, Resume, Halt, SetRate, BeginVerify, EndVerify,
                          RetryQuarantined, CloseFindings, BeginAnew, MoveAuthority, EndTransition,
                          NarrowEnvelope, WidenEnvelope, Retire, GoForward, KeepShadowsAway, OverrideGate>;

struct Command {
  std::string who;  // "root", "oxbow"
  std::string why;  // as the operator gave it; may be empty
  Wish wish;
};

}  // namespace oxbow
