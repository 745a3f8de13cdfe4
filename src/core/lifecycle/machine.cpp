#include "core/lifecycle/machine.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/assert.hpp"
#include "base/text.hpp"
#include "core/lifecycle/adoption.hpp"
#include "core/lifecycle/application.hpp"
#include "core/lifecycle/invariants.hpp"
#include "core/lifecycle/legality.hpp"

namespace oxbow {
namespace {

using Events = std::vector<Event>;

std::string did_you_mean(std::string_view word, const std::set<std::string, std::less<>>& names) {
  std::vector<std::string_view> candidates(names.begin(), names.end());
  auto nearest = nearest_word(word, candidates);
  if (!nearest.empty()) return fmt::format("did you mean `{}`?", nearest);
  return fmt::format("there are: {}", fmt::join(candidates, ", "));
}

// Decides one command; a method per wish.
class Decision {
 public:
  Decision(const Lifecycle& lifecycle, const Command& command, WallTime now)
      : lifecycle_(lifecycle), command_(command), now_(now) {}

  Result<Events> operator()(const AdoptSpec& wish) {
    bool is_same_file = wish.spec_hash == lifecycle_.spec_hash;
    for (const auto& [scope, life] : lifecycle_.cohorts)
      TRY(may_adopt(scope, life, wish.cohorts, is_same_file));
    if (is_same_file && are_known(wish.cohorts)) return events_;
    SpecAdopted adopted{wish.cohorts};
    for (const auto& each : wish.cohorts) {
      auto last = last_epoch_of(lifecycle_, each.scope.entity);
      if (last > 1 && !is_same_file) adopted.epochs[each.scope.entity] = last;
    }
    happened(std::move(adopted));
    for (auto& event : events_) event.spec_hash = wish.spec_hash;
    return events_;
  }

  Result<Events> operator()(const Advance& wish) {
    if (lifecycle_.halted) return Err(ErrorCode::illegal_transition, "{}", halted_sentence());
    for (const auto& [scope, life] : TRY(cohorts_of(wish.entity, wish.cohort))) {
      if (wish.to < life.state) {
        auto leads_there = life.state == State::fully_cutover
                               ? std::string("there is no way back, recovery goes forward only")
                               : fmt::format("run `oxbow rollback {} --cohort {} --to {}`", scope.entity,
                                             scope.cohort, name(wish.to));
        return Err(ErrorCode::illegal_transition, "{} is in `{}`, and `{}` is a step back: {}",
                   to_string(scope), name(life.state), name(wish.to), leads_there);
      }
      TRY(is_rehearsed(scope, life, wish));
      auto closed = wish.closed_gates.find(scope);
      if (closed != wish.closed_gates.end() && !life.gate_overrides.contains(wish.to))
        return std::unexpected(closed->second);
      TRY(move(scope, life, wish.to));
    }
    return events_;
  }

  Result<Events> operator()(const Rollback& wish) {
    for (const auto& [scope, life] : TRY(cohorts_of(wish.entity, wish.cohort))) {
      if (wish.to > life.state) {
        return Err(ErrorCode::illegal_transition,
                   "{} is in `{}`, and `{}` is a step forward: run `oxbow advance {} --cohort {} --to {}`",
                   to_string(scope), name(life.state), name(wish.to), scope.entity, scope.cohort,
                   name(wish.to));
      }
      TRY(may_go_back(scope, life, wish.to));
      auto began = events_.size();
      TRY(move(scope, life, wish.to));
      auto loss = wish.accepted_losses.find(scope);
      bool loses = loss != wish.accepted_losses.end() && events_.size() > began &&
                   authority(wish.to) != authority(life.state);
      if (!loses) continue;
      happened(LossAccepted{scope, loss->second});
      std::rotate(events_.begin() + static_cast<std::ptrdiff_t>(began), events_.end() - 1, events_.end());
    }
    return events_;
  }

  Result<Events> operator()(const Pause& wish) {
    for (const auto& [scope, life] : TRY(cohorts_where(wish.entity, Operation::pause))) {
      if (!life.paused) happened(Paused{scope});
    }
    return events_;
  }

  Result<Events> operator()(const Resume& wish) {
    if (!wish.entity) {
      if (lifecycle_.halted) happened(HaltEnded{});
      for (const auto& [scope, life] : lifecycle_.cohorts)
        if (life.paused) happened(Resumed{scope});
      return events_;
    }
    for (const auto& [scope, life] : TRY(cohorts_where(wish.entity, Operation::resume))) {
      if (life.paused) happened(Resumed{scope});
    }
    return events_;
  }

