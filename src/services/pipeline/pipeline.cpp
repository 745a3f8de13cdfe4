#include "services/pipeline/pipeline.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "runtime/cancellation.hpp"
#include "runtime/sleep.hpp"
#include "services/pipeline/verifier.hpp"

namespace oxbow {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kRetryMin = milliseconds(200);
constexpr Duration kRetryMax = seconds(10);

// What a new session may mend. Everything else waits for a person: trying again would only repeat it.
bool may_pass(ErrorCode code) {
  return is_retryable(code) || code == ErrorCode::incomplete || code == ErrorCode::already_running;
}

}  // namespace

Pipeline::Pipeline(boost::asio::any_io_executor executor, const Spec& spec, PipelinePorts ports,
                   std::function<void(Finding)> report, Protections protections)
    : executor_(executor),
      spec_(spec),
      ports_(std::move(ports)),
      report_(std::move(report)),
      protections_(protections),
      control_(spec.limits) {}

Pipeline::~Pipeline() = default;

Task<void> Pipeline::run() {
  Duration pause = kRetryMin;
  while (!co_await is_cancelled()) {
    if (mirrored_.empty() || !halted_.empty() || stopping_cohorts_) {
      phase_ = mirrored_.empty() ? StreamPhase::none : StreamPhase::stopped;
      if (!co_await sleep_for(milliseconds(50))) break;
      continue;
    }
    auto ended = co_await run_session();
    if (co_await is_cancelled()) break;
    if (ended || ended.error().code == ErrorCode::cancelled) {
      pause = kRetryMin;
      continue;
    }
    last_error_ = ended.error();
    bool retry = may_pass(last_error_.code);
    phase_ = retry ? StreamPhase::reconnecting : StreamPhase::failed;
    log_warn("the stream stopped: {}", to_string(last_error_));
    if (!retry) {
      halted_ = to_string(last_error_);
      continue;
    }
    if (!co_await sleep_for(pause)) break;
    pause = std::min(pause * 2, kRetryMax);
  }
  co_return Err(ErrorCode::cancelled);
}

// Connections, the migration's lock and the plan; kept as long as the connections live.
Task<void> Pipeline::make_ready() {
  if (!source_) source_ = ports_.source_admin();
  if (!target_) {
    target_ = ports_.target_admin();
    CO_TRY(co_await target_->lock());
  }
  if (!plan_) {
    auto legacy = CO_TRY(co_await source_->read_catalog());
    auto new_side = CO_TRY(co_await target_->read_catalog());
    plan_ = CO_TRY(make_plan(spec_, legacy, new_side));
  }
  co_return Status{};
}

Task<void> Pipeline::run_session() {
  phase_ = StreamPhase::starting;
  auto ready = co_await make_ready();
  Status ended = ready;
  if (ready) {
    session_ = std::make_unique<StreamSession>(SessionContext{
        executor_, spec_, *plan_, ports_, *source_, *target_, control_, mirrored_, report_, protections_});
    session_tasks_ = std::make_unique<TaskGroup>(executor_);
    verifications_ = std::make_unique<TaskGroup>(executor_);
    session_tasks_->spawn(session_->run());
    ended = co_await session_tasks_->wait();
    co_await end_verifications();
    session_tasks_.reset();
    session_.reset();
  }
  source_.reset();
  target_.reset();
  plan_.reset();
  co_return ended;
}

// A verification works with the session's applier, so it ends with it.
Task<void> Pipeline::end_verifications() {
  verifications_->cancel();
  co_await verifications_->wait();
  verifications_.reset();
  verifying_ = false;
  for (auto& report : reports_) {
    if (report.state != VerifyState::running) continue;
    report.state = VerifyState::failed;
    report.reason = "the stream stopped meanwhile; verify again";
  }
  co_return Status{};
}

Task<void> Pipeline::start_mirror(MirrorScope scope) {
  // Whether this can work at all is asked before anything is promised.
  if (!session_) {
    bool idle = mirrored_.empty();
    if (idle) CO_TRY(co_await make_ready());
  }
  auto& mirrored = mirrored_[scope.entity];
  auto before = mirrored;
  mirrored.insert(scope.cohorts.begin(), scope.cohorts.end());
  if (session_ && session_->is_following()) {
    auto added = co_await session_->add_missing_jobs();
    if (!added) mirrored = before;
    co_return added;
  }
  for (int waited = 0; waited < 1200; ++waited) {
    if (session_ && session_->is_following()) co_return Status{};
    if (!halted_.empty()) {
      auto error = last_error_;
      mirrored = before;
      if (mirrored.empty()) mirrored_.erase(scope.entity);
      co_return std::unexpected(error);
    }
    CO_TRY(co_await sleep_for(milliseconds(50)));
  }
  co_return Err(ErrorCode::timeout, "the stream did not start within a minute: {}", to_string(last_error_));
}

