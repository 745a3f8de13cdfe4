#include "services/pipeline/handover_runner.hpp"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <boost/asio/this_coro.hpp>

#include "base/log.hpp"
#include "base/text.hpp"
#include "core/envelope/envelope.hpp"
#include "core/sequence/next_number.hpp"
#include "core/sequence/number_pairs.hpp"
#include "core/spec/preflight_handover.hpp"
#include "runtime/cancellation.hpp"
#include "runtime/deadline.hpp"
#include "runtime/failpoint.hpp"
#include "runtime/real_clock.hpp"
#include "runtime/sleep.hpp"
#include "runtime/task_group.hpp"
#include "services/pipeline/rows_at_stake.hpp"

namespace oxbow {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kTryBehindFlip = seconds(10);   // of one action; then it is tried again
constexpr Duration kWayBackAtTheEnd = seconds(3);  // when oxbow ends and a database does not answer
constexpr Duration kRetryMin = milliseconds(20);
constexpr Duration kRetryMax = seconds(1);
constexpr Duration kLookAgain = milliseconds(20);
constexpr Duration kLookAgainInPause = milliseconds(1);
constexpr Duration kDrainAtOnce = milliseconds(20);

std::string describe(const WriterAtWork& writer) {
  auto who = fmt::format("{}{}", writer.pid == 0 ? "" : fmt::format("pid {} ", writer.pid), writer.who);
  if (!writer.age) return who + ", of whom our role may not see more";
  return fmt::format("{}, {} for {}", who,
                     writer.idle_in_transaction ? "idle in a transaction that is open" : "at work",
                     human_duration(*writer.age));
}

std::string describe(const std::vector<WriterAtWork>& writers) {
  auto line = describe(writers.front());
  return writers.size() == 1 ? line : fmt::format("{}, and {} more", line, writers.size() - 1);
}

}  // namespace

HandoverRunner::HandoverRunner(Parts parts, HandoverOrder order, HandoverHost& host)
    : parts_(std::move(parts)),
      order_(std::move(order)),
      host_(host),
      entity_(*parts_.spec.find_entity(order_.entity)),
      old_home_(other(order_.to)),
      new_home_(order_.to),
      to_new_home_(new_home_ == Side::new_side ? parts_.there : parts_.back),
      to_old_home_(new_home_ == Side::new_side ? parts_.back : parts_.there),
      connections_(parts_.connections.lend()),
      old_guards_(*connections_.guards.at(old_home_)),
      new_guards_(*connections_.guards.at(new_home_)),
      old_numbers_(*connections_.sequences.at(old_home_)),
      new_numbers_(*connections_.sequences.at(new_home_)),
      recheck_({parts_.spec, entity_, order_.cohort, to_new_home_, connections_.readers, parts_.report,
                parts_.close_findings}) {}

HandoverRunner::~HandoverRunner() = default;

std::string HandoverRunner::scope() const {
  return fmt::format("{}/{}", entity_.name, entity_.cohorts[order_.cohort.value()].name);
}

Task<HandoverReport> HandoverRunner::run() {
  // To lead back, only the old home is needed.
  bool needs_streams = order_.begins != HandoverBegins::interrupted_before_flip;
  if (needs_streams) parts_.there.want(true);
  if (needs_streams) parts_.back.want(true);
  Handover handover(order_.limits, order_.begins, monotonic_now());
  CO_TRY(co_await lead(handover));
  if (are_connections_sound_) parts_.connections.take_back(std::move(connections_), monotonic_now());
  report_.given_up = handover.given_up();
  report_.pause = handover.pause();
  co_return std::move(report_);
}