  Result<Events> operator()(const Halt&) {
    if (!lifecycle_.halted) happened(Halted{});
    return events_;
  }

  Result<Events> operator()(const SetRate& wish) {
    if (wish.rate.workers < 1 || wish.rate.workers > 64) {
      return Err(ErrorCode::usage, "{} workers cannot copy: say 1 to 64", wish.rate.workers);
    }
    if (lifecycle_.rate != wish.rate) happened(RateSet{wish.rate});
    return events_;
  }

  Result<Events> operator()(const BeginVerify& wish) {
    if (lifecycle_.halted) return Err(ErrorCode::illegal_transition, "{}", halted_sentence());
    TRY(cohorts_where(wish.entity, Operation::verify));
    happened(VerifyBegan{wish.entity.value_or("")});
    return events_;
  }

  Result<Events> operator()(const EndVerify& wish) {
    happened(VerifyEnded{wish.entity.value_or(""), wish.proof});
    return events_;
  }

  Result<Events> operator()(const RetryQuarantined& wish) {
    if (lifecycle_.halted) return Err(ErrorCode::illegal_transition, "{}", halted_sentence());
    happened(QuarantineRetried{wish.key.value_or("")});
    return events_;
  }

  // Whoever reads the finding later has nothing else to go by.
  Result<Events> operator()(const CloseFindings& wish) {
    if (command_.why.empty())
      return Err(ErrorCode::usage, "a finding that is closed by hand needs a reason: add --why TEXT");
    happened(FindingsClosed{wish.which});
    return events_;
  }

  Result<Events> operator()(const Retire& wish) {
    for (const auto& [scope, life] : TRY(cohorts_of(wish.entity, std::nullopt))) {
      if (life.state == State::fully_cutover && !life.moving_to) continue;
      return Err(ErrorCode::illegal_transition,
                 "{} is in `{}`, and an entity is retired when all of its cohorts are in `fully-cutover`",
                 to_string(scope), name(life.state));
    }
    if (!lifecycle_.retired.contains(wish.entity)) happened(Retired{wish.entity, wish.evidence});
    return events_;
  }

  Result<Events> operator()(const GoForward& wish) {
    auto cohorts = TRY(cohorts_of(wish.entity, wish.cohort));
    for (const auto& [scope, life] : cohorts) {
      if (wish.withdraw && life.forward_only) happened(ForwardWithdrawn{scope});
      if (wish.withdraw) continue;
      bool is_at_home_there = authority(life.state) == Side::new_side && life.state != State::fully_cutover;
      if (!is_at_home_there || changes_hands(life)) {
        if (!wish.cohort) continue;
        return Err(ErrorCode::illegal_transition,
                   "{} is {} `{}`: a cohort goes forward only where it is at home on the new side, in "
                   "`new-write` or "
                   "`new-read`",
                   to_string(scope), changes_hands(life) ? "in a handover from or to" : "in",
                   name(life.state));
      }
      if (!life.forward_only) happened(ForwardDecided{scope});
    }
    bool any =
        std::ranges::any_of(cohorts, [](const auto& each) { return each.second.forward_only.has_value(); });
    if (events_.empty() && !any && !wish.withdraw)
      return Err(ErrorCode::illegal_transition, "no cohort of {} is at home on the new side with a way back",
                 wish.entity);
    return events_;
  }

  Result<Events> operator()(const OverrideGate& wish) {
    if (!wish.withdraw) TRY(may_override(wish));
    for (const auto& [scope, life] : TRY(cohorts_of(wish.entity, wish.cohort))) {
      auto known = life.gate_overrides.find(wish.to);
      bool is_there = known != life.gate_overrides.end();
      if (wish.withdraw && is_there) happened(GateOverrideWithdrawn{scope, wish.to});
      if (wish.withdraw || (is_there && known->second.approver == wish.approver)) continue;
      happened(GateOverridden{scope, wish.to, wish.approver});
    }
    return events_;
  }

