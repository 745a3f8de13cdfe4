#include "services/control/control_service.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <map>
#include <set>

#include "base/assert.hpp"
#include "base/log.hpp"
#include "core/lifecycle/adoption.hpp"
#include "runtime/cancellation.hpp"
#include "runtime/failpoint.hpp"
#include "runtime/real_clock.hpp"
#include "runtime/sleep.hpp"
#include "runtime/task_group.hpp"
#include "services/control/envelope_watch.hpp"
#include "services/control/gate_keeper.hpp"
#include "services/control/guard_duties.hpp"
#include "services/control/handover_report.hpp"
#include "services/control/reader_watch.hpp"
#include "services/control/verification_end.hpp"

namespace oxbow {
namespace {

namespace asio = boost::asio;

constexpr Duration kRetryAfter = std::chrono::seconds(1);
constexpr Duration kLookAgainAfter = std::chrono::milliseconds(100);
constexpr Duration kKeepGuardsEvery = std::chrono::seconds(1);
constexpr Duration kJournalAgainAfter = std::chrono::seconds(1);
constexpr Duration kStreamBackBeginsWithin = std::chrono::seconds(30);

// How long writes under way may still end before the fence meets them; then they get an error that says
// "again".
constexpr Duration kWritesEndWithin = std::chrono::milliseconds(100);
constexpr Duration kLookAtWrites = std::chrono::milliseconds(1);

const std::string kOurselves = "oxbow";

// Where a cohort should be, whatever it takes to get there.
State destination(const CohortLife& life) {
  return life.moving_to.value_or(life.state);
}

// Which side the streams have the cohort at home on, as far as that is settled.
bool is_at_home_on_new(const CohortLife& life) {
  return !life.settling && (life.state == State::new_write || life.state == State::new_read);
}

bool is_carried_there(const CohortLife& life) {
  if (changes_hands(life)) return !life.settling && life.state == State::mirrored;
  return destination(life) == State::mirrored;
}

// After these an operator expects everything to be tried again at once.
bool is_new_order(const Wish& wish) {
  return std::holds_alternative<Advance>(wish) || std::holds_alternative<Rollback>(wish) ||
         std::holds_alternative<Resume>(wish);
}

// A stream that has not run since this process began may have to wait for what the one before left behind.
bool may_still_begin(StreamBackFacts stream_back) {
  bool waits = !stream_back.waiting && stream_back.silent_for <= kStreamBackBeginsWithin;
  stream_back.silent_for = {};
  return waits && why_away(stream_back).empty();
}

bool is_hopeless(const Status& outcome) {
  return !outcome && outcome.error().code != ErrorCode::cancelled && !is_retryable(outcome.error().code);
}

}  // namespace

struct ControlService::Impl {
  // A scope that could not be brought to where it should be.
  struct Trouble {
    Error error;
    std::optional<Instant> retry_at;  // none: only a person can help
  };
  struct Verification {
    VerifyId id;
    std::optional<std::string> entity;
  };

  asio::any_io_executor executor;
  ControlParts parts;
  Journal journal;
  WallTime started_at;
  DataFacts facts;
  asio::steady_timer woken;
  std::set<Scope> running;  // mirrored by the data plane of this process
  std::map<Scope, Trouble> troubles;
  std::vector<Verification> verifications;
  std::set<Scope> held;                    // writes wait in the gateway
  std::map<Scope, std::string> handovers;  // under way, and what is being done
  std::uint64_t attempts_before = 0;       // transitions that an earlier process began
  bool streams_may_end = false;            // a cohort was cut over since this was looked at
  Instant end_streams_at{};                // not before
  std::optional<Error> why_streams_go_on;  // as it was told last
  bool is_moving = false;                  // what the data plane carries is being changed
  bool is_exchanging = false;              // cohorts of the spec are, and nothing else may
  ReaderWatch readers;
  EnvelopeWatch envelope_watch;
  GateKeeper gates;