Task<void> HandoverRunner::lead(Handover& handover) {
  auto pause = kRetryMin;
  std::optional<HandoverAction> at_hand;
  Instant began{};
  std::optional<Instant> end_by;
  while (auto action = handover.next(monotonic_now())) {
    if (std::exchange(at_hand, action) != action) began = monotonic_now();
    if (host_.is_called_back() && handover.is_before_flip() && handover.call_back()) continue;
    if (*action == HandoverAction::end || *action == HandoverAction::end_without_change) {
      handover.succeeded(monotonic_now());  // the control plane records it when it has our report
      continue;
    }
    if (end_by && monotonic_now() > *end_by)
      co_return Err(ErrorCode::cancelled);  // the next start sees to it
    host_.tell(*action, handover.waits_for());
    auto limit = handover.time_left(monotonic_now()).value_or(end_by ? kWayBackAtTheEnd : kTryBehindFlip);
    auto done = co_await with_deadline(carry_out(*action), std::max<Duration>(limit, milliseconds(1)));
    // First of all, because the flip counts also if we were asked to stop at the same moment.
    if (done && *done == Done::yes) {
      pause = kRetryMin;
      waits_for_.reset();
      report_.steps.push_back({*action, monotonic_now() - began});
      failpoint(fmt::format("handover_after_{}", name(*action)));
      handover.succeeded(monotonic_now());
      continue;
    }
    are_connections_sound_ = are_connections_sound_ && done;
    if (co_await is_cancelled()) {
      bool goes_back = handover.is_before_flip() || handover.given_up();
      if (!goes_back) co_return Err(ErrorCode::cancelled);
      // What was put in the users' way is taken out of it before we go.
      co_await boost::asio::this_coro::reset_cancellation_state(boost::asio::disable_cancellation());
      report_.was_stopped = true;
      end_by = monotonic_now() + kWayBackAtTheEnd;
      if (handover.is_before_flip()) handover.failed({ErrorCode::cancelled, "oxbow ends"});
      continue;
    }
    bool is_late = !done && done.error().code == ErrorCode::timeout && handover.is_before_flip();
    if (is_late) {  // the handover's own limits decide, and say for whom it waited
      if (waits_for_ || !handover.waits_for())
        handover.not_yet(std::exchange(waits_for_, std::nullopt).value_or(done.error()));
      co_await sleep_for(kLookAgainInPause);
      continue;
    }
    if (!done) {
      log_warn("{} of {}: {}", name(*action), scope(), to_string(done.error()));
      bool again = !handover.is_before_flip();
      handover.failed(done.error());
      if (again) co_await sleep_for(pause);
      pause = std::min(pause * 2, kRetryMax);
      continue;
    }
    handover.not_yet(*std::exchange(waits_for_, std::nullopt));
    bool users_wait = *action >= HandoverAction::hold;
    co_await sleep_for(users_wait ? kLookAgainInPause : kLookAgain);
  }
  co_return Status{};
}

Task<HandoverRunner::Done> HandoverRunner::carry_out(HandoverAction action) {
  using enum HandoverAction;
  auto new_epoch = order_.epoch + 1;
  switch (action) {
    case install_guards:
      return this->install_guards();
    case start_stream_back:
      return this->start_stream_back();
    case announce:
      return this->order(old_guards_, action, GuardMode::near, order_.epoch);
    case await_others:
      return this->await_others();
    case hold:
      return this->hold();
    case fence:
      return this->order(old_guards_, action, GuardMode::fenced, order_.epoch);
    case drain:
      return this->drain();
    case mark:
      return this->mark();
    case catch_up:
      return this->catch_up();
    case recheck:
      return this->recheck();
    case advance_sequences:
      return this->advance_sequences();
    case confirm_fence:
      return this->confirm_fence();
    case flip:
      return [](HandoverHost& host) -> Task<Done> {
        CO_TRY(host.flip());
        co_return Done::yes;
      }(host_);
    case leave_stream:
      return this->leave_stream();
    case join_stream_back:
      return this->join_stream_back();
    case close_old:
      return this->order(old_guards_, action, GuardMode::closed, new_epoch);
    case open_new:
      return this->order(new_guards_, action, GuardMode::open, new_epoch);
    case reopen_old:
      return this->reopen_old();
    case release:
    case release_back:
    case end:
    case end_without_change:
      break;
  }
  return [](HandoverHost& host) -> Task<Done> {
    host.release();
    co_return Done::yes;
  }(host_);
}

HandoverRunner::Done HandoverRunner::wait_for(std::string whom) {
  waits_for_ = Error{ErrorCode::timeout, "it waits for " + std::move(whom)};
  return Done::not_yet;
}

Task<HandoverRunner::Done> HandoverRunner::order(Guards& guards, HandoverAction action, GuardMode mode,
                                                 std::uint64_t epoch) {
  CO_TRY(co_await guards.set(entity_.name, order_.cohort, {mode, epoch, order_of(action, order_.attempt)}));
  co_return Done::yes;
}