  Result<Events> operator()(const KeepShadowsAway& wish) {
    bool are_away = lifecycle_.shadows_kept_away.contains(wish.entity);
    if (!wish.withdraw || !are_away) TRY(cohorts_of(wish.entity, std::nullopt));
    if (wish.withdraw && are_away) happened(ShadowsAllowed{wish.entity});
    if (!wish.withdraw && !are_away) happened(ShadowsKeptAway{wish.entity});
    return events_;
  }

  Result<Events> operator()(const BeginAnew& wish) {
    happened(BegunAnew{wish.route.value_or("")});
    return events_;
  }

  Result<Events> operator()(const MoveAuthority& wish) {
    auto found = lifecycle_.cohorts.find(wish.scope);
    bool may = found != lifecycle_.cohorts.end() && changes_hands(found->second) && !found->second.settling &&
               !found->second.called_back && found->second.epoch == wish.epoch;
    if (!may)
      return Err(ErrorCode::illegal_transition, "{} is not in a handover of epoch {}", to_string(wish.scope),
                 wish.epoch);
    happened(AuthorityMoved{wish.scope, *found->second.moving_to, wish.epoch + 1});
    return events_;
  }

  Result<Events> operator()(const NarrowEnvelope& wish) {
    auto found = lifecycle_.cohorts.find(wish.scope);
    bool is_news = found != lifecycle_.cohorts.end() && !found->second.narrowed &&
                   authority(found->second.state) == Side::new_side;
    if (is_news) happened(EnvelopeNarrowed{wish.scope, wish.table, wish.key, wish.reason});
    return events_;
  }

  Result<Events> operator()(const WidenEnvelope& wish) {
    auto found = lifecycle_.cohorts.find(wish.scope);
    if (found == lifecycle_.cohorts.end() || !found->second.narrowed) return events_;
    if (!is_proven_since(found->second, found->second.narrowed->since))
      return Err(ErrorCode::illegal_transition, "nobody has found both sides of {} equal since {}",
                 to_string(wish.scope), to_string(found->second.narrowed->since));
    happened(EnvelopeWidened{wish.scope});
    return events_;
  }

  Result<Events> operator()(const EndTransition& wish) {
    auto found = lifecycle_.cohorts.find(wish.scope);
    if (found == lifecycle_.cohorts.end() || !found->second.moving_to) {
      return Err(ErrorCode::illegal_transition, "{} is not on its way anywhere", to_string(wish.scope));
    }
    auto to = *found->second.moving_to;
    bool flips = changes_hands(found->second) && !found->second.settling;
    if (!wish.failure && flips)
      return Err(ErrorCode::illegal_transition, "the authority over {} has not moved", to_string(wish.scope));
    if (wish.failure && found->second.settling)
      return Err(ErrorCode::illegal_transition, "the authority over {} has moved: it goes forward only",
                 to_string(wish.scope));
    if (!wish.failure) {
      happened(TransitionDone{wish.scope, to, found->second.epoch, wish.figures});
    } else {
      happened(TransitionFailed{wish.scope, to, *wish.failure});
    }
    return events_;
  }

 private:
  using Cohorts = std::vector<std::pair<Scope, CohortLife>>;

  void happened(Happening what) {
    events_.push_back({now_, command_.who, command_.why, lifecycle_.spec_hash, std::move(what)});
  }

  std::string halted_sentence() const {
    return fmt::format("the migration is halted since {}{}: run `oxbow resume` first",
                       to_string(lifecycle_.halted_at),
                       lifecycle_.halted_why.empty() ? "" : " (" + lifecycle_.halted_why + ")");
  }

  Status may_override(const OverrideGate& wish) const {
    if (command_.why.empty())
      return Err(ErrorCode::usage, "who overrides a gate gives a reason: add --why TEXT");
    if (wish.approver.empty())
      return Err(ErrorCode::usage, "who overrides a gate names who has approved it: add --approver NAME");
    if (wish.approver == command_.who)
      return Err(ErrorCode::usage,
                 "nobody approves an override of his own: `{}` is who asks; name somebody else",
                 wish.approver);
    return {};
  }

  static std::uint64_t epoch_in(const CohortLife& life, State to) {
    return life.epoch + (authority(life.state) == authority(to) ? 0 : 1);
  }

  bool are_known(const std::vector<AdoptedCohort>& cohorts) const {
    auto is_known = [&](const AdoptedCohort& each) {
      auto found = lifecycle_.cohorts.find(each.scope);
      return found != lifecycle_.cohorts.end() && found->second.definition == each.definition;
    };
    return cohorts.size() == lifecycle_.cohorts.size() && std::ranges::all_of(cohorts, is_known);
  }

