#include "core/gate/gate.hpp"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/text.hpp"

namespace oxbow {
namespace {

using enum GateVerdict;

std::string percent(double share) {
  return fmt::format("{:.4g} %", share);
}

std::string verify_again(const Scope& scope) {
  return fmt::format("run `oxbow verify --entity {}`", scope.entity);
}

// What the last verification has proven; nothing if there is none that counts.
const ProofSummary* proof_of(const GateFacts& facts) {
  const auto& proof = facts.life.proof;
  bool counts = proof && (proof->result == VerifyState::equal || proof->result == VerifyState::differs);
  return counts ? &*proof : nullptr;
}

// Inconclusive without a proof, else as `judge` finds it.
template <class Judge>
GateCondition of_proof(std::string_view name, std::string threshold, const GateFacts& facts, Judge judge) {
  GateCondition condition{.name = name, .layer = ProofLayer::parity};
  condition.threshold = std::move(threshold);
  if (const auto* proof = proof_of(facts))
    judge(*proof, condition);
  else
    condition.missing = "no verification has compared it to the end; " + verify_again(facts.scope);
  return condition;
}

GateCondition proof_age(Duration max, const GateFacts& facts) {
  return of_proof("proof_age_max", "at most " + human_duration(max), facts,
                  [&](const ProofSummary& proof, GateCondition& condition) {
                    auto age = facts.now - proof.taken_at;
                    condition.value = human_duration(age);
                    bool is_of_later = age < Duration::zero();
                    if (!is_of_later && age <= max) {
                      condition.verdict = pass;
                      return;
                    }
                    condition.missing = (is_of_later ? "the proof is of a later time than it is now; "
                                                     : "the last proof is too old; ") +
                                        verify_again(facts.scope);
                  });
}

GateCondition divergences(std::uint64_t max, const GateFacts& facts) {
  GateCondition condition{.name = "divergence_max", .layer = ProofLayer::parity};
  condition.threshold = fmt::format("at most {}", human_count(max));
  condition.value = human_count(facts.divergences);
  if (facts.divergences > max) {
    condition.verdict = fail;
    condition.missing = fmt::format("`oxbow findings` shows the divergences of {}; mend them, and {}",
                                    facts.scope.entity, verify_again(facts.scope));
  } else if (proof_of(facts) == nullptr) {
    condition.missing = "nothing was compared, so nothing was found; " + verify_again(facts.scope);
  } else {
    condition.verdict = pass;
  }
  return condition;
}

GateCondition coverage(double min_percent, const GateFacts& facts) {
  return of_proof("coverage_min", "at least " + percent(min_percent), facts,
                  [&](const ProofSummary& proof, GateCondition& condition) {
                    auto share = proof.coverage_ppm / 10'000.0;
                    condition.value = percent(share);
                    condition.verdict = share >= min_percent ? pass : fail;
                    if (condition.verdict == fail)
                      condition.missing =
                          "the last verification left something out; " + verify_again(facts.scope);
                  });
}

// What is measured of the stream, if it runs: a figure from before it stopped says nothing of now.
template <class Figure, class Show>
GateCondition of_stream(std::string_view name, Figure max, const std::optional<Figure>& now,
                        const GateFacts& facts, Show show) {
  GateCondition condition{.name = name, .layer = ProofLayer::transport};
  condition.threshold = "at most " + show(max);
  if (!facts.has_stream) {
    condition.verdict = pass;
    condition.value = "no stream yet";
  } else if (!facts.away.empty()) {
    condition.verdict = error;
    condition.missing = facts.away;
  } else if (!now) {
    condition.missing = "it is not measured yet; ask again in a moment";
  } else {
    condition.value = show(*now);
    condition.verdict = *now <= max ? pass : fail;
    if (condition.verdict == fail)
      condition.missing = "the stream has to catch up; `oxbow status` follows it";
  }
  return condition;
}

GateCondition time_in_state(Duration min, const GateFacts& facts) {
  GateCondition condition{.name = "in_state_min", .layer = ProofLayer::behaviour};
  condition.threshold = "at least " + human_duration(min);
  auto stays = facts.now - facts.life.since;
  condition.value = human_duration(stays);
  if (stays >= min) {
    condition.verdict = pass;
    return condition;
  }
  condition.passes_after = min - stays;
  condition.missing = fmt::format("{} more in `{}`", human_duration(min - stays), name(facts.life.state));
  return condition;
}

}  // namespace

GateReport judge_gate(const GateSpec& gate, const GateFacts& facts) {
  GateReport report;
  auto add = [&](GateCondition condition) {
    report.verdict = std::max(report.verdict, condition.verdict);
    report.conditions.push_back(std::move(condition));
  };
  if (gate.proof_age_max) add(proof_age(*gate.proof_age_max, facts));
  if (gate.divergence_max) add(divergences(*gate.divergence_max, facts));
  if (gate.coverage_min_percent) add(coverage(*gate.coverage_min_percent, facts));
  if (gate.lag_max) add(of_stream("lag_max", *gate.lag_max, facts.lag, facts, human_duration));
  if (gate.lag_bytes_max)
    add(of_stream("lag_bytes_max", *gate.lag_bytes_max, facts.lag_bytes, facts, human_bytes));
  if (gate.in_state_min) add(time_in_state(*gate.in_state_min, facts));
  return report;
}

Status refuse_unless_passed(const Scope& scope, State to, const GateReport& report) {
  if (report.verdict == GateVerdict::pass) return {};
  std::vector<std::string> lacking;
  for (const auto& condition : report.conditions)
    if (condition.verdict != GateVerdict::pass)
      lacking.push_back(fmt::format("{} is {} ({}, {}): {}", condition.name, name(condition.verdict),
                                    condition.value.empty() ? "unknown" : condition.value,
                                    condition.threshold, condition.missing));
  return Err(ErrorCode::gate_closed, "the gate of {} to `{}` does not open: {}", to_string(scope), name(to),
             fmt::join(lacking, "; "));
}

}  // namespace oxbow