  Impl(asio::any_io_executor on, ControlParts with, Journal opened)
      : executor(on),
        parts(std::move(with)),
        journal(std::move(opened)),
        started_at(parts.now()),
        woken(executor),
        readers({parts.spec, parts.findings, parts.plane, parts.now,
                 [this]() -> const Lifecycle& { return lifecycle(); }}),
        envelope_watch({parts.plane, parts.now, [this]() -> const Lifecycle& { return lifecycle(); },
                        [this](const Scope& scope) { return cohort_id(scope); },
                        [this](Wish wish) -> Status {
                          TRY(execute({kOurselves, "", std::move(wish)}));
                          return {};
                        }}),
        gates(parts.spec, parts.findings, parts.plane) {}

  const Lifecycle& lifecycle() const { return journal.lifecycle(); }

  Rate rate() const {
    const auto& limits = parts.spec.limits;
    return lifecycle().rate.value_or(
        Rate{limits.rows_per_second_max, limits.bytes_per_second_max, limits.workers});
  }

  CohortId cohort_id(const Scope& scope) const {
    auto* entity = parts.spec.find_entity(scope.entity);
    OXBOW_ASSERT(entity, "the journal has adopted entity {}, the spec has not", scope.entity);
    auto found = std::ranges::find(entity->cohorts, scope.cohort, &CohortSpec::name);
    OXBOW_ASSERT(found != entity->cohorts.end(), "the journal has adopted {}, the spec has not",
                 to_string(scope));
    return CohortId(static_cast<std::uint32_t>(found - entity->cohorts.begin()));
  }

  // What the data plane does at once. Transitions are left to follow_transitions().
  void act(const Event& event) {
    if (auto* paused = std::get_if<Paused>(&event.what)) parts.plane.pause(paused->scope.entity);
    if (std::holds_alternative<Halted>(event.what)) parts.plane.halt(event.why);
    if (auto* set = std::get_if<RateSet>(&event.what)) parts.plane.set_rate(set->rate);
    log_info("{}{}{}", describe(event), event.who == kOurselves ? "" : ", ordered by " + event.who,
             event.why.empty() ? "" : ": " + event.why);
  }

  Envelope envelope(const Scope& scope, const StreamBackFacts& stream_back, WallTime now) const {
    return judge_envelope({scope, cohort_id(scope), lifecycle().cohorts.at(scope), stream_back,
                           parts.spec.rollback_deadline, now});
  }

  Result<Command> with_evidence(Command command) const {
    if (auto* advance = std::get_if<Advance>(&command.wish)) {
      advance->rehearsed_within = parts.spec.rollback_rehearsed_within;
      TRY(refuse_without_way_back(command));
      auto began = TRY(decide(lifecycle(), command, parts.now()));
      advance->closed_gates = TRY(gates.closed(lifecycle(), began, parts.now()));
    }
    auto* retire = std::get_if<Retire>(&command.wish);
    if (retire == nullptr) return with_losses(std::move(command));
    auto events = TRY(decide(lifecycle(), command, parts.now()));
    if (events.empty()) return command;
    auto known = TRY(readers.facts(retire->entity));
    retire->evidence = TRY(judge_retirement(known));
    return command;
  }

  Status refuse_without_way_back(const Command& advance) const {
    auto now = parts.now();
    for (const auto& event : TRY(decide(lifecycle(), advance, now))) {
      auto* began = std::get_if<TransitionBegan>(&event.what);
      bool moves_there =
          began && authority(began->from) == Side::legacy && authority(began->to) == Side::new_side;
      if (moves_there) TRY(judge_deadline(began->scope, parts.spec.rollback_deadline, now));
    }
    return {};
  }

  // A rollback that gives the authority back needs to know what it loses, and a person's word for it.
  Result<Command> with_losses(Command command) const {
    auto* rollback = std::get_if<Rollback>(&command.wish);
    if (rollback == nullptr) return command;
    auto now = parts.now();
    auto events = TRY(decide(lifecycle(), command, now));
    if (events.empty()) return command;
    auto stream_back = parts.plane.stream_back();
    std::vector<ScopedEnvelope> envelopes;
    for (const auto& event : events) {
      auto* began = std::get_if<TransitionBegan>(&event.what);
      bool gives_back =
          began && authority(began->from) == Side::new_side && authority(began->to) == Side::legacy;
      if (gives_back) envelopes.push_back({began->scope, envelope(began->scope, stream_back, now)});
    }
    bool leads_back = std::ranges::none_of(
        envelopes, [](const auto& each) { return each.envelope.extent == Extent::forward_only; });
    // What a stream that has just begun brings up, the handover meets itself, behind its fence.
    if (may_still_begin(stream_back) && leads_back && !rollback->accepted_rows) return command;
    if (!envelopes.empty() || rollback->accepted_rows)
      rollback->accepted_losses = TRY(judge_rollback(envelopes, rollback->accepted_rows, rollback->seen));
    return command;
  }

