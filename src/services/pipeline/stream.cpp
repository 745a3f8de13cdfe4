#include "services/pipeline/stream.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/log.hpp"
#include "core/spec/preflight.hpp"
#include "runtime/cancellation.hpp"
#include "runtime/real_clock.hpp"
#include "runtime/sleep.hpp"

namespace oxbow {
namespace {

namespace asio = boost::asio;

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kLookAgain = milliseconds(10);  // whether there is something to follow
constexpr Duration kRetryMin = milliseconds(200);
constexpr Duration kRetryMax = seconds(10);

// What a new session may mend. Everything else waits for a person: trying again would only repeat it.
bool may_pass(ErrorCode code) {
  return is_retryable(code) || code == ErrorCode::incomplete || code == ErrorCode::already_running;
}

}  // namespace

Stream::Stream(Parts parts)
    : parts_(std::move(parts)),
      control_(parts_.spec.limits),
      watch_({.spec = parts_.spec,
              .source = source_of(parts_.course),
              .ports = parts_.ports,
              .control = control_,
              .lag = [this] { return status().lag.value_or(Duration{}); },
              .end_stream = [this](Error error) { fail(std::move(error)); },
              .report = parts_.report}) {}

Stream::~Stream() = default;

Task<void> Stream::run() {
  TaskGroup group(parts_.executor);
  group.spawn(follow());
  group.spawn(watch_.run());
  co_return co_await group.wait();
}

bool Stream::may_follow() const {
  return wanted_ && halted_.empty() && !failure_ && !resting_;
}

Task<void> Stream::follow() {
  Duration pause = kRetryMin;
  while (!co_await is_cancelled()) {
    if (!may_follow()) {
      phase_ = !wanted_                      ? StreamPhase::none
               : failure_ && halted_.empty() ? StreamPhase::failed
                                             : StreamPhase::stopped;
      if (!co_await sleep_for(kLookAgain)) break;
      continue;
    }
    auto ended = co_await run_session();
    if (co_await is_cancelled()) break;
    if (!may_follow() || ended || ended.error().code == ErrorCode::cancelled) {
      pause = kRetryMin;
      continue;
    }
    if (!may_pass(ended.error().code)) {
      fail(ended.error());
      continue;
    }
    bool got_on = last_stream_.transactions_applied > 0;
    careful_ = ended.error().code == ErrorCode::needs_care || (careful_ && !got_on);
    last_error_ = ended.error();
    phase_ = StreamPhase::reconnecting;
    log_warn("the stream to the {} side stopped: {}", name(target_of(parts_.course)), to_string(last_error_));
    if (!co_await sleep_for(pause)) break;
    pause = std::min(pause * 2, kRetryMax);
  }
  co_return Err(ErrorCode::cancelled);
}

void Stream::fail(Error error) {
  log_error("the stream to the {} side stopped: {}", name(target_of(parts_.course)), to_string(error));
  if (error.code == ErrorCode::lost_position) {
    auto name = std::string(words_for(parts_.course));
    parts_.report({.kind = FindingKind::stream_given_up,
                   .entity = {},
                   .table = {},
                   .key = name,
                   .sentence = fmt::format("the {} cannot go on where it stopped", name),
                   .detail = error.detail,
                   .owner = parts_.spec.owners.coexistence});
  }
  failure_ = std::move(error);
  if (session_tasks_) session_tasks_->cancel();
}

void Stream::halt(std::string why) {
  halted_ = why.empty() ? "halted" : std::move(why);
  if (session_tasks_) session_tasks_->cancel();
}

void Stream::resume() {
  halted_.clear();
  failure_.reset();
}

Task<void> Stream::end_session() {
  while (in_session_) {
    if (session_tasks_) session_tasks_->cancel();
    CO_TRY(co_await sleep_for(milliseconds(20)));
  }
  co_return Status{};
}

void Stream::forgotten() {
  plan_.reset();  // it was made for tables whose identity has been given back just now
  begins_anew_ = false;
  carried_.clear();
  failure_.reset();
  last_stream_ = {};
  last_lag_.reset();
  last_copied_.reset();
  watch_.forget();
  parts_.close_findings({.kind = FindingKind::stream_given_up, .key = std::string(words_for(parts_.course))},
                        "nobody needs this stream any more");
}

Task<void> Stream::connect() {
  if (!source_) source_ = parts_.ports.source_admin();
  if (!target_) {
    auto target = parts_.ports.target_admin();
    CO_TRY(co_await target->lock());
    target_ = std::move(target);
  }
  co_return Status{};
}

// Nothing is touched that would have to be taken back.
Task<void> Stream::make_ready() {
  CO_TRY(co_await connect());
  if (plan_) co_return Status{};
  CO_TRY(co_await parts_.may_begin());
  auto source = CO_TRY(co_await source_->read_catalog());
  auto target = CO_TRY(co_await target_->read_catalog());
  auto health = CO_TRY(co_await source_->read_health());
  bool has_stream = !begins_anew_ && !health.slot_wal_status.empty();
  plan_ = std::make_shared<const Plan>(CO_TRY(co_await plan_for(source, target, has_stream)));
  co_return Status{};
}

Task<Plan> Stream::plan_for(const Catalog& source, const Catalog& target, bool has_stream) {
  const auto& spec = parts_.spec;
  bool is_there = parts_.course == Course::there;
  const auto& legacy = is_there ? source : target;
  const auto& new_side = is_there ? target : source;
  bool may_leave_out = (has_stream || !is_there) && spec.limits.on_ddl == OnDdl::carry_on;
  auto there =
      CO_TRY(make_plan(spec, legacy, new_side,
                       may_leave_out ? UndecidedColumns::are_left_out : UndecidedColumns::are_problems));
  if (!is_there) co_return make_plan_back(spec, there);
  if (!has_stream) CO_TRY(co_await refuse_if_unprepared(legacy, new_side));
  co_return there;
}

// What would make the first steps fail halfway. Whether tables are empty is asked when they are taken over.
Task<void> Stream::refuse_if_unprepared(const Catalog& legacy, const Catalog& new_side) {
  std::string refusals;
  for (auto side : {Side::legacy, Side::new_side}) {
    const auto& catalog = side == Side::legacy ? legacy : new_side;
    Admin& admin = side == Side::legacy ? static_cast<Admin&>(*source_) : *target_;
    auto facts = CO_TRY(co_await admin.read_facts(tables_of(parts_.spec, side)));
    facts.is_empty.clear();
    for (const auto& item : judge(parts_.spec, side, facts, catalog)) {
      if (item.verdict != PreflightItem::Verdict::refusal) continue;
      refusals += fmt::format("\n  {} side: {}{}{}", name(side), item.sentence,
                              item.remedy.empty() ? "" : "\n    ", item.remedy);
    }
  }
  if (refusals.empty()) co_return Status{};
  co_return Err(ErrorCode::preflight_failed, "nothing was changed in either database:{}", refusals);
}

Task<void> Stream::run_session() {
  phase_ = StreamPhase::starting;
  in_session_ = true;
  auto ended = co_await make_ready();
  if (ended && may_follow()) {
    session_ = std::make_unique<StreamSession>(
        SessionContext{parts_.executor, parts_.spec, *plan_, parts_.ports, *source_, *target_, control_,
                       carried_, at_home_on_target_, parts_.report, parts_.close_findings, parts_.protections,
                       parts_.beats, parts_.homes, begins_anew_, careful_});
    session_tasks_ = std::make_unique<TaskGroup>(parts_.executor);
    session_tasks_->spawn(session_->run());
    ended = co_await session_tasks_->wait();
    co_await see_guests_off();
    last_stream_ = session_->stream_status();
    if (session_->has_followed()) last_copied_ = session_->copied_cohorts();
    if (last_stream_.lag) last_lag_ = {.lag = *last_stream_.lag, .measured_at = monotonic_now()};
    session_tasks_.reset();
    session_.reset();
  }
  source_.reset();
  target_.reset();
  plan_.reset();
  in_session_ = false;
  co_return ended;
}

Task<void> Stream::see_guests_off() {
  while (!guests_.empty()) {
    for (auto* guest : guests_) guest->cancel();
    co_await asio::post(parts_.executor, asio::use_awaitable);  // also when we are asked to stop ourselves
  }
  co_return Status{};
}

StreamSession* Stream::following() const {
  return session_ && session_->is_following() ? session_.get() : nullptr;
}

Task<void> Stream::visit(std::function<Task<void>(StreamSession&)> visit) {
  auto* session = following();
  auto lost = [this] {
    auto why = why_it_does_not_follow();
    return Error{ErrorCode::connection_lost,
                 fmt::format("the stream to the {} side does not run{}", name(target_of(parts_.course)),
                             why.empty() ? "" : ": " + why)};
  };
  if (session == nullptr) co_return std::unexpected(lost());
  // A group that was cancelled takes it for well that its tasks were, so the visitor's own word is kept.
  Status visited = Err(ErrorCode::cancelled);
  auto keep = [&]() -> Task<void> {
    visited = co_await visit(*session);
    co_return Status{};
  };
  TaskGroup group(parts_.executor);
  auto place = guests_.insert(guests_.end(), &group);
  group.spawn(keep());
  co_await group.wait();
  guests_.erase(place);
  bool session_is_over = !visited && visited.error().code == ErrorCode::cancelled && !co_await is_cancelled();
  if (session_is_over) co_return std::unexpected(lost());
  co_return visited;
}

Task<void> Stream::wait_until_following(Duration patience) {
  auto give_up_at = monotonic_now() + patience;
  while (following() == nullptr) {
    if (failure_) co_return std::unexpected(*failure_);
    if (!halted_.empty()) co_return Err(ErrorCode::cancelled, "the migration is halted: {}", halted_);
    if (monotonic_now() > give_up_at) {
      co_return Err(ErrorCode::timeout,
                    "the stream has not started yet; `oxbow status` says what it waits for");
    }
    CO_TRY(co_await sleep_for(milliseconds(50)));
  }
  co_return Status{};
}

std::optional<CohortSets> Stream::copied_cohorts() const {
  if (session_ && session_->has_followed()) return session_->copied_cohorts();
  return last_copied_;
}

std::string Stream::why_it_does_not_follow() const {
  if (!halted_.empty()) return halted_;
  if (failure_) {
    bool can_resume = failure_->code != ErrorCode::lost_position;
    bool is_of_spec = failure_->code == ErrorCode::schema_drift || failure_->code == ErrorCode::spec_invalid;
    return to_string(*failure_) + (can_resume ? "; mend that, then run `oxbow resume`" : "") +
           (is_of_spec ? ", or, if you changed the spec, start `oxbow up` again: it reads tables and columns "
                         "only then"
                       : "");
  }
  if (session_) return session_->stream_status().reason;
  return phase_ == StreamPhase::reconnecting ? to_string(last_error_) : "";
}

StreamStatus Stream::status() const {
  auto status = session_ ? session_->stream_status() : last_stream_;
  if (following() == nullptr) {
    status.phase = phase_;
    status.reason = why_it_does_not_follow();
    status.applied = std::max(status.applied, last_stream_.applied);
    show_at_rest(status, last_lag_, watch_.log_end(), monotonic_now());
  }
  status.retained_wal_bytes = watch_.retained_wal_bytes();
  status.retained_wal_bytes_max = parts_.spec.limits.retained_wal_bytes_max;
  status.budget = control_.throttle().budget;
  status.pace = control_.throttle().pace;
  status.throttle_reason = control_.throttle().reason;
  return status;
}

}  // namespace oxbow