  static Status may_adopt(const Scope& scope, const CohortLife& life,
                          const std::vector<AdoptedCohort>& cohorts, bool is_same_file) {
    if (life.state == State::legacy && !life.moving_to) return {};
    auto found = std::ranges::find(cohorts, scope, &AdoptedCohort::scope);
    if (found == cohorts.end()) {
      return Err(ErrorCode::illegal_transition,
                 "the spec no longer names {}, which is in `{}`: put it back, or roll it back before it goes",
                 to_string(scope), name(life.state));
    }
    bool is_told_more = is_same_file && says_more(life.definition, found->definition);
    if (found->definition == life.definition || is_told_more) return {};
    if (differ_by_later_names(found->definition, life.definition))
      return Err(
          ErrorCode::illegal_transition,
          "the spec names other keys behind {0} that are of its share, and {0} is in `{1}`: a key never "
          "changes cohort; name in later cohorts the same keys of its share as before, or roll it back first",
          to_string(scope), name(life.state));
    return Err(
        ErrorCode::illegal_transition,
        "the spec gives other keys to {}, which is in `{}`, and a key never changes cohort: restore its "
        "definition and those before it, or roll it back first",
        to_string(scope), name(life.state));
  }

  Result<Cohorts> cohorts_of(const std::string& entity, const std::optional<std::string>& cohort) const {
    Cohorts found;
    std::set<std::string, std::less<>> entities, cohorts;
    for (const auto& [scope, life] : lifecycle_.cohorts) {
      entities.insert(scope.entity);
      if (scope.entity != entity) continue;
      cohorts.insert(scope.cohort);
      if (!cohort || scope.cohort == *cohort) found.emplace_back(scope, life);
    }
    if (cohorts.empty()) {
      return Err(ErrorCode::not_found, "the spec has no entity `{}`; {}", entity,
                 did_you_mean(entity, entities));
    }
    if (found.empty()) {
      return Err(ErrorCode::not_found, "entity `{}` has no cohort `{}`; {}", entity, *cohort,
                 did_you_mean(*cohort, cohorts));
    }
    return found;
  }

  // Cohorts in which `operation` is legal; refused if there is none.
  Result<Cohorts> cohorts_where(const std::optional<std::string>& entity, Operation operation) const {
    Cohorts all;
    if (entity) {
      all = TRY(cohorts_of(*entity, std::nullopt));
    } else {
      all.assign(lifecycle_.cohorts.begin(), lifecycle_.cohorts.end());
    }
    if (all.empty()) return Err(ErrorCode::not_found, "the spec has no entities");
    Cohorts legal;
    for (const auto& each : all)
      if (legality(each.second.state, operation) == Legality::yes) legal.push_back(each);
    if (legal.empty()) {
      return Err(ErrorCode::illegal_transition, "{}",
                 refusal(all.front().first, all.front().second.state, operation));
    }
    return legal;
  }

  Status move_in_handover(const Scope& scope, const CohortLife& life, State to) {
    if (life.settling && life.state == to) return {};
    if (life.settling)
      return Err(ErrorCode::illegal_transition,
                 "the authority over {} has just moved, and what follows is still being done; ask again in a "
                 "moment",
                 to_string(scope));
    if (life.called_back && to != life.state)
      return Err(ErrorCode::illegal_transition,
                 "the handover of {} was called back and ends at this moment; ask again then",
                 to_string(scope));
    if (life.called_back || life.moving_to == to) return {};
    if (to != life.state)
      return Err(ErrorCode::illegal_transition,
                 "{} is on its way to `{}`; ask again when that has ended, or call it back to `{}` first",
                 to_string(scope), name(*life.moving_to), name(life.state));
    happened(HandoverCalledBack{scope});
    return {};
  }

  static Status may_go_back(const Scope& scope, const CohortLife& life, State to) {
    bool gives_back = authority(to) != authority(life.state);
    if (!life.forward_only || !gives_back) return {};
    return Err(ErrorCode::illegal_transition,
               "{} goes forward only, {}; `oxbow forward-fix {} --cohort {} --withdraw` takes that back",
               to_string(scope), to_string(*life.forward_only), scope.entity, scope.cohort);
  }