GuardedEntity HandoverRunner::guarded(Side side) const {
  const auto& plan = *plan_;
  GuardedEntity guarded{
      .name = entity_.name, .tables = {}, .cohorts = {}, .cohort_names = {}, .home = {}, .owner = {}};
  for (const auto& table : plan.tables) {
    if (table.entity != entity_.name) continue;
    guarded.cohorts = *table.cohorts;
    bool legacy = side == Side::legacy;
    auto name = legacy ? table.mapping.source : table.mapping.target.name;
    auto key = legacy ? entity_.key : table.mapping.new_entity_key;
    bool known = std::ranges::any_of(guarded.tables, [&](const auto& each) { return each.name == name; });
    if (!known) guarded.tables.push_back({std::move(name), std::move(key)});
  }
  for (const auto& cohort : entity_.cohorts) guarded.cohort_names.push_back(cohort.name);
  auto home = other(side);
  const auto& catalog = home == Side::legacy ? plan.source : plan.target;
  guarded.home = fmt::format("the {} side, database {}", name(home), catalog.database);
  guarded.owner = home == Side::legacy ? parts_.spec.owners.legacy : parts_.spec.owners.new_side;
  return guarded;
}

std::vector<GuardState> HandoverRunner::states_on(Side side) const {
  std::vector<GuardState> states;
  for (const auto& home : order_.homes)
    states.push_back({home.side == side ? GuardMode::open : GuardMode::closed, home.epoch, GuardOrder()});
  return states;
}

// Guards that stand already are made to fit the cohorts of now, of which a changed spec may have made others.
// That is early enough: until this handover all those were at home on legacy, whichever of them the guards
// took a key for. Waits for all who write the tables, and says meanwhile for whom; a call-back ends the
// waiting.
Task<HandoverRunner::Done> HandoverRunner::install_guards() {
  bool is_over = false, is_called_back = false;
  auto put_on = [&]() -> Task<void> {
    auto done = co_await put_guards_on();
    is_over = true;
    co_return done;
  };
  auto whom = fmt::format("it waits for a lock on the tables of {}", entity_.name);
  auto say_for_whom = [&]() -> Task<void> {
    while (!is_over) {
      CO_TRY(co_await sleep_for(kLookAgain));
      if (is_over) break;
      is_called_back = host_.is_called_back();
      if (is_called_back) co_return Err(ErrorCode::cancelled);
      // Between two tries it waits for nobody, and is none the wiser.
      if (auto waits = parts_.waits(); !waits.empty()) whom = fmt::format("{}", fmt::join(waits, "; "));
      waits_for_ = Error{ErrorCode::timeout, whom};
      host_.tell(HandoverAction::install_guards, waits_for_);
    }
    co_return Status{};
  };
  TaskGroup both(co_await boost::asio::this_coro::executor);
  both.spawn(put_on());
  both.spawn(say_for_whom());
  auto ended = co_await both.wait();
  if (is_called_back) co_return wait_for("nobody: it was called back");
  CO_TRY(std::move(ended));
  co_return Done::yes;
}

// Whoever is not at home on the new side cannot write there any more, so nobody has to be watched.
Task<void> HandoverRunner::put_guards_on() {
  CO_TRY(co_await parts_.there.wait_until_following(order_.limits.prepare_max));
  plan_ = parts_.there.plan();
  CO_TRY(co_await refuse_if_unprepared());
  CO_TRY(co_await pair_numbers_ahead());
  for (auto side : {new_home_, old_home_}) {
    auto& guards = side == old_home_ ? old_guards_ : new_guards_;
    auto entity = guarded(side);
    for (const auto& table : entity.tables) {
      if (!table.key_column.empty()) continue;
      co_return Err(
          ErrorCode::unsupported,
          "{} on the {} side does not hold the key of {} as legacy prints it, so nobody can tell whose "
          "rows are written there; give the table a column for {} and carry it there",
          to_string(table.name), name(side), entity_.name, entity_.key);
    }
    CO_TRY(co_await guards.install(std::move(entity), states_on(side)));
  }
  std::vector<TableName> tables;
  for (const auto& table : guarded(Side::new_side).tables) tables.push_back(table.name);
  co_return co_await connections_.new_side->stop_watching(std::move(tables));
}

