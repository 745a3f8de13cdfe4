#include "services/control/gate_keeper.hpp"

namespace oxbow {
namespace {

void add_stream(const std::optional<StreamStatus>& stream, GateFacts& facts) {
  facts.has_stream = stream && stream->phase != StreamPhase::none;
  if (!facts.has_stream) return;
  facts.lag = stream->lag;
  facts.lag_bytes = stream->lag_bytes;
  if (stream->phase == StreamPhase::running) return;
  facts.away = fmt::format("its stream is {}{}{}", name(stream->phase), stream->reason.empty() ? "" : ": ",
                           stream->reason);
}

}  // namespace

Result<GateReport> GateKeeper::look(const Lifecycle& lifecycle, const Scope& scope, State to,
                                    WallTime now) const {
  auto gate = spec_.gates.find(to);
  if (gate == spec_.gates.end()) return GateReport{};
  const auto& life = lifecycle.cohorts.at(scope);
  GateFacts facts{.scope = scope, .life = life, .now = now};
  for (auto kind : kDivergenceKinds)
    facts.divergences += TRY(findings_.count_findings({.kind = kind, .entity = scope.entity}));
  auto status = plane_.status();
  add_stream(authority(life.state) == Side::legacy ? std::optional(status.stream) : status.stream_back,
             facts);
  return judge_gate(gate->second, facts);
}

Result<std::map<Scope, Error>> GateKeeper::closed(const Lifecycle& lifecycle,
                                                  const std::vector<Event>& events, WallTime now) const {
  std::map<Scope, Error> closed;
  for (const auto& event : events) {
    auto* began = std::get_if<TransitionBegan>(&event.what);
    if (began == nullptr) continue;
    auto passed =
        refuse_unless_passed(began->scope, began->to, TRY(look(lifecycle, began->scope, began->to, now)));
    if (!passed) closed.emplace(began->scope, std::move(passed.error()));
  }
  return closed;
}

}  // namespace oxbow