  // Reads move on only where the way back has been gone.
  Status is_rehearsed(const Scope& scope, const CohortLife& life, const Advance& wish) const {
    bool moves_reads = wish.to > State::new_write && life.state < wish.to;
    if (!wish.rehearsed_within || !moves_reads) return {};
    auto within = human_duration(*wish.rehearsed_within);
    auto ask = fmt::format("roll a cohort of {} back to `mirrored` and advance it again", scope.entity);
    auto last = lifecycle_.rehearsals.find(scope.entity);
    if (last == lifecycle_.rehearsals.end())
      return Err(ErrorCode::illegal_transition,
                 "no rollback of {} was ever rehearsed, and the spec wants one within {} "
                 "(`rollback.rehearsed_within`): {}",
                 scope.entity, within, ask);
    if (now_ - last->second.at <= *wish.rehearsed_within) return {};
    return Err(ErrorCode::illegal_transition,
               "the last rollback of {} was rehearsed at {}, and the spec wants one within {} "
               "(`rollback.rehearsed_within`): {}",
               scope.entity, to_string(last->second.at), within, ask);
  }

  // Writes go only where everything has been seen to be equal.
  static Status is_proven_for(const Scope& scope, const CohortLife& life, State to) {
    bool needs_proof = life.state == State::mirrored && to == State::new_write;
    if (!needs_proof) return {};
    auto ask = fmt::format("run `oxbow verify --entity {}` first", scope.entity);
    if (!life.proof)
      return Err(ErrorCode::illegal_transition,
                 "{} has never been verified, so nobody knows whether the new "
                 "side is fit to take its writes; {}",
                 to_string(scope), ask);
    if (life.proof->result != VerifyState::equal)
      return Err(ErrorCode::illegal_transition,
                 "the last verification of {} says `{}`; mend what differs, then "
                 "{}",
                 to_string(scope), name(life.proof->result), ask);
    return {};
  }

  // A cohort under way may be called back to where it stands, as long as its authority has not moved.
  Status move(const Scope& scope, const CohortLife& life, State to) {
    if (changes_hands(life)) return move_in_handover(scope, life, to);
    if (life.moving_to == to) return {};
    bool called_back = life.moving_to && to == life.state;
    auto operation = transition_to(to);
    auto verdict = legality(life.state, operation);
    if (verdict == Legality::already && !called_back) return {};
    if (verdict != Legality::yes && !called_back) {
      return Err(ErrorCode::illegal_transition, "{}", refusal(scope, life.state, operation));
    }
    TRY(is_proven_for(scope, life, to));
    happened(TransitionBegan{scope, life.state, to, epoch_in(life, to)});
    return {};
  }