// Said before anything is touched, all of it at once and with what to do. Where guards stand already, it was
// asked before.
Task<void> HandoverRunner::refuse_if_unprepared() {
  if (!CO_TRY(co_await old_guards_.read(entity_.name)).empty()) co_return Status{};
  std::string refusals;
  for (auto side : {Side::legacy, Side::new_side}) {
    const auto& ports = parts_.there.parts().ports;
    auto admin = side == Side::legacy ? std::unique_ptr<Admin>(ports.source_admin()) : ports.target_admin();
    auto facts = CO_TRY(co_await admin->read_facts(tables_of(parts_.spec, side)));
    const auto& catalog = side == Side::legacy ? plan_->source : plan_->target;
    for (const auto& item : judge_handover(parts_.spec, side, facts, catalog))
      refusals += fmt::format("\n  {} side: {}{}{}", name(side), item.sentence,
                              item.remedy.empty() ? "" : "\n    ", item.remedy);
  }
  if (refusals.empty()) co_return Status{};
  co_return Err(ErrorCode::preflight_failed, "nothing was changed in either database:{}", refusals);
}

// What was written on the new home before it had guards lies behind the stream back when this is done.
Task<HandoverRunner::Done> HandoverRunner::start_stream_back() {
  for (auto* stream : {&to_new_home_, &to_old_home_})
    CO_TRY(co_await stream->wait_until_following(order_.limits.prepare_max));
  CO_TRY(co_await to_old_home_.visit([](StreamSession& session) -> Task<void> {
    CO_TRY(co_await session.at_marker([]() -> Task<void> { co_return Status{}; }));
    co_return Status{};
  }));
  CO_TRY(co_await recheck_.connect());
  if (order_.accepted_loss) CO_TRY(co_await refuse_quarantined());
  CO_TRY(co_await recheck_ahead());
  co_return Done::yes;
}

// Whoever holds a table's lock now may have passed the guard before it was near, and is waited for; whoever
// comes later meets it.
Task<HandoverRunner::Done> HandoverRunner::await_others() {
  auto writers = CO_TRY(co_await old_guards_.writers(entity_.name));
  if (!awaited_) {
    awaited_.emplace();
    for (const auto& writer : writers) awaited_->insert(writer.transaction);
  }
  std::erase_if(writers, [&](const WriterAtWork& writer) { return !awaited_->contains(writer.transaction); });
  if (writers.empty()) co_return Done::yes;
  co_return wait_for(fmt::format("{}, who writes tables of {}", describe(writers), entity_.name));
}

Task<HandoverRunner::Done> HandoverRunner::hold() {
  CO_TRY(co_await host_.hold());
  co_return Done::yes;
}

Task<HandoverRunner::Done> HandoverRunner::drain() {
  if (CO_TRY(co_await old_guards_.drain(entity_.name, order_.cohort, kDrainAtOnce))) co_return Done::yes;
  auto writers = CO_TRY(co_await old_guards_.writers_of(entity_.name, order_.cohort));
  if (writers.empty()) co_return wait_for("a transaction that has just ended");
  co_return wait_for(fmt::format("{}, who has written rows of {}", describe(writers), scope()));
}

Task<HandoverRunner::Done> HandoverRunner::mark() {
  CO_TRY(co_await to_new_home_.visit([this](StreamSession& session) -> Task<void> {
    marker_ = CO_TRY(co_await session.mark([]() -> Task<void> { co_return Status{}; }));
    co_return Status{};
  }));
  co_return Done::yes;
}

Task<HandoverRunner::Done> HandoverRunner::catch_up() {
  CO_TRY(co_await to_new_home_.visit([this](StreamSession& session) -> Task<void> {
    CO_TRY(co_await session.reach(marker_));
    co_return Status{};
  }));
  co_return Done::yes;
}

// While users still write: so that few keys are left for the moment when they wait.
Task<void> HandoverRunner::recheck_ahead() {
  co_return co_await to_new_home_.visit([this](StreamSession& session) -> Task<void> {
    if (!recheck_.is_proven(session)) {
      if (new_home_ == Side::legacy) co_return Status{};  // nobody is kept from going back
      co_return Err(
          ErrorCode::incomplete,
          "nobody has looked at {} since this oxbow runs, or too much has changed since; run `oxbow verify "
          "--entity {}`, then advance again",
          scope(), entity_.name);
    }
    co_return co_await recheck_.shorten(session, given_up_);
  });
}

