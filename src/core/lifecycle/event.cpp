#include "core/lifecycle/event.hpp"

#include <fmt/format.h>

#include <array>

#include "base/text.hpp"
#include "core/lifecycle/record.hpp"
#include "core/spec/scalars.hpp"

namespace oxbow {
namespace {

constexpr std::uint64_t kVersion = 1;

// In the order of `Happening`.
constexpr std::array<std::string_view, std::variant_size_v<Happening>> kKinds = {"spec-adopted",
                                                                                 "transition-began",
                                                                                 "transition-done",
                                                                                 "transition-failed",
                                                                                 "paused",
                                                                                 "resumed",
                                                                                 "halted",
                                                                                 "halt-ended",
                                                                                 "rate-set",
                                                                                 "verify-began",
                                                                                 "verify-ended",
                                                                                 "quarantine-retried",
                                                                                 "findings-closed",
                                                                                 "begun-anew",
                                                                                 "authority-moved",
                                                                                 "handover-called-back",
                                                                                 "envelope-narrowed",
                                                                                 "envelope-widened",
                                                                                 "loss-accepted",
                                                                                 "retired",
                                                                                 "forward-decided",
                                                                                 "forward-withdrawn",
                                                                                 "shadows-kept-away",
                                                                                 "shadows-allowed",
                                                                                 "gate-overridden",
                                                                                 "gate-override-withdrawn"};

std::uint64_t to_number(WallTime time) {
  return static_cast<std::uint64_t>(time.time_since_epoch().count());
}
WallTime to_time(std::uint64_t number) {
  return WallTime(std::chrono::microseconds(number));
}

// Writes the fields of a happening; a method per kind, mirrored by a read_* function below.
struct FieldWriter {
  Record& record;

  void scope(const Scope& value) const {
    record["entity"] = value.entity;
    record["cohort"] = value.cohort;
  }
  void state(std::string_view key, State value) const { record[std::string(key)] = std::string(name(value)); }

  template <class Arrival>
  void arrival(const Arrival& what) const {
    scope(what.scope);
    state("to", what.to);
    record["epoch"] = what.epoch;
  }

  void figures(const HandoverFigures& value) const {
    std::vector<std::string> steps, steps_us;
    for (const auto& step : value.steps) {
      steps.push_back(step.name);
      steps_us.push_back(std::to_string(step.took_us));
    }
    record["steps"] = std::move(steps);
    record["steps_us"] = std::move(steps_us);
    if (value.pause_us) record["pause_us"] = *value.pause_us;
  }

