#include "services/pipeline/pipeline.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "core/mapping/row_cohort.hpp"
#include "core/spec/preflight.hpp"
#include "runtime/cancellation.hpp"
#include "runtime/failpoint.hpp"
#include "runtime/real_clock.hpp"
#include "runtime/sleep.hpp"
#include "services/pipeline/key_search.hpp"
#include "services/pipeline/verifier.hpp"

namespace oxbow {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kLookAgain = milliseconds(10);  // whether there is something to follow
constexpr Duration kRetryMin = milliseconds(200);
constexpr Duration kRetryMax = seconds(10);
constexpr Duration kStartMax = seconds(5);  // of one attempt to add cohorts; the next one goes on waiting

// What a new session may mend. Everything else waits for a person: trying again would only repeat it.
bool may_pass(ErrorCode code) {
  return is_retryable(code) || code == ErrorCode::incomplete || code == ErrorCode::already_running;
}

}  // namespace

Pipeline::Pipeline(boost::asio::any_io_executor executor, const Spec& spec, PipelinePorts ports,
                   std::function<void(Finding)> report, FindingCloser close_findings, DataFacts known,
                   Protections protections)
    : executor_(executor),
      spec_(spec),
      ports_(std::move(ports)),
      report_(std::move(report)),
      close_findings_(std::move(close_findings)),
      protections_(protections),
      control_(spec.limits),
      watch_({.executor = executor_,
              .spec = spec_,
              .ports = ports_,
              .control = control_,
              .lag = [this] { return status().stream.lag.value_or(Duration{}); },
              .end_stream = [this](Error error) { fail(std::move(error)); },
              .report = report_}),
      facts_(std::move(known)) {}

Pipeline::~Pipeline() = default;

Task<void> Pipeline::run() {
  TaskGroup group(executor_);
  group.spawn(follow());
  group.spawn(watch_.run());
  group.spawn(measure_progress());
  co_return co_await group.wait();
}

bool Pipeline::may_follow() const {
  return !mirrored_.empty() && halted_.empty() && !failure_ && !stopping_cohorts_;
}