Task<std::vector<QuarantineRecord>> HandoverRunner::read_waiting() {
  auto target = to_new_home_.parts().ports.target_admin();
  auto stored = CO_TRY(co_await target->load_stream());
  if (!to_new_home_.plan() || !to_old_home_.plan())
    co_return Err(ErrorCode::connection_lost, "a stream of {} has stopped meanwhile", entity_.name);
  co_return records_of(*to_new_home_.plan(), stored.quarantine, entity_.name, order_.cohort);
}

// Nobody loses other rows than those that a person has seen. That they can be given up at all is asked here,
// where it is not too late.
Task<void> HandoverRunner::refuse_quarantined() {
  given_up_.clear();
  auto records = CO_TRY(co_await read_waiting());
  auto rows = rows_at_stake(*to_new_home_.plan(), records);
  auto waiting = rows.size();
  if (waiting == 0) co_return Status{};
  if (order_.accepted_loss && new_home_ == Side::legacy) {
    if (digest_of(rows) != order_.accepted_loss->digest)
      co_return Err(ErrorCode::differs,
                    "other rows of {} wait in quarantine now than those that were to be given up: {}; look "
                    "again with `oxbow rollback {} --cohort {} --to mirrored --preview`",
                    scope(), counted(waiting, "row waits", "rows wait"), entity_.name,
                    entity_.cohorts[order_.cohort.value()].name);
    CO_TRY(given_up(*parts_.there.plan(), *to_new_home_.plan(), records));
    given_up_ = std::move(records);
    co_return Status{};
  }
  co_return Err(ErrorCode::differs,
                "{} of {} in quarantine, so the {} side lacks what they say; `oxbow quarantine` shows them",
                counted(waiting, "row waits", "rows wait"), scope(), name(new_home_));
}

Task<HandoverRunner::Done> HandoverRunner::recheck() {
  std::optional<std::string> incomplete;
  CO_TRY(co_await to_new_home_.visit([&](StreamSession& session) -> Task<void> {
    auto complete = session.is_complete(entity_.name, order_.cohort);
    if (!complete && complete.error().code != ErrorCode::incomplete) {
      CO_TRY(co_await refuse_quarantined());
      complete = session.is_complete(entity_.name, order_.cohort, StreamSession::Quarantine::is_known);
    }
    if (!complete) {
      if (complete.error().code == ErrorCode::incomplete) incomplete = complete.error().detail;
      if (incomplete) co_return Status{};
    }
    if (!recheck_.is_proven(session)) {
      if (new_home_ == Side::legacy) co_return Status{};
      co_return Err(ErrorCode::incomplete, "too much of {} has changed since it was verified; verify again",
                    scope());
    }
    report_.keys_rechecked += CO_TRY(co_await recheck_.finish(session, given_up_));
    is_equal_ = true;
    co_return Status{};
  }));
  if (incomplete) co_return wait_for(*incomplete);
  co_return Done::yes;
}

Task<void> HandoverRunner::pair_numbers_ahead() {
  const auto& plan = *plan_;
  bool from_legacy = old_home_ == Side::legacy;
  std::vector<TableName> old_tables, new_tables;
  for (const auto& table : plan.tables) {
    if (table.entity != entity_.name) continue;
    old_tables.push_back(from_legacy ? table.mapping.source : table.mapping.target.name);
    new_tables.push_back(from_legacy ? table.mapping.target.name : table.mapping.source);
  }
  auto of_old = CO_TRY(co_await old_numbers_.read(std::move(old_tables)));
  auto of_new = CO_TRY(co_await new_numbers_.read(std::move(new_tables)));
  numbers_from_.clear();
  numbers_to_.clear();
  for (const auto& table : plan.tables) {
    if (table.entity != entity_.name) continue;
    for (const auto& pair :
         pair_numbers(table.mapping, from_legacy ? of_old : of_new, from_legacy ? of_new : of_old)) {
      auto from = from_legacy ? pair.legacy : pair.new_side;
      const auto& to = from_legacy ? pair.new_side : pair.legacy;
      if (!to) continue;
      // Whatever numbers the old home, its rows say how far it has come.
      if (!from) from = CO_TRY(co_await old_numbers_.read_again({pair.without_sequence})).front();
      // Better refused before anybody waits. And before the guards: a session that is refused there has taken
      // numbers all the same, and gives them out when this side is home.
      auto next = CO_TRY(next_number(*from, *to));
      CO_TRY(co_await new_numbers_.advance(*to, next));
      numbers_from_.push_back(*from);
      numbers_to_.push_back(*to);
    }
  }
  co_return Status{};
}