  Result<std::vector<Event>> execute(const Command& wished) {
    auto command = TRY(with_evidence(wished));
    auto events = TRY(journal.execute(command, parts.now()));
    for (const auto& event : events) act(event);
    tell();
    if (is_new_order(command.wish)) try_again();
    woken.cancel();
    return events;
  }

  void tell() {
    note_homes();
    facts = facts_now();
    parts.on_change(lifecycle(), facts);
  }

  void note_homes() {
    for (const auto& entity : parts.spec.entities)
      parts.plane.note_homes(entity.name, homes_in(entity, lifecycle()));
  }

  DataFacts facts_now() const {
    auto now = parts.plane.facts();
    for (const auto& scope : held) now.held[scope.entity].insert(cohort_id(scope));
    return now;
  }

  // A data plane that has given up goes on; what an operator holds stays held.
  void try_again() {
    troubles.clear();
    if (lifecycle().halted) return;
    parts.plane.resume(std::nullopt);
    hold_what_is_paused();
  }

  void hold_what_is_paused() {
    std::set<std::string> entities;
    for (const auto& [scope, life] : lifecycle().cohorts)
      if (life.paused) entities.insert(scope.entity);
    for (const auto& entity : entities) parts.plane.pause(entity);
  }

  void restore() {
    bool is_new = std::ranges::all_of(lifecycle().cohorts, [](const auto& cohort) {
      return cohort.second.state == State::legacy && !cohort.second.moving_to;
    });
    note_homes();
    if (is_new) parts.plane.nothing_is_left();
    attempts_before = lifecycle().transitions;
    parts.plane.set_rate(rate());
    if (lifecycle().halted) parts.plane.halt(lifecycle().halted_why);
    hold_what_is_paused();
  }

  // Its writers wait for the old home alone, whatever the other side does and whoever has halted.
  std::optional<Scope> next_to_lead_back() const {
    for (const auto& [scope, life] : lifecycle().cohorts)
      if (begins_of(life) == HandoverBegins::interrupted_before_flip) return scope;
    return std::nullopt;
  }

  HandoverBegins begins_of(const CohortLife& life) const {
    if (life.settling) return HandoverBegins::interrupted_behind_flip;
    bool is_of_before = changes_hands(life) && life.attempt <= attempts_before;
    return is_of_before ? HandoverBegins::interrupted_before_flip : HandoverBegins::fresh;
  }

  bool may_try(const Scope& scope) const {
    auto found = troubles.find(scope);
    if (found == troubles.end()) return true;
    return found->second.retry_at && monotonic_now() >= *found->second.retry_at;
  }

  bool must_start(const Scope& scope, const CohortLife& life) const {
    bool now = !lifecycle().halted || !life.moving_to;  // a halt begins nothing, and keeps what was begun
    bool is_asked_for = life.moving_to && !changes_hands(life);
    return now && is_carried_there(life) && (is_asked_for || !running.contains(scope)) && may_try(scope);
  }

  bool must_stop(const Scope& scope, const CohortLife& life) const {
    return destination(life) == State::legacy && (life.moving_to || running.contains(scope)) &&
           may_try(scope);
  }

  // Cohorts of one entity for which `wanted` holds; empty if there are none.
  template <class Predicate>
  std::vector<Scope> next_group(Predicate wanted) const {
    std::vector<Scope> group;
    for (const auto& [scope, life] : lifecycle().cohorts) {
      if (!group.empty() && scope.entity != group.front().entity) break;
      if (wanted(scope, life)) group.push_back(scope);
    }
    return group;
  }

  MirrorScope to_mirror_scope(const std::vector<Scope>& group) const {
    MirrorScope result{group.front().entity, {}};
    for (const auto& scope : group) result.cohorts.push_back(cohort_id(scope));
    std::ranges::sort(result.cohorts);
    return result;
  }

