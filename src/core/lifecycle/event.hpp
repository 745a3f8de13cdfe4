// What happened to a migration. Events are the truth; everything else is computed from them, so a kind is
// never removed or given a new meaning: it gets a new version. Each is stored as one line of canonical text
// (record.hpp).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/result.hpp"
#include "core/lifecycle/commands.hpp"
#include "core/lifecycle/handover_figures.hpp"
#include "core/lifecycle/state.hpp"

namespace oxbow {

struct SpecAdopted {
  std::vector<AdoptedCohort> cohorts;
  // By entity: in which epoch a cohort begins that is new or takes other keys; left out: as it was, or 1.
  std::map<std::string, std::uint64_t> epochs = {};

  friend bool operator==(const SpecAdopted&, const SpecAdopted&) = default;
};

// The journal's promise: from here on the transition goes on after any crash until one of the next two.
struct TransitionBegan {
  Scope scope;
  State from = State::legacy;
  State to = State::legacy;
  std::uint64_t epoch = 1;

  friend bool operator==(const TransitionBegan&, const TransitionBegan&) = default;
};

// The point of no return of a handover: the authority is where `to` has it. What follows is carried out until
// `transition-done`, whatever happens.
struct AuthorityMoved {
  Scope scope;
  State to = State::legacy;
  std::uint64_t epoch = 1;

  friend bool operator==(const AuthorityMoved&, const AuthorityMoved&) = default;
};

// Before its flip: from here on it only leads back, and ends with `transition-failed`.
struct HandoverCalledBack {
  Scope scope;

  friend bool operator==(const HandoverCalledBack&, const HandoverCalledBack&) = default;
};

struct TransitionDone {
  Scope scope;
  State to = State::legacy;
  std::uint64_t epoch = 1;
  std::optional<HandoverFigures> figures = std::nullopt;  // of a handover; older versions wrote none

  friend bool operator==(const TransitionDone&, const TransitionDone&) = default;
};

struct TransitionFailed {
  Scope scope;
  State to = State::legacy;
  Error error;

  friend bool operator==(const TransitionFailed&, const TransitionFailed&) = default;
};

struct Paused {
  Scope scope;

  friend bool operator==(const Paused&, const Paused&) = default;
};

struct Resumed {
  Scope scope;

  friend bool operator==(const Resumed&, const Resumed&) = default;
};

struct Halted {
  friend bool operator==(const Halted&, const Halted&) = default;
};

struct HaltEnded {
  friend bool operator==(const HaltEnded&, const HaltEnded&) = default;
};

struct RateSet {
  Rate rate;

  friend bool operator==(const RateSet&, const RateSet&) = default;
};

struct VerifyBegan {
  std::string entity;  // empty: everything that is mirrored

  friend bool operator==(const VerifyBegan&, const VerifyBegan&) = default;
};

struct VerifyEnded {
  std::string entity;
  ProofSummary proof;

  friend bool operator==(const VerifyEnded&, const VerifyEnded&) = default;
};

struct QuarantineRetried {
  std::string key;  // empty: everything that waited

  friend bool operator==(const QuarantineRetried&, const QuarantineRetried&) = default;
};

struct FindingsClosed {
  std::string which;  // the number of one, or a kind

  friend bool operator==(const FindingsClosed&, const FindingsClosed&) = default;
};

struct BegunAnew {
  std::string route;  // empty: all

  friend bool operator==(const BegunAnew&, const BegunAnew&) = default;
};

// The first row of the new side that legacy does not take: a rollback would lose it from here on.
struct EnvelopeNarrowed {
  Scope scope;
  std::string table;  // on the new side
  std::string key;
  std::string reason;

  friend bool operator==(const EnvelopeNarrowed&, const EnvelopeNarrowed&) = default;
};

// No such row waits any more, and both sides were found equal since.
struct EnvelopeWidened {
  Scope scope;

  friend bool operator==(const EnvelopeWidened&, const EnvelopeWidened&) = default;
};

// The rollback that begins with this may lose so many rows of the new side.
struct LossAccepted {
  Scope scope;
  AcceptedLoss loss;

  friend bool operator==(const LossAccepted&, const LossAccepted&) = default;
};

// The legacy tables of the entity may go.
struct Retired {
  std::string entity;
  std::string evidence;

  friend bool operator==(const Retired&, const Retired&) = default;
};

// A person has decided that the cohort does not go back, or has taken that back.
struct ForwardDecided {
  Scope scope;

  friend bool operator==(const ForwardDecided&, const ForwardDecided&) = default;
};
struct ForwardWithdrawn {
  Scope scope;

  friend bool operator==(const ForwardWithdrawn&, const ForwardWithdrawn&) = default;
};

// A person lets the cohort enter the state although its gate does not open, or does so no longer.
struct GateOverridden {
  Scope scope;
  State to = State::legacy;
  std::string approver;

  friend bool operator==(const GateOverridden&, const GateOverridden&) = default;
};
struct GateOverrideWithdrawn {
  Scope scope;
  State to = State::legacy;

  friend bool operator==(const GateOverrideWithdrawn&, const GateOverrideWithdrawn&) = default;
};

struct ShadowsKeptAway {
  std::string entity;

  friend bool operator==(const ShadowsKeptAway&, const ShadowsKeptAway&) = default;
};
struct ShadowsAllowed {
  std::string entity;

  friend bool operator==(const ShadowsAllowed&, const ShadowsAllowed&) = default;
};

using Happening =
    std::variant<SpecAdopted, TransitionBegan, TransitionDone, TransitionFailed, Paused, Resumed, Halted,
                 HaltEnded, RateSet, VerifyBegan, VerifyEnded, QuarantineRetried, FindingsClosed, BegunAnew,
                 AuthorityMoved, HandoverCalledBack, EnvelopeNarrowed, EnvelopeWidened, LossAccepted, Retired,
                 ForwardDecided, ForwardWithdrawn, ShadowsKeptAway, ShadowsAllowed, GateOverridden,
                 GateOverrideWithdrawn>;

struct Event {
  WallTime at{};
  std::string who;
  std::string why;
  std::string spec_hash;
  Happening what;

  friend bool operator==(const Event&, const Event&) = default;
};

std::string encode(const Event& event);
Result<Event> decode_event(std::string_view text);  // `malformed`, or `unsupported` if a newer oxbow wrote it

std::string_view kind(const Event& event);  // "transition-began"
std::string describe(const Event& event);   // "payment/pilot began to move from legacy to mirrored"

}  // namespace oxbow