  const Lifecycle& lifecycle_;
  const Command& command_;
  WallTime now_;
  Events events_;
};

}  // namespace

Result<std::vector<Event>> decide(const Lifecycle& lifecycle, const Command& command, WallTime now) {
  Decision decision(lifecycle, command, now);
  return std::visit(decision, command.wish);
}

void apply(Lifecycle& lifecycle, const Event& event) {
  auto before = lifecycle;
  bring_about(lifecycle, event);
  auto broken = broken_invariant(before, lifecycle);
  OXBOW_ASSERT(!broken, "{} ({})", *broken, describe(event));
}

namespace {

void add_actions_of_handover(const TransitionBegan& began, std::vector<std::string>& actions) {
  auto scope = to_string(began.scope);
  auto there = authority(began.to) == Side::new_side;
  auto old_home = there ? "legacy" : "new", new_home = there ? "new" : "legacy";
  actions.push_back(
      fmt::format("both: guards on the tables of {}, where missing; each table waits for its writers",
                  began.scope.entity));
  actions.push_back(
      fmt::format("{0}: the stream from {1} to {0} runs, still without {2}", old_home, new_home, scope));
  actions.push_back(fmt::format("{}: whoever writes the tables at this moment is waited for", old_home));
  actions.push_back(fmt::format("gateway: new writes of {} wait", scope));
  actions.push_back(
      fmt::format("{}: the guard of {} is fenced, and its writers are waited for", old_home, scope));
  actions.push_back(
      fmt::format("{0}: a marker in the log; {1} holds all before it; what was written since the last proof "
                  "is compared again",
                  old_home, new_home));
  actions.push_back(
      fmt::format("{}: sequences go on behind the numbers that {} gave out", new_home, old_home));
  actions.push_back(
      fmt::format("journal: the authority over {} is on the {} side, epoch {}: from here on only forward",
                  scope, new_home, began.epoch));
  actions.push_back(fmt::format("both: the stream to {0} lets {2} go, the stream to {1} takes it", new_home,
                                old_home, scope));
  actions.push_back(fmt::format("{}: the guard of {} closes; {}: it opens", old_home, scope, new_home));
  actions.push_back(fmt::format("gateway: the writes that waited go to {}", new_home));
  actions.push_back(fmt::format("journal: {} is in {}", scope, name(began.to)));
}

void add_actions_of_reads(const TransitionBegan& began, std::vector<std::string>& actions) {
  if (began.to == State::fully_cutover)
    actions.push_back(
        fmt::format("new: the stream to legacy lets {} go; its rows on legacy stay as they are, and closed",
                    to_string(began.scope)));
  actions.push_back(fmt::format("gateway: reads of {} go by their classes in `{}`", to_string(began.scope),
                                name(began.to)));
}

}  // namespace

std::vector<std::string> actions_of(const std::vector<Event>& events) {
  std::vector<std::string> actions;
  for (const auto& event : events) {
    actions.push_back("journal: " + describe(event));
    if (std::holds_alternative<QuarantineRetried>(event.what)) {
      actions.push_back("legacy: read those rows again, each as it is when its turn comes");
      actions.push_back("new: write each and release its key in one transaction; who is refused again stays");
    }
    if (auto* retired = std::get_if<Retired>(&event.what))
      actions.push_back(
          fmt::format("legacy: the tables of {} stay closed until they are dropped; nobody looks for "
                      "their readers any more",
                      retired->entity));
    if (auto* decided = std::get_if<ForwardDecided>(&event.what))
      actions.push_back(
          fmt::format("a rollback of {} is refused until that is withdrawn; the stream back goes on",
                      to_string(decided->scope)));
    if (auto* overridden = std::get_if<GateOverridden>(&event.what))
      actions.push_back(
          fmt::format("`oxbow advance {} --cohort {} --to {}` is carried out whatever the gate says, until "
                      "that is withdrawn",
                      overridden->scope.entity, overridden->scope.cohort, name(overridden->to)));
    if (auto* away = std::get_if<ShadowsKeptAway>(&event.what))
      actions.push_back(
          fmt::format("gateway: no request of {} is shown to the side that does not answer", away->entity));
    auto* began = std::get_if<TransitionBegan>(&event.what);
    if (!began) continue;
    auto scope = to_string(began->scope);
    if (authority(began->from) != authority(began->to)) {
      add_actions_of_handover(*began, actions);
      continue;
    }
    if (began->from == began->to) {
      actions.push_back(fmt::format("what {} has begun is taken back", scope));
    } else if (began->to > State::mirrored) {
      add_actions_of_reads(*began, actions);
    } else if (began->to == State::mirrored) {
      actions.push_back("legacy: create the publication and the replication slot, where missing");
      actions.push_back(
          "new: create schema oxbow, the replication origins and the watching triggers, where missing");
      actions.push_back(
          fmt::format("copy the rows of {} range by range, and apply every change from here on", scope));
    } else {
      actions.push_back(fmt::format(
          "stop applying changes of {}; where other cohorts of {} stay mirrored, its rows are removed "
          "from the new side, else they stay there",
          scope, began->scope.entity));
      actions.push_back(
          "legacy: drop the publication and the replication slot, if no cohort is mirrored any more");
    }
    actions.push_back(fmt::format("journal: {} is in {}", scope, name(began->to)));
  }
  return actions;
}

Status replay(Replayed& replayed, const std::vector<JournalRecord>& records) {
  TRY(verify_chain(replayed.head, records));
  for (const auto& record : records) {
    auto event = decode_event(record.body);
    if (!event) {
      auto code =
          event.error().code == ErrorCode::unsupported ? ErrorCode::unsupported : ErrorCode::store_corrupt;
      return Err(code, "record {} of the journal cannot be understood: {}", record.number,
                 event.error().detail);
    }
    auto before = replayed.lifecycle;
    bring_about(replayed.lifecycle, *event);
    if (auto broken = broken_invariant(before, replayed.lifecycle)) {
      return Err(ErrorCode::store_corrupt, "record {} of the journal cannot be true: {}", record.number,
                 *broken);
    }
  }
  return {};
}

}  // namespace oxbow