  // Who is not in `group` and has anything in the databases, or may have.
  DataPlane::Others others_beside(const std::vector<Scope>& group) const {
    bool any = std::ranges::any_of(lifecycle().cohorts, [&](const auto& cohort) {
      const auto& [scope, life] = cohort;
      bool is_legacy = life.state == State::legacy && !life.moving_to;
      return !is_legacy && std::ranges::count(group, scope) == 0;
    });
    return any ? DataPlane::Others::are_followed : DataPlane::Others::are_not;
  }

  // An advance that failed for good leaves nothing behind: what it has stored would be followed by the next
  // stream. A cohort that was mirrored before stays what it is.
  Task<void> take_back(std::vector<Scope> group, Status failure) {
    std::erase_if(group,
                  [&](const Scope& scope) { return lifecycle().cohorts.at(scope).state != State::legacy; });
    if (group.empty()) co_return failure;
    auto stopped = co_await parts.plane.stop_mirror(to_mirror_scope(group), others_beside(group));
    if (!stopped && is_retryable(stopped.error().code)) co_return stopped;
    if (!stopped)
      log_warn("what the advance has begun could not be taken back: {}", to_string(stopped.error()));
    co_return failure;
  }

  // Makes the data plane follow the journal, one group of cohorts at a time.
  Task<void> follow_transitions() {
    while (!co_await is_cancelled()) {
      if (!is_exchanging) {
        is_moving = true;
        auto moved = co_await move_some();
        is_moving = false;
        if (CO_TRY(std::move(moved))) continue;
      }
      woken.expires_after(kLookAgainAfter);
      co_await woken.async_wait(asio::as_tuple(asio::use_awaitable));
    }
    co_return Err(ErrorCode::cancelled);
  }

  // True if there was anything to do.
  Task<bool> move_some() {
    if (follow_homes()) co_return true;  // before anything else: a copy of others has to spare their rows
    if (auto interrupted = next_to_lead_back()) {
      CO_TRY(co_await hand_over(*interrupted));
      co_return true;
    }
    auto to_stop = next_group([&](auto& scope, auto& life) { return must_stop(scope, life); });
    if (!to_stop.empty()) {
      auto stopped = co_await parts.plane.stop_mirror(to_mirror_scope(to_stop), others_beside(to_stop));
      settle(to_stop, State::legacy, stopped);
      co_return true;
    }
    auto to_start = next_group([&](auto& scope, auto& life) { return must_start(scope, life); });
    if (!to_start.empty()) {
      auto started = co_await parts.plane.start_mirror(to_mirror_scope(to_start));
      if (is_hopeless(started)) started = co_await take_back(to_start, started);
      settle(to_start, State::mirrored, started);
      co_return true;
    }
    if (co_await step_on_new_side()) co_return true;
    if (streams_may_end && monotonic_now() >= end_streams_at) {
      auto ended = co_await parts.plane.end_unneeded_streams();
      bool is_asked_to_stop = !ended && ended.error().code == ErrorCode::cancelled;
      bool is_news = !ended && !is_asked_to_stop && why_streams_go_on != ended.error();
      if (is_news) log_warn("a stream that nobody needs has not ended yet: {}", to_string(ended.error()));
      why_streams_go_on = ended ? std::nullopt : std::optional(ended.error());
      streams_may_end = !ended;
      end_streams_at = monotonic_now() + kRetryAfter;
    }
    auto to_hand_over = next_handover();
    if (!to_hand_over) co_return false;
    CO_TRY(co_await hand_over(*to_hand_over));
    co_return true;
  }

  // Whether cohorts of these entities may be exchanged at this moment.
  Status are_at_rest(const std::vector<std::string>& entities) const {
    for (const auto& [scope, life] : lifecycle().cohorts) {
      if (!life.moving_to || std::ranges::find(entities, scope.entity) == entities.end()) continue;
      return Err(ErrorCode::incomplete,
                 "{} is on its way to `{}`; other cohorts of {} are taken over behind that", to_string(scope),
                 name(*life.moving_to), scope.entity);
    }
    if (is_moving || is_exchanging)
      return Err(ErrorCode::incomplete,
                 "cohorts are being moved at this moment; others are taken over behind that");
    return {};
  }

