// Whether a cohort may enter a state, by the conditions that the spec sets for it. What is not known is not
// taken for good: a condition without data is `inconclusive`, and that lets nobody pass. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "core/gate/gate_verdict.hpp"
#include "core/lifecycle/state.hpp"
#include "model/spec.hpp"

namespace oxbow {

// The three layers of a proof: whether changes arrive, whether both sides hold the same, whether they behave
// as they must.
enum class ProofLayer { transport, parity, behaviour };

inline constexpr std::array kProofLayerNames = {std::string_view("transport"), std::string_view("parity"),
                                                std::string_view("behaviour")};

constexpr std::string_view name(ProofLayer layer) {
  return kProofLayerNames[static_cast<std::size_t>(layer)];
}

struct GateCondition {
  std::string_view name;  // as the spec calls it
  ProofLayer layer;
  GateVerdict verdict = GateVerdict::inconclusive;
  std::string value;                     // what is; empty: nobody knows
  std::string threshold;                 // what has to be
  std::string missing;                   // what has to happen for it to pass; empty: nothing
  std::optional<Duration> passes_after;  // if nothing else happens, it passes in so long
};

struct GateReport {
  GateVerdict verdict = GateVerdict::pass;  // the worst of all
  std::vector<GateCondition> conditions;    // in the order of the spec's grammar
};

struct GateFacts {
  Scope scope;
  const CohortLife& life;
  std::uint64_t divergences = 0;  // findings of the entity that are open
  bool has_stream = true;         // no: nothing is followed yet, so nothing lags
  std::string away;               // why the stream that the cohort follows does not run; empty: it runs
  std::optional<Duration> lag;    // none: not measured yet
  std::optional<std::uint64_t> lag_bytes;
  WallTime now;
};

GateReport judge_gate(const GateSpec& gate, const GateFacts& facts);

// `gate_closed`, with what each condition that does not pass lacks, in one sentence.
Status refuse_unless_passed(const Scope& scope, State to, const GateReport& report);

}  // namespace oxbow