Task<void> Pipeline::stop_mirror(MirrorScope scope) {
  auto at = mirrored_.find(scope.entity);
  if (at == mirrored_.end()) co_return Status{};
  for (auto cohort : scope.cohorts) at->second.erase(cohort);
  if (at->second.empty()) mirrored_.erase(at);
  stopping_cohorts_ = true;
  auto stopped = co_await forget(std::move(scope));
  stopping_cohorts_ = false;
  co_return stopped;
}

// Between two sessions, so that what the next one loads is already without these cohorts.
Task<void> Pipeline::forget(MirrorScope scope) {
  if (session_tasks_) session_tasks_->cancel();
  while (session_) CO_TRY(co_await sleep_for(milliseconds(20)));
  CO_TRY(co_await make_ready());
  if (mirrored_.empty()) {
    CO_TRY(co_await source_->remove());
    CO_TRY(co_await target_->forget_stream());
  } else {
    std::vector<std::uint32_t> tables;
    for (const auto& table : plan_->tables) {
      if (table.entity == scope.entity) tables.push_back(table.id);
    }
    CO_TRY(co_await target_->forget_cohorts(std::move(tables), scope.cohorts));
  }
  co_return Status{};
}

void Pipeline::pause(std::optional<std::string> entity) {
  control_.pause(std::move(entity));
}

void Pipeline::resume(std::optional<std::string> entity) {
  if (!entity) halted_.clear();
  control_.resume(std::move(entity));
}

void Pipeline::halt(std::string why) {
  halted_ = why.empty() ? "halted" : std::move(why);
  if (session_tasks_) session_tasks_->cancel();
}

void Pipeline::set_rate(Rate rate) {
  control_.set_rate(rate);
}

Result<VerifyId> Pipeline::start_verify(std::optional<std::string> entity,
                                        std::uint64_t rows_per_second_max) {
  if (!session_ || !session_->is_following()) {
    return Err(ErrorCode::illegal_transition, "nothing can be compared while the stream does not run: {}",
               halted_.empty() ? "nothing is mirrored yet" : halted_);
  }
  if (entity && !mirrored_.contains(*entity))
    return Err(ErrorCode::illegal_transition,
               "{} is not mirrored; run `oxbow advance {} --to mirrored` first", *entity, *entity);
  if (verifying_) return Err(ErrorCode::illegal_transition, "a verification is running; wait for it");
  VerifyId id(++next_verify_);
  if (reports_.size() >= 10) reports_.erase(reports_.begin());
  VerifyReport report;
  report.id = id;
  report.entity = entity.value_or("");
  reports_.push_back(std::move(report));
  verifying_ = true;
  verifications_->spawn(verify(id, std::move(entity), rows_per_second_max));
  return id;
}

Task<void> Pipeline::verify(VerifyId id, std::optional<std::string> entity,
                            std::uint64_t rows_per_second_max) {
  VerifyReport report = *find_report(id);
  std::vector<std::uint32_t> tables;
  std::string unfinished;
  for (const auto& table : session_->table_status()) {
    bool wanted = entity ? table.entity == *entity : mirrored_.contains(table.entity);
    if (!wanted) continue;
    report.rows_estimated += table.rows_copied;
    if (table.ranges_copied < table.ranges_total) unfinished = to_string(table.legacy);
  }
  for (const auto& table : plan_->tables) {
    if (entity ? table.entity == *entity : mirrored_.contains(table.entity)) tables.push_back(table.id);
  }
  if (!unfinished.empty()) {
    report.state = VerifyState::incomplete;
    report.reason = fmt::format("{} is still being copied", unfinished);
    *find_report(id) = report;
  } else {
    Verifier verifier(spec_, *plan_, ports_, *source_, *session_, report_, *find_report(id),
                      rows_per_second_max);
    co_await verifier.run(tables);
  }
  verifying_ = false;
  co_return Status{};
}

VerifyReport* Pipeline::find_report(VerifyId id) {
  auto at = std::ranges::find(reports_, id, &VerifyReport::id);
  return at == reports_.end() ? nullptr : &*at;
}

Result<VerifyReport> Pipeline::verify_report(VerifyId id) const {
  auto at = std::ranges::find(reports_, id, &VerifyReport::id);
  if (at == reports_.end()) return Err(ErrorCode::not_found, "there is no verification {}", id.value());
  return *at;
}

PlaneStatus Pipeline::status() const {
  PlaneStatus status;
  status.rate = control_.rate();
  if (session_) {
    status.tables = session_->table_status();
    status.stream = session_->stream_status();
  }
  if (!session_ || !session_->is_following()) {
    status.stream.phase = phase_;
    if (phase_ == StreamPhase::reconnecting) status.stream.reason = to_string(last_error_);
    if (!halted_.empty()) status.stream.reason = halted_;
  }
  status.verifications = reports_;
  return status;
}

Result<std::vector<std::string>> Pipeline::explain_key(std::string key) const {
  if (!session_) return Err(ErrorCode::illegal_transition, "nothing is mirrored");
  return session_->explain_key(key);
}

}  // namespace oxbow