  // In the journal first: what is in force there, a start with the changed file brings in force again.
  Status put_in_force(const Spec& changed) {
    Command adopt{kOurselves, "", AdoptSpec{changed.hash, adopted_cohorts(changed)}};
    for (const auto& event : TRY(journal.execute(adopt, parts.now()))) act(event);
    failpoint("take_over_after_journal");
    parts.spec.hash = changed.hash;
    auto others = with_other_cohorts(parts.spec, changed);
    for (auto& entity : parts.spec.entities) {
      const auto& by = *changed.find_entity(entity.name);
      if (std::ranges::count(others, entity.name) > 0) entity.cohorts = by.cohorts;
      entity.routes = by.routes;
      entity.reads = by.reads;
    }
    parts.spec.gates = changed.gates;
    std::erase_if(troubles, [&](const auto& each) { return !lifecycle().cohorts.contains(each.first); });
    tell();
    woken.cancel();
    return {};
  }

  Task<void> take_over(Spec changed) {
    if (auto waits = what_waits(parts.spec, changed))
      co_return Err(ErrorCode::illegal_transition, "{}; that counts from the next start", *waits);
    auto entities = with_other_cohorts(parts.spec, changed);
    if (entities.empty()) co_return put_in_force(changed);
    CO_TRY(are_at_rest(entities));
    Command adopt{kOurselves, "", AdoptSpec{changed.hash, adopted_cohorts(changed)}};
    CO_TRY(decide(lifecycle(), adopt, parts.now()));
    auto goes_on_by = parts.spec;
    for (auto& entity : goes_on_by.entities) entity.cohorts = changed.find_entity(entity.name)->cohorts;
    is_exchanging = true;
    auto exchanged = co_await parts.plane.exchange_cohorts(std::move(goes_on_by), [&]() -> Status {
      is_exchanging = false;
      TRY(are_at_rest(entities));  // an order may have come meanwhile
      return put_in_force(changed);
    });
    is_exchanging = false;
    co_return exchanged;
  }

  // True if there was anything to do.
  bool follow_homes() {
    auto at_home = next_group(
        [&](auto& scope, auto& life) { return is_at_home_on_new(life) && !running.contains(scope); });
    auto cut_over = next_group([&](auto& scope, auto& life) {
      return life.state == State::fully_cutover && !running.contains(scope);
    });
    if (!at_home.empty()) parts.plane.follow_home(to_mirror_scope(at_home));
    if (!cut_over.empty()) parts.plane.leave_alone(to_mirror_scope(cut_over));
    streams_may_end = streams_may_end || !cut_over.empty();
    running.insert(at_home.begin(), at_home.end());
    running.insert(cut_over.begin(), cut_over.end());
    return !at_home.empty() || !cut_over.empty();
  }

  // Between the states of a cohort that is at home on the new side only reads move, and at last the way back
  // ends. True if there was anything to do.
  boost::asio::awaitable<bool> step_on_new_side() {
    auto group = next_group([&](auto& scope, auto& life) {
      return life.moving_to && !changes_hands(life) && authority(life.state) == Side::new_side &&
             may_try(scope);
    });
    if (group.empty()) co_return false;
    auto to = *lifecycle().cohorts.at(group.front()).moving_to;
    std::erase_if(group, [&](const Scope& scope) { return lifecycle().cohorts.at(scope).moving_to != to; });
    Status stepped;
    if (to == State::fully_cutover) stepped = co_await parts.plane.end_way_back(to_mirror_scope(group));
    if (!stepped && stepped.error().code == ErrorCode::cancelled) co_return true;
    bool hopeless = is_hopeless(stepped);
    for (const auto& scope : group) {
      if (!stepped) note_trouble(scope, stepped.error(), hopeless);
      if (stepped || hopeless) end_transition(scope, stepped);
      if (stepped && to == State::fully_cutover) running.erase(scope);
    }
    co_return true;
  }

  std::optional<Scope> next_handover() const {
    for (const auto& [scope, life] : lifecycle().cohorts) {
      bool is_ready = changes_hands(life) && (life.settling || running.contains(scope));
      bool may_begin = !lifecycle().halted || life.settling;
      if (is_ready && may_begin && may_try(scope)) return scope;
    }
    return std::nullopt;
  }

  class Host final : public HandoverHost {
   public:
    Host(Impl& control, Scope scope, std::uint64_t epoch)
        : control_(control), scope_(std::move(scope)), epoch_(epoch) {}