  void operator()(const SpecAdopted& what) const {
    std::vector<std::string> entities, cohorts, definitions;
    for (const auto& adopted : what.cohorts) {
      entities.push_back(adopted.scope.entity);
      cohorts.push_back(adopted.scope.cohort);
      definitions.push_back(adopted.definition);
    }
    record["entities"] = std::move(entities);
    record["cohorts"] = std::move(cohorts);
    record["definitions"] = std::move(definitions);
    if (what.epochs.empty()) return;
    std::vector<std::string> epoch_entities, epochs;
    for (const auto& [entity, epoch] : what.epochs) {
      epoch_entities.push_back(entity);
      epochs.push_back(std::to_string(epoch));
    }
    record["epoch_entities"] = std::move(epoch_entities);
    record["epochs"] = std::move(epochs);
  }
  void operator()(const TransitionBegan& what) const {
    scope(what.scope);
    state("from", what.from);
    state("to", what.to);
    record["epoch"] = what.epoch;
  }
  void operator()(const TransitionDone& what) const {
    arrival(what);
    if (what.figures) figures(*what.figures);
  }
  void operator()(const AuthorityMoved& what) const { arrival(what); }
  void operator()(const TransitionFailed& what) const {
    scope(what.scope);
    state("to", what.to);
    record["error"] = std::string(name(what.error.code));
    record["detail"] = what.error.detail;
  }
  void operator()(const HandoverCalledBack& what) const { scope(what.scope); }
  void operator()(const EnvelopeNarrowed& what) const {
    scope(what.scope);
    record["table"] = what.table;
    record["key"] = what.key;
    record["reason"] = what.reason;
  }
  void operator()(const EnvelopeWidened& what) const { scope(what.scope); }
  void operator()(const LossAccepted& what) const {
    scope(what.scope);
    record["rows"] = what.loss.rows;
    record["digest"] = what.loss.digest;
  }
  void operator()(const ForwardDecided& what) const { scope(what.scope); }
  void operator()(const ForwardWithdrawn& what) const { scope(what.scope); }
  void operator()(const GateOverridden& what) const {
    scope(what.scope);
    state("to", what.to);
    record["approver"] = what.approver;
  }
  void operator()(const GateOverrideWithdrawn& what) const {
    scope(what.scope);
    state("to", what.to);
  }
  void operator()(const ShadowsKeptAway& what) const { record["entity"] = what.entity; }
  void operator()(const ShadowsAllowed& what) const { record["entity"] = what.entity; }
  void operator()(const Paused& what) const { scope(what.scope); }
  void operator()(const Resumed& what) const { scope(what.scope); }
  void operator()(const Halted&) const {}
  void operator()(const HaltEnded&) const {}
  void operator()(const RateSet& what) const {
    record["rows_per_second_max"] = what.rate.rows_per_second_max;
    record["bytes_per_second_max"] = what.rate.bytes_per_second_max;
    record["workers"] = static_cast<std::uint64_t>(what.rate.workers);
  }
  void operator()(const VerifyBegan& what) const { record["entity"] = what.entity; }
  void operator()(const VerifyEnded& what) const {
    record["entity"] = what.entity;
    record["result"] = std::string(name(what.proof.result));
    record["rows_compared"] = what.proof.rows_compared;
    record["divergences"] = what.proof.divergences;
    record["coverage_ppm"] = std::uint64_t{what.proof.coverage_ppm};
    record["position"] = to_string(what.proof.position);
    record["taken_at_us"] = to_number(what.proof.taken_at);
    if (what.proof.rows_waiting > 0) record["rows_waiting"] = what.proof.rows_waiting;
  }
  void operator()(const QuarantineRetried& what) const { record["key"] = what.key; }
  void operator()(const FindingsClosed& what) const { record["which"] = what.which; }
  void operator()(const BegunAnew& what) const { record["route"] = what.route; }
  void operator()(const Retired& what) const {
    record["entity"] = what.entity;
    record["evidence"] = what.evidence;
  }
};

Result<Scope> read_scope(const Record& record) {
  return Scope{TRY(text_field(record, "entity")), TRY(text_field(record, "cohort"))};
}

Result<State> read_state(const Record& record, std::string_view key) {
  auto text = TRY(text_field(record, key));
  if (auto state = parse_state(text)) return *state;
  return Err(ErrorCode::malformed, "`{}` is no state", text);
}

Result<std::optional<HandoverFigures>> read_figures(const Record& record) {
  if (!record.contains("steps")) return std::nullopt;
  auto steps = TRY(list_field(record, "steps"));
  auto steps_us = TRY(list_field(record, "steps_us"));
  if (steps.size() != steps_us.size())
    return Err(ErrorCode::malformed, "{} steps took {} times", steps.size(), steps_us.size());
  HandoverFigures figures;
  if (record.contains("pause_us")) figures.pause_us = TRY(number_field(record, "pause_us"));
  for (std::size_t i = 0; i < steps.size(); ++i) {
    auto took_us = parse_count(steps_us[i]);
    if (!took_us) return Err(ErrorCode::malformed, "step {} took `{}`", steps[i], steps_us[i]);
    figures.steps.push_back({std::move(steps[i]), *took_us});
  }
  return figures;
}

Result<SpecAdopted> read_spec_adopted(const Record& record) {
  auto entities = TRY(list_field(record, "entities"));
  auto cohorts = TRY(list_field(record, "cohorts"));
  auto definitions = TRY(list_field(record, "definitions"));
  if (cohorts.size() != entities.size() || definitions.size() != entities.size()) {
    return Err(ErrorCode::malformed, "its lists differ in length");
  }
  SpecAdopted what;
  for (std::size_t i = 0; i < entities.size(); ++i)
    what.cohorts.push_back({{entities[i], cohorts[i]}, definitions[i]});
  if (!record.contains("epochs")) return what;
  auto epoch_entities = TRY(list_field(record, "epoch_entities"));
  auto epochs = TRY(list_field(record, "epochs"));
  if (epochs.size() != epoch_entities.size())
    return Err(ErrorCode::malformed, "{} entities begin in {} epochs", epoch_entities.size(), epochs.size());
  for (std::size_t i = 0; i < epochs.size(); ++i) {
    auto epoch = parse_count(epochs[i]);
    if (!epoch) return Err(ErrorCode::malformed, "{} begins in epoch `{}`", epoch_entities[i], epochs[i]);
    what.epochs[epoch_entities[i]] = *epoch;
  }
  return what;
}

Result<TransitionFailed> read_transition_failed(const Record& record) {
  auto error = TRY(text_field(record, "error"));
  auto code = parse_error_code(error);
  if (!code) return Err(ErrorCode::malformed, "`{}` is no error", error);
  return TransitionFailed{
      TRY(read_scope(record)), TRY(read_state(record, "to")), {*code, TRY(text_field(record, "detail"))}};
}

Result<RateSet> read_rate_set(const Record& record) {
  return RateSet{{TRY(number_field(record, "rows_per_second_max")),
                  TRY(number_field(record, "bytes_per_second_max")),
                  static_cast<int>(TRY(number_field(record, "workers")))}};
}

Result<VerifyEnded> read_verify_ended(const Record& record) {
  VerifyEnded what{TRY(text_field(record, "entity")), {}};
  auto result = TRY(text_field(record, "result"));
  for (std::size_t i = 0; i < kVerifyStateNames.size(); ++i)
    if (kVerifyStateNames[i] == result) what.proof.result = static_cast<VerifyState>(i);
  if (name(what.proof.result) != result) return Err(ErrorCode::malformed, "`{}` is no result", result);
  what.proof.rows_compared = TRY(number_field(record, "rows_compared"));
  what.proof.divergences = TRY(number_field(record, "divergences"));
  what.proof.coverage_ppm = static_cast<std::uint32_t>(TRY(number_field(record, "coverage_ppm")));
  auto position = TRY(text_field(record, "position"));
  what.proof.position = TRY(parse_lsn(position));
  what.proof.taken_at = to_time(TRY(number_field(record, "taken_at_us")));
  if (record.contains("rows_waiting")) what.proof.rows_waiting = TRY(number_field(record, "rows_waiting"));
  return what;
}

Result<Happening> read_happening(std::string_view kind, const Record& record) {
  if (kind == "spec-adopted") return TRY(read_spec_adopted(record));
  if (kind == "transition-began") {
    return TransitionBegan{TRY(read_scope(record)), TRY(read_state(record, "from")),
                           TRY(read_state(record, "to")), TRY(number_field(record, "epoch"))};
  }
  if (kind == "transition-done") {
    return TransitionDone{TRY(read_scope(record)), TRY(read_state(record, "to")),
                          TRY(number_field(record, "epoch")), TRY(read_figures(record))};
  }
  if (kind == "transition-failed") {
    return TRY(read_transition_failed(record));
  }
  if (kind == "paused") return Paused{TRY(read_scope(record))};
  if (kind == "resumed") return Resumed{TRY(read_scope(record))};
  if (kind == "halted") return Halted{};
  if (kind == "halt-ended") return HaltEnded{};
  if (kind == "rate-set") return TRY(read_rate_set(record));
  if (kind == "verify-began") return VerifyBegan{TRY(text_field(record, "entity"))};
  if (kind == "verify-ended") return TRY(read_verify_ended(record));
  if (kind == "quarantine-retried") return QuarantineRetried{TRY(text_field(record, "key"))};
  if (kind == "findings-closed") return FindingsClosed{TRY(text_field(record, "which"))};
  if (kind == "handover-called-back") return HandoverCalledBack{TRY(read_scope(record))};
  if (kind == "authority-moved") {
    return AuthorityMoved{TRY(read_scope(record)), TRY(read_state(record, "to")),
                          TRY(number_field(record, "epoch"))};
  }
  if (kind == "envelope-narrowed") {
    return EnvelopeNarrowed{TRY(read_scope(record)), TRY(text_field(record, "table")),
                            TRY(text_field(record, "key")), TRY(text_field(record, "reason"))};
  }
  if (kind == "envelope-widened") return EnvelopeWidened{TRY(read_scope(record))};
  if (kind == "loss-accepted") {
    return LossAccepted{TRY(read_scope(record)),
                        {TRY(number_field(record, "rows")), TRY(text_field(record, "digest"))}};
  }
  if (kind == "forward-decided") return ForwardDecided{TRY(read_scope(record))};
  if (kind == "forward-withdrawn") return ForwardWithdrawn{TRY(read_scope(record))};
  if (kind == "gate-overridden")
    return GateOverridden{TRY(read_scope(record)), TRY(read_state(record, "to")),
                          TRY(text_field(record, "approver"))};
  if (kind == "gate-override-withdrawn")
    return GateOverrideWithdrawn{TRY(read_scope(record)), TRY(read_state(record, "to"))};
  if (kind == "shadows-kept-away") return ShadowsKeptAway{TRY(text_field(record, "entity"))};
  if (kind == "shadows-allowed") return ShadowsAllowed{TRY(text_field(record, "entity"))};
  if (kind == "retired")
    return Retired{TRY(text_field(record, "entity")), TRY(text_field(record, "evidence"))};
  if (kind == "begun-anew") return BegunAnew{TRY(text_field(record, "route"))};
  return Err(ErrorCode::unsupported,
             "this oxbow does not know events of kind `{}`; use the version that wrote it", kind);
}

std::string limit(std::uint64_t value, std::string_view unit) {
  return value == 0 ? fmt::format("{} without limit", unit) : fmt::format("{} {}", human_count(value), unit);
}

struct Describer {
  std::string operator()(const SpecAdopted& what) const {
    return fmt::format("the spec was taken over, with {}", counted(what.cohorts.size(), "cohort", "cohorts"));
  }
  std::string operator()(const TransitionBegan& what) const {
    if (what.from == what.to)
      return fmt::format("{} was called back to {}", to_string(what.scope), name(what.to));
    return fmt::format("{} began to move from {} to {}", to_string(what.scope), name(what.from),
                       name(what.to));
  }
  std::string operator()(const TransitionDone& what) const {
    return fmt::format("{} is in {}, epoch {}", to_string(what.scope), name(what.to), what.epoch);
  }
  std::string operator()(const AuthorityMoved& what) const {
    return fmt::format("the authority over {} is on the {} side, epoch {}", to_string(what.scope),
                       name(authority(what.to)), what.epoch);
  }
  std::string operator()(const HandoverCalledBack& what) const {
    return fmt::format("the handover of {} was called back", to_string(what.scope));
  }
  std::string operator()(const TransitionFailed& what) const {
    return fmt::format("{} did not reach {}: {}", to_string(what.scope), name(what.to),
                       to_string(what.error));
  }
  std::string operator()(const EnvelopeNarrowed& what) const {
    return fmt::format("the envelope of {} is partial: legacy does not take {} of {}: {}",
                       to_string(what.scope), what.key, what.table, what.reason);
  }
  std::string operator()(const EnvelopeWidened& what) const {
    return fmt::format("the envelope of {} is full again", to_string(what.scope));
  }
  std::string operator()(const LossAccepted& what) const {
    return fmt::format("{} of {} on the new side may be lost", counted(what.loss.rows, "row", "rows"),
                       to_string(what.scope));
  }
  std::string operator()(const ForwardDecided& what) const {
    return fmt::format("{} goes forward only", to_string(what.scope));
  }
  std::string operator()(const ForwardWithdrawn& what) const {
    return fmt::format("{} may go back again", to_string(what.scope));
  }
  std::string operator()(const GateOverridden& what) const {
    return fmt::format("{} may enter {} although its gate does not open, approved by {}",
                       to_string(what.scope), name(what.to), what.approver);
  }
  std::string operator()(const GateOverrideWithdrawn& what) const {
    return fmt::format("{} enters {} by its gate again", to_string(what.scope), name(what.to));
  }
  std::string operator()(const ShadowsKeptAway& what) const {
    return fmt::format("requests of {} have no shadow any more", what.entity);
  }
  std::string operator()(const ShadowsAllowed& what) const {
    return fmt::format("requests of {} have shadows again", what.entity);
  }
  std::string operator()(const Paused& what) const { return to_string(what.scope) + " was paused"; }
  std::string operator()(const Resumed& what) const { return to_string(what.scope) + " was resumed"; }
  std::string operator()(const Halted&) const { return "the migration was halted"; }
  std::string operator()(const HaltEnded&) const { return "the halt was ended"; }
  std::string operator()(const RateSet& what) const {
    return fmt::format("the rate was set: {}, {}, {}", limit(what.rate.rows_per_second_max, "rows/s"),
                       limit(what.rate.bytes_per_second_max, "bytes/s"),
                       counted(static_cast<std::uint64_t>(what.rate.workers), "worker", "workers"));
  }
  std::string operator()(const VerifyBegan& what) const {
    return fmt::format("verification of {} began", what.entity.empty() ? "everything" : what.entity);
  }
  std::string operator()(const VerifyEnded& what) const {
    return fmt::format("verification of {} ended: {}, {}, {}, coverage {:.4g} %, at {}",
                       what.entity.empty() ? "everything" : what.entity, name(what.proof.result),
                       counted(what.proof.rows_compared, "row", "rows"),
                       counted(what.proof.divergences, "divergence", "divergences"),
                       what.proof.coverage_ppm / 10'000.0, to_string(what.proof.position));
  }
  std::string operator()(const QuarantineRetried& what) const {
    return fmt::format("{} in quarantine is to be read again",
                       what.key.empty() ? "everything" : "the row " + what.key);
  }
  std::string operator()(const FindingsClosed& what) const {
    return fmt::format("findings were closed by hand: {}", what.which);
  }
  std::string operator()(const Retired& what) const {
    return fmt::format("the legacy tables of {} are retired: {}", what.entity, what.evidence);
  }
  std::string operator()(const BegunAnew& what) const {
    return fmt::format("the comparison of answers begins anew for {}",
                       what.route.empty() ? "all routes" : what.route);
  }
};

}  // namespace

std::string encode(const Event& event) {
  Record record;
  std::visit(FieldWriter{record}, event.what);
  record["kind"] = std::string(kind(event));
  record["version"] = kVersion;
  record["at_us"] = to_number(event.at);
  record["who"] = event.who;
  record["why"] = event.why;
  record["spec"] = event.spec_hash;
  return to_canonical(record);
}

Result<Event> decode_event(std::string_view text) {
  auto record = TRY(parse_canonical(text));
  auto version = TRY(number_field(record, "version"));
  if (version != kVersion) {
    return Err(ErrorCode::unsupported,
               "it has version {}, this oxbow reads version {}; use the version that wrote it", version,
               kVersion);
  }
  Event event;
  event.at = to_time(TRY(number_field(record, "at_us")));
  event.who = TRY(text_field(record, "who"));
  event.why = TRY(text_field(record, "why"));
  event.spec_hash = TRY(text_field(record, "spec"));
  auto kind_text = TRY(text_field(record, "kind"));
  event.what = TRY(read_happening(kind_text, record));
  return event;
}

std::string_view kind(const Event& event) {
  return kKinds[event.what.index()];
}

std::string describe(const Event& event) {
  return std::visit(Describer{}, event.what);
}

}  // namespace oxbow