Task<HandoverRunner::Done> HandoverRunner::advance_sequences() {
  auto from = CO_TRY(co_await old_numbers_.read_again(numbers_from_));
  auto to = CO_TRY(co_await new_numbers_.read_again(numbers_to_));
  for (std::size_t i = 0; i < from.size(); ++i) {
    auto next = CO_TRY(next_number(from[i], to[i]));
    CO_TRY(co_await new_numbers_.advance(to[i], next));
  }
  co_return Done::yes;
}

Task<HandoverRunner::Done> HandoverRunner::confirm_fence() {
  std::vector<TableName> tables;
  for (auto& table : guarded(old_home_).tables) tables.push_back(std::move(table.name));
  auto [states, lost_at] = CO_TRY(co_await old_guards_.look(entity_.name, std::move(tables)));
  if (!lost_at.empty())
    co_return Err(
        ErrorCode::illegal_transition,
        "the guard of {} on the {} side was switched off or dropped meanwhile, so somebody may have "
        "written behind the fence; advance again, which puts it back",
        fmt::join(lost_at, ", "), name(old_home_));
  GuardState fenced{GuardMode::fenced, order_.epoch, order_of(HandoverAction::fence, order_.attempt)};
  bool holds = order_.cohort.value() < states.size() && states[order_.cohort.value()] == fenced;
  if (holds) co_return Done::yes;
  co_return Err(ErrorCode::illegal_transition,
                "the {} side does not know of the fence of {} any more: its server has forgotten what it had "
                "acknowledged",
                name(old_home_), scope());
}

Task<HandoverRunner::Done> HandoverRunner::leave_stream() {
  CO_TRY(co_await to_new_home_.wait_until_following(kTryBehindFlip));
  if (order_.accepted_loss && new_home_ == Side::legacy) CO_TRY(co_await take_given_up());
  CO_TRY(co_await to_new_home_.visit(
      [this](StreamSession& session) { return session.leave(entity_.name, order_.cohort); }));
  to_new_home_.carried()[entity_.name].erase(order_.cohort);
  to_old_home_.at_home_on_target()[entity_.name].erase(order_.cohort);
  co_return Done::yes;
}

// The way to legacy forgets these rows only when the way there has them: what the new side holds of them is
// replaced by what legacy holds, once the cohort is carried there.
Task<void> HandoverRunner::take_given_up() {
  CO_TRY(co_await to_old_home_.wait_until_following(kTryBehindFlip));
  auto records = CO_TRY(co_await read_waiting());
  if (records.empty()) co_return Status{};
  auto to_read = CO_TRY(given_up(*to_old_home_.plan(), *to_new_home_.plan(), records));
  CO_TRY(co_await to_old_home_.visit(
      [&](StreamSession& session) { return session.take_given_up(order_.cohort, to_read); }));
  std::vector<QuarantineRelease> releases;
  for (auto& record : records)
    releases.push_back({record.table, std::move(record.key_tuple), std::move(record.key)});
  co_return co_await to_new_home_.visit([&](StreamSession& session) { return session.let_go(releases); });
}

Task<HandoverRunner::Done> HandoverRunner::join_stream_back() {
  CO_TRY(co_await to_old_home_.wait_until_following(kTryBehindFlip));
  CO_TRY(co_await to_old_home_.visit(
      [this](StreamSession& session) { return session.join(entity_.name, order_.cohort, is_equal_); }));
  to_old_home_.carried()[entity_.name].insert(order_.cohort);
  to_new_home_.at_home_on_target()[entity_.name].insert(order_.cohort);
  if (auto* session = to_old_home_.following()) session->read_given_up(entity_.name, order_.cohort);
  parts_.want_streams();
  co_return Done::yes;
}

Task<HandoverRunner::Done> HandoverRunner::reopen_old() {
  if (CO_TRY(co_await old_guards_.read(entity_.name)).empty()) co_return Done::yes;
  co_return co_await order(old_guards_, HandoverAction::reopen_old, GuardMode::open, order_.epoch);
}

}  // namespace oxbow