    Task<void> hold() override {
      control_.held.insert(scope_);
      control_.tell();
      if (control_.parts.traffic == nullptr) co_return Status{};
      auto give_up_at = monotonic_now() + kWritesEndWithin;
      while (!control_.parts.traffic->has_settled(scope_) && monotonic_now() < give_up_at)
        CO_TRY(co_await sleep_for(kLookAtWrites));
      co_return Status{};
    }

    Status flip() override { return control_.flip(scope_, epoch_); }

    void release() override {
      control_.held.erase(scope_);
      control_.tell();
    }

    bool is_called_back() const override { return control_.lifecycle().cohorts.at(scope_).called_back; }

    void tell(HandoverAction action, const std::optional<Error>& waits_for) override {
      control_.handovers[scope_] =
          fmt::format("{}{}", name(action), waits_for ? ": " + waits_for->detail : std::string());
    }

   private:
    Impl& control_;
    Scope scope_;
    std::uint64_t epoch_;
  };

  // Nobody may go on who does not know whether the authority has moved.
  Status flip(const Scope& scope, std::uint64_t epoch) {
    auto moved = execute({kOurselves, "", MoveAuthority{scope, epoch}});
    if (moved) return {};
    auto in_step = journal.is_in_step();
    OXBOW_ASSERT(in_step && *in_step,
                 "whether the authority over {} has moved is only known by the journal, which "
                 "does not answer; start oxbow again",
                 to_string(scope));
    return std::unexpected(moved.error());
  }

  HandoverOrder order_for(const Scope& scope) const {
    const auto& life = lifecycle().cohorts.at(scope);
    HandoverOrder order;
    order.entity = scope.entity;
    order.cohort = cohort_id(scope);
    order.to = authority(*life.moving_to);
    order.epoch = life.settling ? life.epoch - 1 : life.epoch;
    order.attempt = life.attempt;
    order.begins = begins_of(life);
    order.accepted_loss = life.accepted_loss;
    order.limits = {parts.spec.limits.handover_prepare_max, parts.spec.limits.write_pause_max};
    for (const auto& cohort : parts.spec.find_entity(scope.entity)->cohorts) {
      Scope each{scope.entity, cohort.name};
      const auto& of_each = lifecycle().cohorts.at(each);
      order.homes.push_back(each == scope ? HandoverOrder::Home{other(order.to), order.epoch}
                                          : HandoverOrder::Home{authority(of_each.state), of_each.epoch});
    }
    return order;
  }

  Task<void> hand_over(Scope scope) {
    auto order = order_for(scope);
    Host host(*this, scope, order.epoch);
    auto report = co_await parts.plane.hand_over(order, host);
    handovers.erase(scope);
    if (!report) co_return std::unexpected(report.error());
    // From a stream to the other it may have gone; what is in force says to which.
    if (!report->given_up) running.insert(scope);
    EndTransition end{scope, report->given_up, figures_of(*report)};
    while (!execute({kOurselves, describe(*report), end})) CO_TRY(co_await sleep_for(kJournalAgainAfter));
    if (report->was_stopped) co_return Err(ErrorCode::cancelled);
    co_return Status{};
  }

  // Notes what became of an attempt. Meanwhile the wish may have changed; then the next round sees to that.
  void settle(const std::vector<Scope>& group, State reached, const Status& outcome) {
    if (!outcome && outcome.error().code == ErrorCode::cancelled) return;
    bool hopeless = is_hopeless(outcome);
    for (const auto& scope : group) {
      if (!outcome && destination(lifecycle().cohorts.at(scope)) == reached) {
        note_trouble(scope, outcome.error(), hopeless);
      } else if (outcome) {
        troubles.erase(scope);
        if (reached == State::mirrored) running.insert(scope);
        if (reached == State::legacy) running.erase(scope);
      }
      bool over = outcome || hopeless;
      if (over && lifecycle().cohorts.at(scope).moving_to == reached) end_transition(scope, outcome);
    }
  }

  void note_trouble(const Scope& scope, const Error& error, bool hopeless) {
    auto known = troubles.find(scope);
    bool same = known != troubles.end() && known->second.error == error;
    if (!same) log_warn("{}: {}", to_string(scope), to_string(error));
    troubles[scope] = {error, hopeless ? std::nullopt : std::optional(monotonic_now() + kRetryAfter)};
  }

