// What is in force for a migration: the state of every (entity, cohort), and what an operator has ordered on
// top. A value, made by applying events in order and by nothing else. Kept apart from the machine that moves
// it, so that it can be shown, compared and tested on its own.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/time.hpp"
#include "model/plane_status.hpp"
#include "model/side.hpp"
#include "model/state.hpp"

namespace oxbow {

// One cohort of one entity, by name.
struct Scope {
  std::string entity;
  std::string cohort;

  friend auto operator<=>(const Scope&, const Scope&) = default;
};

std::string to_string(const Scope& scope);  // "payment/pilot"

// What the last finished verification said of a cohort. Its age is part of its meaning.
struct ProofSummary {
  VerifyState result = VerifyState::failed;
  std::uint64_t rows_compared = 0;
  std::uint64_t divergences = 0;
  std::uint32_t coverage_ppm = 0;  // millionths; 1'000'000 is everything
  Lsn position;
  WallTime taken_at{};
  std::uint64_t rows_waiting = 0;  // in quarantine on their way back: these have to differ

  friend bool operator==(const ProofSummary&, const ProofSummary&) = default;
};

// The first row of the new side that legacy could not take, since the way back was whole.
struct Narrowed {
  WallTime since{};
  std::string table;  // on the new side
  std::string key;
  std::string reason;

  friend bool operator==(const Narrowed&, const Narrowed&) = default;
};

// Rows of the new side that a rollback under way may lose, because a person has seen them and said so.
struct AcceptedLoss {
  std::uint64_t rows = 0;
  std::string digest;  // of which rows they are

  friend bool operator==(const AcceptedLoss&, const AcceptedLoss&) = default;
};

// A person's word that a cohort does not go back.
struct ForwardOnly {
  WallTime since{};
  std::string who;
  std::string why;

  friend bool operator==(const ForwardOnly&, const ForwardOnly&) = default;
};

std::string to_string(const ForwardOnly& decision);  // "decided by ann at 2027-01-29T10:00:00Z (why)"

// A person's word that a cohort may enter a state although the gate to it does not open. It holds, and is
// shown, until somebody withdraws it.
struct GateOverride {
  WallTime since{};
  std::string who;
  std::string approver;
  std::string why;

  friend bool operator==(const GateOverride&, const GateOverride&) = default;
};

std::string to_string(
    const GateOverride& override);  // "by ann, approved by bob, at 2027-01-29T10:00:00Z (why)"

struct CohortLife {
  State state = State::legacy;
  std::uint64_t epoch = 1;         // grows with every change of authority, never falls
  std::optional<State> moving_to;  // journaled and under way; survives a crash

  // Behind the flip of a handover: `state` is the new one already, and moves on to itself until streams,
  // guards and gateway have all followed.
  bool settling = false;
  bool called_back = false;   // a handover that must not flip any more
  std::uint64_t attempt = 0;  // which transition of the migration is under way, or was the last one; grows
  bool paused = false;
  WallTime since{};                   // when `state` was entered
  std::string definition;             // fingerprint of which keys belong to the cohort
  std::optional<Error> last_failure;  // why the last transition did not happen; none if that does not hold
  WallTime failed_at{};               // and when that was
  std::optional<ProofSummary> proof;
  WallTime compared_since{};         // when the verification behind `proof` began
  std::optional<Narrowed> narrowed;  // what a rollback would lose; none: nothing, as far as was seen
  std::optional<AcceptedLoss> accepted_loss;
  std::optional<ForwardOnly> forward_only;
  std::map<State, GateOverride> gate_overrides;  // by the state that may be entered

  friend bool operator==(const CohortLife&, const CohortLife&) = default;
};

// A rollback from the new side that was carried out, so that people know that it works.
struct Rehearsal {
  WallTime at{};
  std::string cohort;
  std::uint64_t pause_us = 0;  // for which writes waited

  friend bool operator==(const Rehearsal&, const Rehearsal&) = default;
};

struct Lifecycle {
  std::string spec_hash;
  std::map<Scope, CohortLife> cohorts;
  std::uint64_t transitions = 0;  // begun so far
  WallTime verify_began{};        // the last one
  bool halted = false;
  std::string halted_why;
  WallTime halted_at{};
  std::optional<Rate> rate;  // ordered by an operator; none: what the spec says

  // By entity: the last epoch of any cohort that it has had. Guards in the databases may still know of it,
  // and their epochs never fall.
  std::map<std::string, std::uint64_t> epochs;

  std::map<std::string, Rehearsal> rehearsals;  // by entity: the last one
  std::map<std::string, WallTime> retired;      // by entity: since when nobody needs its legacy tables

  std::map<std::string, WallTime> shadows_kept_away;  // by entity: since when its requests have none

  // When the comparison of answers began anew, by route; "" stands for all.
  std::map<std::string, WallTime> begun_anew;

  friend bool operator==(const Lifecycle&, const Lifecycle&) = default;
};

// The one side that may accept writes in a state.
Side authority(State state);

// Of any cohort that the entity has, or has had.
std::uint64_t last_epoch_of(const Lifecycle& lifecycle, const std::string& entity);

// Whether the transition under way moves the authority, or has just done so.
bool changes_hands(const CohortLife& life);

// Whether the last failure was of rows that differ, or may differ: a proof takes that back.
bool failed_for_want_of_proof(const CohortLife& life);

// Whether a verification that began behind that moment has found both sides equal.
bool is_proven_since(const CohortLife& life, WallTime moment);

}  // namespace oxbow