Task<void> Pipeline::follow() {
  Duration pause = kRetryMin;
  while (!co_await is_cancelled()) {
    if (!may_follow()) {
      phase_ = mirrored_.empty()             ? StreamPhase::none
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
    log_warn("the stream stopped: {}", to_string(last_error_));
    if (!co_await sleep_for(pause)) break;
    pause = std::min(pause * 2, kRetryMax);
  }
  co_return Err(ErrorCode::cancelled);
}

void Pipeline::fail(Error error) {
  log_error("the stream stopped: {}", to_string(error));
  failure_ = std::move(error);
  if (session_tasks_) session_tasks_->cancel();
}

// Connections and the migration's lock.
Task<void> Pipeline::connect() {
  if (!source_) source_ = ports_.source_admin();
  if (!target_) {
    auto target = ports_.target_admin();
    CO_TRY(co_await target->lock());
    target_ = std::move(target);
  }
  co_return Status{};
}

// And the plan; kept as long as the connections live. Nothing is touched that would have to be taken back.
Task<void> Pipeline::make_ready() {
  CO_TRY(co_await connect());
  if (plan_) co_return Status{};
  auto legacy = CO_TRY(co_await source_->read_catalog());
  auto new_side = CO_TRY(co_await target_->read_catalog());
  auto health = CO_TRY(co_await source_->read_health());
  bool has_stream = !begins_anew_ && !health.slot_wal_status.empty();
  bool may_leave_out = has_stream && spec_.limits.on_ddl == OnDdl::carry_on;
  auto plan =
      CO_TRY(make_plan(spec_, legacy, new_side,
                       may_leave_out ? UndecidedColumns::are_left_out : UndecidedColumns::are_problems));
  if (!has_stream) CO_TRY(co_await refuse_if_unprepared(legacy, new_side));
  plan_ = std::move(plan);
  facts_.key_kinds = key_kinds(spec_, plan_->source);
  co_return Status{};
}

// What would make the first steps fail halfway. Whether tables are empty is asked when they are taken over.
Task<void> Pipeline::refuse_if_unprepared(const Catalog& legacy, const Catalog& new_side) {
  std::string refusals;
  for (auto side : {Side::legacy, Side::new_side}) {
    const auto& catalog = side == Side::legacy ? legacy : new_side;
    Admin& admin = side == Side::legacy ? static_cast<Admin&>(*source_) : *target_;
    auto facts = CO_TRY(co_await admin.read_facts(tables_of(spec_, side)));
    facts.is_empty.clear();
    for (const auto& item : judge(spec_, side, facts, catalog)) {
      if (item.verdict != PreflightItem::Verdict::refusal) continue;
      refusals += fmt::format("\n  {} side: {}{}{}", name(side), item.sentence,
                              item.remedy.empty() ? "" : "\n    ", item.remedy);
    }
  }
  if (refusals.empty()) co_return Status{};
  co_return Err(ErrorCode::preflight_failed, "nothing was changed in either database:{}", refusals);
}

Task<void> Pipeline::run_session() {
  phase_ = StreamPhase::starting;
  in_session_ = true;
  auto ended = co_await make_ready();
  if (ended && may_follow()) {
    session_ = std::make_unique<StreamSession>(
        SessionContext{executor_, spec_, *plan_, ports_, *source_, *target_, control_, mirrored_, report_,
                       close_findings_, protections_, begins_anew_, careful_});
    session_tasks_ = std::make_unique<TaskGroup>(executor_);
    verifications_ = std::make_unique<TaskGroup>(executor_);
    session_tasks_->spawn(session_->run());
    ended = co_await session_tasks_->wait();
    co_await end_verifications();
    if (joining_) joining_->cancel();
    while (joining_) co_await sleep_for(milliseconds(10));
    last_stream_ = session_->stream_status();
    if (session_->has_followed()) facts_.copied = session_->copied_cohorts();
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
  if (!halted_.empty()) {
    mirrored_[scope.entity].insert(scope.cohorts.begin(), scope.cohorts.end());
    co_return Status{};
  }
  // Whether this can work at all is asked before anything is promised.
  if (mirrored_.empty() && !in_session_) CO_TRY(co_await make_ready());
  is_clean_ = false;
  auto before = mirrored_;
  mirrored_[scope.entity].insert(scope.cohorts.begin(), scope.cohorts.end());
  auto give_up_at = monotonic_now() + kStartMax;
  while (true) {
    if (session_ && session_->is_following()) {
      auto joined = co_await join_session();
      bool session_is_over = !joined && joined.error().code == ErrorCode::cancelled;
      if (!joined && !session_is_over) mirrored_ = before;
      if (!session_is_over) co_return joined;
    }
    if (failure_) {
      mirrored_ = before;
      co_return std::unexpected(*failure_);
    }
    if (!halted_.empty()) co_return Err(ErrorCode::cancelled, "the migration is halted: {}", halted_);
    if (monotonic_now() > give_up_at) {
      co_return Err(ErrorCode::timeout,
                    "the stream has not started yet; `oxbow status` says what it waits for");
    }
    CO_TRY(co_await sleep_for(milliseconds(50)));
  }
}

// Brings in what was added to `mirrored_`. A session that ends takes this with it; the next one begins with
// all of it.
Task<void> Pipeline::join_session() {
  TaskGroup joining(executor_);
  joining_ = &joining;
  joining.spawn(session_->add_missing_jobs());
  auto joined = co_await joining.wait();
  joining_ = nullptr;
  co_return joined;
}

Task<void> Pipeline::stop_mirror(MirrorScope scope, Others others) {
  if (is_clean_) co_return Status{};
  auto before = mirrored_;
  if (auto at = mirrored_.find(scope.entity); at != mirrored_.end()) {
    for (auto cohort : scope.cohorts) at->second.erase(cohort);
    if (at->second.empty()) mirrored_.erase(at);
  }
  stopping_cohorts_ = true;
  auto entity = scope.entity;
  auto cohorts = scope.cohorts;
  auto stopped = co_await forget(std::move(scope), others);
  for (auto cohort : cohorts) facts_.copied[entity].erase(cohort);
  if (!stopped && stopped.error().code == ErrorCode::illegal_transition) mirrored_ = before;
  stopping_cohorts_ = false;
  if (stopped) failure_.reset();  // which may have been theirs
  if (stopped && !mirrored_.contains(entity)) close_findings_of(entity);
  co_return stopped;
}

// Between two sessions, so that what the next one loads is already without these cohorts.
Task<void> Pipeline::forget(MirrorScope scope, Others others) {
  while (in_session_) {
    if (session_tasks_) session_tasks_->cancel();
    CO_TRY(co_await sleep_for(milliseconds(20)));
  }
  CO_TRY(co_await connect());
  CO_TRY(co_await target_->install({}, 0));  // an earlier run may have died before it came to that
  auto tables = table_numbers(spec_, scope.entity);
  auto before = CO_TRY(co_await target_->load_stream());
  bool parts = std::ranges::any_of(before.ranges, [&](const RangeRecord& record) {
    return !record.range.is_point() && std::ranges::count(tables, record.table) > 0 &&
           !std::ranges::all_of(record.cohorts,
                                [&](auto cohort) { return std::ranges::count(scope.cohorts, cohort) > 0; });
  });
  // Only to tell rows of one cohort from those of another, a mapping is needed: the way back stays open
  // where the spec does not fit the schemas any more.
  bool is_last = others == Others::are_not;
  if (!is_last && (parts || mirrored_.contains(scope.entity))) CO_TRY(co_await make_ready());
  if (!is_last) CO_TRY(may_part(scope));
  failpoint("rollback_before_ranges");
  CO_TRY(co_await target_->forget_cohorts(tables, scope.cohorts));
  failpoint("rollback_after_ranges");
  if (is_last) co_return co_await forget_all();
  auto stored = CO_TRY(co_await target_->load_stream());
  bool entity_is_left = std::ranges::any_of(stored.ranges, [&](const RangeRecord& record) {
    return !record.range.is_point() && std::ranges::find(tables, record.table) != tables.end();
  });
  if (entity_is_left) CO_TRY(co_await remove_rows_of(scope, stored.quarantine));
  co_return Status{};
}

Task<void> Pipeline::forget_all() {
  CO_TRY(co_await source_->remove());
  failpoint("rollback_after_legacy");
  CO_TRY(co_await target_->forget_stream());
  plan_.reset();  // it was made for tables whose identity has been given back just now
  failpoint("rollback_after_new");
  is_clean_ = true;
  begins_anew_ = false;
  mirrored_.clear();
  facts_.copied.clear();
  failure_.reset();
  last_stream_ = {};
  last_lag_.reset();
  watch_.forget();
  co_return Status{};
}

// Rows of one cohort are taken back alone only where the new side tells which ones they are.
Status Pipeline::may_part(const MirrorScope& scope) const {
  if (!mirrored_.contains(scope.entity)) return {};
  for (const auto& table : plan_->tables) {
    if (table.entity != scope.entity || !table.mapping.new_entity_key.empty()) continue;
    return Err(
        ErrorCode::illegal_transition,
        "{} does not hold the key of {} as legacy prints it, so the rows of some cohorts cannot be told "
        "from the others there; roll all cohorts of {} back together",
        to_string(table.mapping.target.name), scope.entity, scope.entity);
  }
  return {};
}

// Of rows that nobody mirrors nothing is claimed, so nothing can be wrong with them.
void Pipeline::close_findings_of(const std::string& entity) {
  for (auto kind : {FindingKind::divergence, FindingKind::rows_unexpected, FindingKind::quarantined_row})
    close_findings_({.kind = kind, .entity = entity}, entity + " is not mirrored any more");
}

// Rows of a cohort that nobody follows would stand in the way of rows that move to another cohort. Where
// nothing is mirrored any more they stay: the next copy changes only what differs.
Task<void> Pipeline::remove_rows_of(const MirrorScope& scope,
                                    const std::vector<QuarantineRecord>& quarantine) {
  auto writer = ports_.target_writer(0);
  CO_TRY(co_await writer->begin());
  for (const auto& table : plan_->tables) {
    if (table.entity != scope.entity) continue;
    RangeRead rows{.table = table.mapping.target.name,
                   .cohorts = CohortFilter{*table.cohorts, scope.cohorts}};
    std::ranges::sort(rows.cohorts->members);
    rows.cohorts->table.key_column = table.mapping.new_entity_key;
    CO_TRY(co_await writer->remove_rows(std::move(rows)));
  }
  for (const auto& record : quarantine) {
    const auto& table = plan_->tables[record.table];
    if (table.entity != scope.entity) continue;
    auto cohort = CO_TRY(cohort_of_row(table.mapping, *table.cohorts, record.row));
    if (cohort && std::ranges::find(scope.cohorts, *cohort) != scope.cohorts.end())
      CO_TRY(co_await writer->release({record.table, record.key_tuple, record.key}));
  }
  co_return co_await writer->commit(std::nullopt);
}

void Pipeline::pause(std::optional<std::string> entity) {
  control_.pause(std::move(entity));
}

void Pipeline::resume(std::optional<std::string> entity) {
  if (!entity) {
    halted_.clear();
    failure_.reset();
  }
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
               what_to_do_first());
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
  auto& report = *find_report(id);
  auto is_wanted = [&](const std::string& name) {
    return entity ? name == *entity : mirrored_.contains(name);
  };
  for (const auto& of_spec : spec_.entities) {
    if (entity && of_spec.name != *entity) continue;
    auto mirrored = mirrored_.find(of_spec.name);
    for (std::uint32_t i = 0; i < of_spec.cohorts.size(); ++i) {
      if (mirrored == mirrored_.end() || !mirrored->second.contains(CohortId(i)))
        report.left_out.push_back(of_spec.name + "/" + of_spec.cohorts[i].name);
    }
  }
  for (const auto& table : table_status()) {
    if (!is_wanted(table.entity)) continue;
    report.rows_estimated += std::max(table.rows_copied, table.rows_estimated);
    if (table.ranges_copied == table.ranges_total) continue;
    report.state = VerifyState::incomplete;
    report.reason = fmt::format("{} is still being copied", to_string(table.legacy));
  }
  if (report.state == VerifyState::running) {
    std::vector<std::uint32_t> tables;
    for (const auto& table : plan_->tables) {
      if (is_wanted(table.entity)) tables.push_back(table.id);
    }
    auto source = ports_.source_admin();
    Verifier verifier(spec_, *plan_, ports_, *source, *session_, report_, close_findings_, report,
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

// What is being copied moves; of everything else a speed would say nothing.
Task<void> Pipeline::measure_progress() {
  while (true) {
    CO_TRY(co_await sleep_for(milliseconds(500)));
    if (!session_) speeds_.clear();
    if (!session_) continue;
    auto tables = session_->table_status();
    for (std::uint32_t id = 0; id < tables.size(); ++id) {
      if (tables[id].phase != TablePhase::copying) {
        speeds_.erase(id);
        continue;
      }
      speeds_[id].rows.observe(monotonic_now(), tables[id].rows_copied);
      speeds_[id].bytes.observe(monotonic_now(), tables[id].bytes_copied);
    }
  }
}

std::vector<TableStatus> Pipeline::table_status() const {
  if (!session_) return {};
  auto tables = session_->table_status();
  for (std::uint32_t id = 0; id < tables.size(); ++id) {
    auto& table = tables[id];
    auto mirrored = mirrored_.find(table.entity);
    if (mirrored != mirrored_.end())
      table.rows_estimated = rows_expected(plan_->tables[id], mirrored->second);
    auto speed = speeds_.find(id);
    if (speed == speeds_.end() || table.phase == TablePhase::following) continue;
    table.rows_per_second = speed->second.rows.per_second();
    table.bytes_per_second = speed->second.bytes.per_second();
    table.eta = time_left(table.rows_copied, table.rows_estimated, table.rows_per_second);
  }
  return tables;
}

std::string Pipeline::why_it_does_not_follow() const {
  if (!halted_.empty()) return halted_;
  if (failure_) {
    bool can_resume = failure_->code != ErrorCode::lost_position;
    bool is_of_spec = failure_->code == ErrorCode::schema_drift || failure_->code == ErrorCode::spec_invalid;
    return to_string(*failure_) + (can_resume ? "; mend that, then run `oxbow resume`" : "") +
           (is_of_spec ? ", or, if you changed the spec, start `oxbow up` again: it reads the spec only then"
                       : "");
  }
  if (session_) return session_->stream_status().reason;
  return phase_ == StreamPhase::reconnecting ? to_string(last_error_) : "";
}

PlaneStatus Pipeline::status() const {
  PlaneStatus status;
  status.rate = control_.rate();
  status.tables = table_status();
  status.stream = session_ ? session_->stream_status() : last_stream_;
  if (!session_ || !session_->is_following()) {
    status.stream.phase = phase_;
    status.stream.reason = why_it_does_not_follow();
    status.stream.applied = std::max(status.stream.applied, last_stream_.applied);
    show_at_rest(status.stream, last_lag_, watch_.log_end(), monotonic_now());
  }
  status.stream.waits = watch_.waits();
  status.stream.retained_wal_bytes = watch_.retained_wal_bytes();
  status.stream.retained_wal_bytes_max = spec_.limits.retained_wal_bytes_max;
  status.stream.budget = control_.throttle().budget;
  status.stream.pace = control_.throttle().pace;
  status.stream.throttle_reason = control_.throttle().reason;
  status.verifications = reports_;
  return status;
}

DataFacts Pipeline::facts() const {
  auto facts = facts_;
  if (session_ && session_->has_followed()) facts.copied = session_->copied_cohorts();
  return facts;
}

Result<std::uint64_t> Pipeline::retry_quarantined(std::optional<std::string> key) {
  if (!session_ || !session_->is_following())
    return Err(ErrorCode::illegal_transition, "no row can be read again while the stream does not run: {}",
               what_to_do_first());
  return session_->retry_quarantined(key);
}

std::string Pipeline::what_to_do_first() const {
  if (!halted_.empty()) return fmt::format("it is halted ({}); run `oxbow resume` first", halted_);
  if (mirrored_.empty()) return "nothing is mirrored yet; run `oxbow advance ENTITY --to mirrored` first";
  auto why = why_it_does_not_follow();
  return why.empty() ? "it is starting; ask again in a moment" : why;
}

Task<KeyExplanation> Pipeline::explain_key(std::string key) {
  if (!session_ || !session_->is_following())
    co_return Err(ErrorCode::illegal_transition,
                  "nothing is known of a key while the stream does not run: {}", what_to_do_first());
  KeySearch search(*plan_, key);
  CO_TRY(co_await search.look(ports_));
  if (!session_ || !session_->is_following())
    co_return Err(ErrorCode::illegal_transition, "the stream ended meanwhile: {}", what_to_do_first());
  co_return KeyExplanation{session_->explain_key(search), search.concerns()};
}

}  // namespace oxbow