  // If the journal cannot be written now, the next round does all of it again.
  void end_transition(const Scope& scope, const Status& outcome) {
    auto failure = outcome ? std::nullopt : std::optional(outcome.error());
    auto ended = execute({kOurselves, "", EndTransition{scope, failure}});
    if (ended) {
      troubles.erase(scope);
    } else {
      note_trouble(scope, ended.error(), false);
    }
  }

  // A database that does not answer is told by its stream.
  Task<void> keep_guards() {
    while (!co_await is_cancelled()) {
      CO_TRY(co_await sleep_for(kKeepGuardsEvery));
      for (const auto& entity : parts.spec.entities) {
        auto duties = duties_in(entity, lifecycle());
        if (!duties.empty()) co_await parts.plane.keep_guards(entity.name, std::move(duties));
      }
    }
    co_return Err(ErrorCode::cancelled);
  }

  Task<void> watch_facts() {
    while (!co_await is_cancelled()) {
      if (facts_now() != facts) tell();
      CO_TRY(co_await sleep_for(kLookAgainAfter));
    }
    co_return Err(ErrorCode::cancelled);
  }

  void settle_verifications() {
    std::erase_if(verifications, [&](const Verification& each) { return settle(each); });
  }

  Task<void> watch_verifications() {
    while (!co_await is_cancelled()) {
      settle_verifications();
      CO_TRY(co_await sleep_for(kLookAgainAfter));
    }
    co_return Err(ErrorCode::cancelled);
  }

  // True once the end is in the journal.
  bool settle(const Verification& verification) {
    auto report = parts.plane.verify_report(verification.id);
    if (!report) {
      VerifyReport lost;
      lost.state = VerifyState::failed;
      report = lost;
    }
    if (report->state == VerifyState::running) return false;
    if (report->taken_at == WallTime{}) report->taken_at = parts.now();  // nothing was compared
    for (const auto& end : ends_of(verification.entity, *report, parts.plane.stream_back()))
      if (!execute({kOurselves, report->reason, end})) return false;
    return true;
  }
};

ControlService::ControlService(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ControlService::~ControlService() = default;

Result<std::unique_ptr<ControlService>> ControlService::open(asio::any_io_executor executor,
                                                             ControlParts parts) {
  auto journal = TRY(Journal::open(parts.events));
  Command adopt{kOurselves, "", AdoptSpec{parts.spec.hash, adopted_cohorts(parts.spec)}};
  TRY(journal.execute(adopt, parts.now()));
  auto impl = std::make_unique<Impl>(executor, std::move(parts), std::move(journal));
  // What an earlier process has not ended: nobody knows yet where these writes belong.
  for (const auto& [scope, life] : impl->lifecycle().cohorts)
    if (changes_hands(life)) impl->held.insert(scope);
  impl->facts = impl->facts_now();
  return std::unique_ptr<ControlService>(new ControlService(std::move(impl)));
}

Task<void> ControlService::run() {
  co_await asio::this_coro::throw_if_cancelled(false);
  impl_->restore();
  TaskGroup group(impl_->executor);
  group.spawn(impl_->follow_transitions());
  group.spawn(impl_->watch_verifications());
  group.spawn(impl_->watch_facts());
  group.spawn(impl_->keep_guards());
  group.spawn(impl_->envelope_watch.run());
  group.spawn(impl_->readers.run());
  co_return co_await group.wait();
}

Result<std::vector<Event>> ControlService::execute(const Command& command) {
  return impl_->execute(command);
}

Task<void> ControlService::take_over(Spec changed) {
  return impl_->take_over(std::move(changed));
}

Result<std::vector<Event>> ControlService::rehearse(const Command& command) const {
  return decide(lifecycle(), TRY(impl_->with_evidence(command)), impl_->parts.now());
}

Result<VerifyId> ControlService::verify(const Command& command, std::uint64_t rows_per_second_max) {
  impl_->envelope_watch.note();  // so that it counts for rows that were mended a moment ago
  TRY(impl_->execute(command));
  auto entity = std::get<BeginVerify>(command.wish).entity;
  auto id = impl_->parts.plane.start_verify(entity, rows_per_second_max);
  if (id) {
    impl_->verifications.push_back({*id, entity});
  } else {
    TRY(impl_->execute(
        {kOurselves, to_string(id.error()), EndVerify{entity, {.taken_at = impl_->parts.now()}}}));
  }
  return id;
}

Result<VerifyReport> ControlService::verify_report(VerifyId id) {
  impl_->settle_verifications();
  return impl_->parts.plane.verify_report(id);
}

Result<std::uint64_t> ControlService::retry_quarantined(const Command& command) {
  TRY(rehearse(command));
  auto retried = TRY(impl_->parts.plane.retry_quarantined(std::get<RetryQuarantined>(command.wish).key));
  TRY(impl_->execute(command));
  return retried;
}

Result<std::uint64_t> ControlService::close_findings(const Command& command, const FindingSelection& which) {
  TRY(rehearse(command));
  auto ending = fmt::format("closed by {}: {}", command.who, command.why);
  auto closed = TRY(impl_->parts.findings.close(which, ending, impl_->parts.now()));
  if (closed == 0)
    return Err(ErrorCode::not_found, "no open finding is `{}`; `oxbow findings` shows numbers and kinds",
               std::get<CloseFindings>(command.wish).which);
  TRY(impl_->execute(command));
  return closed;
}

const Lifecycle& ControlService::lifecycle() const {
  return impl_->lifecycle();
}
const DataFacts& ControlService::facts() const {
  return impl_->facts;
}
const Journal& ControlService::journal() const {
  return impl_->journal;
}
const ControlParts& ControlService::parts() const {
  return impl_->parts;
}
WallTime ControlService::started_at() const {
  return impl_->started_at;
}
Rate ControlService::rate() const {
  return impl_->rate();
}

std::optional<std::string> ControlService::doing(const Scope& scope) const {
  auto found = impl_->handovers.find(scope);
  if (found != impl_->handovers.end()) return found->second;
  return std::nullopt;
}

Envelope ControlService::envelope(const Scope& scope) const {
  return impl_->envelope(scope, impl_->parts.plane.stream_back(), impl_->parts.now());
}

Result<GateReport> ControlService::gate(const Scope& scope, State to) const {
  return impl_->gates.look(lifecycle(), scope, to, impl_->parts.now());
}

std::vector<std::string> ControlService::why_not_ready() const {
  auto away = why_away(impl_->parts.plane.stream_back());
  bool needs_it = std::ranges::any_of(lifecycle().cohorts, [](const auto& cohort) {
    const auto& life = cohort.second;
    return !life.forward_only && (is_at_home_on_new(life) || changes_hands(life));
  });
  if (!needs_it || away.empty()) return {};
  return {away};
}

Task<LossPreview> ControlService::preview_loss(std::vector<Scope> scopes) const {
  std::erase_if(scopes, [&](const Scope& scope) {
    bool has_no_way_back = envelope(scope).extent == Extent::forward_only;
    return has_no_way_back || authority(lifecycle().cohorts.at(scope).state) == Side::legacy;
  });
  LossPreview preview;
  if (scopes.empty()) co_return preview;
  auto rows = co_await impl_->parts.plane.preview_loss(impl_->to_mirror_scope(scopes));
  if (!rows && !is_retryable(rows.error().code)) co_return std::unexpected(rows.error());
  if (rows) preview.rows = *std::move(rows);
  if (!rows) preview.unread = rows.error();
  co_return preview;
}

Result<std::vector<Scope>> ControlService::scopes_of(const std::string& entity,
                                                     const std::optional<std::string>& cohort) const {
  const auto* spec = impl_->parts.spec.find_entity(entity);
  if (spec == nullptr) return Err(ErrorCode::not_found, "the spec has no entity `{}`", entity);
  std::vector<Scope> scopes;
  for (const auto& each : spec->cohorts)
    if (!cohort || each.name == *cohort) scopes.push_back({entity, each.name});
  if (scopes.empty())
    return Err(ErrorCode::not_found, "entity `{}` has no cohort `{}`", entity, cohort.value_or(""));
  return scopes;
}

std::optional<Error> ControlService::problem(const Scope& scope) const {
  auto found = impl_->troubles.find(scope);
  if (found != impl_->troubles.end()) return found->second.error;
  return std::nullopt;
}

}  // namespace oxbow
