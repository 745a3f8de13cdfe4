#include "services/pipeline/pipeline.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "core/mapping/row_cohort.hpp"
#include "runtime/failpoint.hpp"
#include "runtime/real_clock.hpp"
#include "runtime/sleep.hpp"
#include "services/pipeline/handover_runner.hpp"
#include "services/pipeline/key_search.hpp"
#include "services/pipeline/rows_at_stake.hpp"
#include "services/pipeline/verifier.hpp"

namespace oxbow {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kStartMax = seconds(5);  // of one attempt to add cohorts; the next one goes on waiting

bool is_among(const CohortSets& sets, const std::string& entity, CohortId cohort) {
  auto found = sets.find(entity);
  return found != sets.end() && found->second.contains(cohort);
}

bool any(const CohortSets& sets) {
  return std::ranges::any_of(sets, [](const auto& of_entity) { return !of_entity.second.empty(); });
}

}  // namespace

Pipeline::Pipeline(boost::asio::any_io_executor executor, const Spec& spec, PipelinePorts ports,
                   std::function<void(Finding)> report, FindingCloser close_findings, DataFacts known,
                   Protections protections, BeatBoard& beats)
    : executor_(executor),
      spec_(spec),
      ports_(std::move(ports)),
      report_(std::move(report)),
      close_findings_(std::move(close_findings)),
      homes_(spec, ports_),
      there_({executor, spec, Course::there, ports_.stream(Course::there), report_, closer_beside(back_),
              protections, beats, homes_, [this] { return agree_with_guards(); }}),
      back_({executor, spec, Course::back, ports_.stream(Course::back), report_, closer_beside(there_),
             protections, beats, homes_, [this] { return agree_with_guards(); }}),
      back_watch_(there_, back_),
      waits_(executor, ports_),
      handover_connections_(ports_),
      guards_(executor, spec, ports_, report_),
      facts_(std::move(known)),
      verifications_(executor) {}

Pipeline::~Pipeline() = default;

// What a stream finds over when it begins may still hold for the other one, which says it itself as soon as
// it follows.
FindingCloser Pipeline::closer_beside(const Stream& other) {
  return [this, &other](FindingSelection which, const std::string& ending) {
    bool may_be_of_other =
        !which.key && (which.kind == FindingKind::quarantined_row || which.kind == FindingKind::drift);
    auto* session = other.following();
    bool says_it_later = which.kind == FindingKind::quarantined_row || !other.failure();
    if (may_be_of_other && other.is_wanted() && session == nullptr && says_it_later) return;
    if (may_be_of_other && session != nullptr) which.but.merge(session->what_still_holds(*which.kind));
    if (which.kind == FindingKind::drift)
      for (const auto& part : guards_.open_parts()) which.but.emplace("", part);
    close_findings_(which, ending);
  };
}

Task<void> Pipeline::run() {
  TaskGroup group(executor_);
  group.spawn(there_.run());
  group.spawn(back_.run());
  group.spawn(back_watch_.run());
  group.spawn(waits_.run());
  group.spawn(handover_connections_.run());
  group.spawn(measure_progress());
  auto ended = co_await group.wait();
  verifications_.cancel();
  co_await verifications_.wait();
  co_return ended;
}

void Pipeline::nothing_is_left() {
  is_clean_ = true;
  there_.begin_anew();
  back_.begin_anew();
}

// Before anything is written on either side that only a journal can order.
Task<void> Pipeline::agree_with_guards() {
  auto agrees = co_await homes_.agree_with_guards();
  if (!agrees && agrees.error().code == ErrorCode::illegal_transition)
    report_({.kind = FindingKind::guard_lost,
             .entity = {},
             .table = {},
             .key = "oxbow.db",
             .sentence = agrees.error().detail,
             .detail = {},
             .owner = spec_.owners.coexistence});
  co_return agrees;
}

// Both run as long as any cohort needs them: whoever is at home on the new side needs the way back, and the
// stream there for the moment when he takes it.
void Pipeline::want_streams() {
  bool may_come_back = any(back_.carried());
  there_.want(any(there_.carried()) || may_come_back);
  back_.want(may_come_back || back_.is_wanted());
}

Task<void> Pipeline::start_mirror(MirrorScope scope) {
  auto& carried = there_.carried();
  auto before = carried;
  auto add = [&] { carried[scope.entity].insert(scope.cohorts.begin(), scope.cohorts.end()); };
  if (!there_.halted().empty()) {
    add();
    want_streams();
    co_return Status{};
  }
  // Whether this can work at all is asked before anything is promised.
  if (!there_.is_wanted() && !there_.is_in_session()) CO_TRY(co_await there_.make_ready());
  is_clean_ = false;
  add();
  want_streams();
  while (true) {
    auto joined = co_await there_.wait_until_following(kStartMax);
    bool still_waits =
        !joined && (joined.error().code == ErrorCode::timeout || joined.error().code == ErrorCode::cancelled);
    if (joined) {
      joined = co_await there_.visit([](StreamSession& session) { return session.add_missing_jobs(); });
      bool session_is_over = !joined && joined.error().code == ErrorCode::connection_lost;
      if (session_is_over && there_.following() == nullptr) continue;
    }
    if (!joined && !still_waits) carried = before;
    if (!joined) want_streams();
    co_return joined;
  }
}

Task<void> Pipeline::stop_mirror(MirrorScope scope, Others others) {
  if (is_clean_) co_return Status{};
  auto& carried = there_.carried();
  auto before = carried;
  if (auto at = carried.find(scope.entity); at != carried.end()) {
    for (auto cohort : scope.cohorts) at->second.erase(cohort);
    if (at->second.empty()) carried.erase(at);
  }
  there_.rest(true);
  auto entity = scope.entity;
  auto cohorts = scope.cohorts;
  auto stopped = co_await forget(std::move(scope), others);
  for (auto cohort : cohorts) facts_.copied[entity].erase(cohort);
  if (!stopped && stopped.error().code == ErrorCode::illegal_transition) carried = before;
  want_streams();
  there_.rest(false);
  if (stopped) there_.forget_failure();  // which may have been theirs
  if (stopped && !carried.contains(entity)) close_findings_of(entity);
  co_return stopped;
}

// Between two sessions, so that what the next one loads is already without these cohorts.
Task<void> Pipeline::forget(MirrorScope scope, Others others) {
  CO_TRY(co_await agree_with_guards());
  CO_TRY(co_await there_.end_session());
  CO_TRY(co_await there_.connect());
  auto& target = there_.target();
  CO_TRY(co_await target.install({}, 0));  // an earlier run may have died before it came to that
  auto tables = table_numbers(spec_, scope.entity);
  auto before = CO_TRY(co_await target.load_stream());
  bool parts = std::ranges::any_of(before.ranges, [&](const RangeRecord& record) {
    return !record.range.is_point() && std::ranges::count(tables, record.table) > 0 &&
           !std::ranges::all_of(record.cohorts,
                                [&](auto cohort) { return std::ranges::count(scope.cohorts, cohort) > 0; });
  });
  const auto& at_home_there = there_.at_home_on_target()[scope.entity];
  // Only to tell rows of one cohort from those of another, a mapping is needed: the way back stays open
  // where the spec does not fit the schemas any more.
  bool is_last = others == Others::are_not;
  bool is_followed = there_.carried().contains(scope.entity) || !at_home_there.empty();
  if (!is_last && (parts || is_followed)) CO_TRY(co_await there_.make_ready());
  if (!is_last && is_followed) CO_TRY(may_part(scope));
  failpoint("rollback_before_ranges");
  CO_TRY(co_await target.forget_cohorts(tables, scope.cohorts));
  failpoint("rollback_after_ranges");
  if (!is_followed) CO_TRY(co_await remove_guards(scope.entity));
  if (is_last) co_return co_await forget_all();
  auto stored = CO_TRY(co_await target.load_stream());
  bool entity_is_left =
      !at_home_there.empty() || std::ranges::any_of(stored.ranges, [&](const RangeRecord& record) {
        return !record.range.is_point() && std::ranges::find(tables, record.table) != tables.end();
      });
  if (entity_is_left) CO_TRY(co_await remove_rows_of(scope, stored.quarantine));
  co_return Status{};
}

// Nobody of the entity has a handover near or behind him any more.
Task<void> Pipeline::remove_guards(const std::string& entity) {
  CO_TRY(co_await guards_.take_off(entity));
  co_return co_await there_.target().watch(tables_of_entity(spec_, entity, Side::new_side));
}

Task<void> Pipeline::forget_all() {
  CO_TRY(co_await there_.source().remove());
  failpoint("rollback_after_legacy");
  CO_TRY(co_await there_.target().forget_stream());
  back_.want(false);
  CO_TRY(co_await back_.end_session());
  CO_TRY(co_await back_.connect());
  CO_TRY(co_await back_.source().remove());
  CO_TRY(co_await back_.target().remove());
  back_.forgotten();
  there_.forgotten();
  failpoint("rollback_after_new");
  is_clean_ = true;
  facts_.copied.clear();
  co_return Status{};
}

Task<HandoverReport> Pipeline::hand_over(HandoverOrder order, HandoverHost& host) {
  auto entity = order.entity;
  HandoverRunner runner({spec_, handover_connections_, there_, back_, report_, close_findings_,
                         [this] { want_streams(); }, [this] { return waits_.sentences(); }},
                        std::move(order), host);
  guards_.handover_is_near(entity);
  auto report = co_await runner.run();
  guards_.handover_is_over();
  co_return report;
}

Task<void> Pipeline::exchange_cohorts(Spec changed, std::function<Status()> exchange) {
  CO_TRY(could_go_on_by(changed));
  for (auto* stream : {&there_, &back_}) stream->rest(true);
  Status done;
  for (auto* stream : {&there_, &back_})
    if (done) done = co_await stream->end_session();
  if (done) done = exchange();
  for (auto* stream : {&there_, &back_}) {
    if (done) stream->forget_plan();
    stream->rest(false);
  }
  co_return done;
}

// Several cohorts ask more of a table than one, and no stream may stop because somebody has changed a file.
Status Pipeline::could_go_on_by(const Spec& changed) const {
  auto plan = there_.plan();
  if (!plan && there_.is_wanted())
    return Err(ErrorCode::incomplete,
               "the stream does not run at this moment; other cohorts are taken over behind that");
  if (!plan) return {};
  bool carries_on = changed.limits.on_ddl == OnDdl::carry_on;
  auto there = TRY(make_plan(changed, plan->source, plan->target,
                             carries_on ? UndecidedColumns::are_left_out : UndecidedColumns::are_problems));
  if (back_.is_wanted()) TRY(make_plan_back(changed, there));
  return {};
}

void Pipeline::follow_home(MirrorScope scope) {
  is_clean_ = false;
  for (auto cohort : scope.cohorts) {
    there_.at_home_on_target()[scope.entity].insert(cohort);
    back_.carried()[scope.entity].insert(cohort);
  }
  want_streams();
}

void Pipeline::leave_alone(MirrorScope scope) {
  is_clean_ = false;
  there_.at_home_on_target()[scope.entity].insert(scope.cohorts.begin(), scope.cohorts.end());
}

Task<void> Pipeline::end_unneeded_streams() {
  if (any(back_.carried())) co_return Status{};
  for (auto* stream : {&back_, &there_}) {
    if (stream == &there_ && any(there_.carried())) break;
    stream->want(false);
    CO_TRY(co_await stream->end_session());
    CO_TRY(co_await stream->connect());
    CO_TRY(co_await stream->source().give_up_stream());
    CO_TRY(co_await stream->target().forget_stream());
    stream->forgotten();
  }
  co_return Status{};
}

// Where the log between the two sides is lost, the way back has ended already.
Task<void> Pipeline::end_way_back(MirrorScope scope) {
  auto follows = co_await back_.wait_until_following(kStartMax);
  bool is_lost = !follows && follows.error().code == ErrorCode::lost_position;
  if (!is_lost) CO_TRY(std::move(follows));
  for (auto cohort : scope.cohorts) {
    auto leave = [&](StreamSession& session) { return session.leave(scope.entity, cohort); };
    if (!is_lost) CO_TRY(co_await back_.visit(leave));
    back_.carried()[scope.entity].erase(cohort);
  }
  co_return Status{};
}

// Rows of one cohort are taken back alone only where the new side tells which ones they are.
Status Pipeline::may_part(const MirrorScope& scope) const {
  auto plan = there_.plan();
  for (const auto& table : plan->tables) {
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
  auto writer = there_.parts().ports.target_writer(0);
  CO_TRY(co_await writer->begin());
  auto plan = there_.plan();
  for (const auto& table : plan->tables) {
    if (table.entity != scope.entity) continue;
    RangeRead rows{.table = table.mapping.target.name, .cohorts = filter_on_target(table, scope.cohorts)};
    std::ranges::sort(rows.cohorts->members);
    CO_TRY(co_await writer->remove_rows(std::move(rows)));
  }
  for (const auto& record : quarantine) {
    const auto& table = plan->tables[record.table];
    if (table.entity != scope.entity) continue;
    auto cohort = CO_TRY(cohort_of_row(table.mapping, *table.cohorts, record.row));
    if (cohort && std::ranges::find(scope.cohorts, *cohort) != scope.cohorts.end())
      CO_TRY(co_await writer->release({record.table, record.key_tuple, record.key}));
  }
  co_return co_await writer->commit(std::nullopt);
}

void Pipeline::pause(std::optional<std::string> entity) {
  there_.control().pause(std::move(entity));
}

void Pipeline::resume(std::optional<std::string> entity) {
  if (!entity) {
    there_.resume();
    back_.resume();
  }
  there_.control().resume(std::move(entity));
}

void Pipeline::halt(std::string why) {
  there_.halt(why);
  back_.halt(std::move(why));
}

void Pipeline::set_rate(Rate rate) {
  there_.control().set_rate(rate);
}

bool Pipeline::has_two_sides(const std::string& entity) const {
  return there_.carried().contains(entity) || back_.carried().contains(entity);
}

Result<VerifyId> Pipeline::start_verify(std::optional<std::string> entity,
                                        std::uint64_t rows_per_second_max) {
  if (there_.following() == nullptr) {
    return Err(ErrorCode::illegal_transition, "nothing can be compared while the stream does not run: {}",
               what_to_do_first());
  }
  if (entity && !has_two_sides(*entity))
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
  verifications_.spawn(verify(id, std::move(entity), rows_per_second_max));
  return id;
}

Task<void> Pipeline::verify(VerifyId id, std::optional<std::string> entity,
                            std::uint64_t rows_per_second_max) {
  auto& report = *find_report(id);
  auto is_wanted = [&](const std::string& name) { return entity ? name == *entity : has_two_sides(name); };
  for (const auto& of_spec : spec_.entities) {
    if (entity && of_spec.name != *entity) continue;
    for (std::uint32_t i = 0; i < of_spec.cohorts.size(); ++i) {
      bool is_compared = is_among(there_.carried(), of_spec.name, CohortId(i)) ||
                         is_among(back_.carried(), of_spec.name, CohortId(i));
      if (!is_compared) report.left_out.push_back(of_spec.name + "/" + of_spec.cohorts[i].name);
    }
  }
  for (const auto& table : table_status()) {
    if (!is_wanted(table.entity)) continue;
    report.rows_estimated += std::max(table.rows_copied, table.rows_estimated);
    if (table.ranges_copied == table.ranges_total) continue;
    report.state = VerifyState::incomplete;
    report.reason = fmt::format("{} is still being copied", to_string(table.legacy));
  }
  FindingNames found;
  auto began = wall_now();
  for (auto* stream : {&there_, &back_}) {
    if (report.state != VerifyState::running) break;
    co_await verify_along(*stream, is_wanted, report, found, rows_per_second_max);
  }
  bool is_whole = report.ranges_done == report.ranges_total && report.coverage_percent == 100;
  if (report.state == VerifyState::running)
    report.state = !is_whole                      ? VerifyState::failed
                   : report.divergence_count == 0 ? VerifyState::equal
                                                  : VerifyState::differs;
  if (is_whole) close_what_is_equal(report, began);
  verifying_ = false;
  co_return Status{};
}

// A divergence goes by the table of the home that its row had; the cohort may have another home since.
void Pipeline::close_what_is_equal(const VerifyReport& report, WallTime began) {
  for (const auto& [entity, compared] : report.entities) {
    if (compared.divergence_count > 0) continue;
    close_findings_({.kind = FindingKind::divergence, .entity = entity, .seen_before = began},
                    fmt::format("a verification found all of {} equal", entity));
  }
}

// Each cohort is compared along the stream that carries it: what its home has, the other side has to have. A
// table may have one name on both sides, and then what was `found` along one stream is not over along the
// other.
Task<void> Pipeline::verify_along(Stream& stream, const std::function<bool(const std::string&)>& is_wanted,
                                  VerifyReport& report, FindingNames& found,
                                  std::uint64_t rows_per_second_max) {
  auto keep = [&](Finding finding) {
    if (finding.kind == FindingKind::divergence) found.emplace(finding.table, finding.key);
    report_(std::move(finding));
  };
  auto close = [&](FindingSelection which, const std::string& ending) {
    if (which.kind == FindingKind::divergence) which.but.insert(found.begin(), found.end());
    close_findings_(which, ending);
  };
  auto carries = [&](const std::string& entity) {
    auto at = stream.carried().find(entity);
    return at != stream.carried().end() && !at->second.empty() && is_wanted(entity);
  };
  bool carries_any =
      std::ranges::any_of(spec_.entities, [&](const auto& entity) { return carries(entity.name); });
  if (!carries_any) co_return Status{};
  auto visited = co_await stream.visit([&](StreamSession& session) -> Task<void> {
    std::vector<std::uint32_t> tables;
    for (const auto& table : session.plan().tables)
      if (carries(table.entity)) tables.push_back(table.id);
    auto source = stream.parts().ports.source_admin();
    Verifier verifier(spec_, session.plan(), stream.parts().ports, *source, session, keep, close, report,
                      rows_per_second_max);
    co_return co_await verifier.run(tables);
  });
  // The other stream may have something to compare, too.
  bool is_through = report.state == VerifyState::equal || report.state == VerifyState::differs;
  if (is_through) report.state = VerifyState::running;
  if (visited || report.state != VerifyState::running) co_return visited;
  report.state = VerifyState::failed;
  report.reason = "the stream stopped meanwhile; verify again";
  co_return visited;
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
    // Requests are still told apart by their keys while no stream has a plan.
    if (there_.plan()) facts_.key_kinds = key_kinds(spec_, there_.plan()->source);
    if (!there_.session()) speeds_.clear();
    if (!there_.session()) continue;
    auto tables = there_.session()->table_status();
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
  if (!there_.session()) return {};
  auto tables = there_.session()->table_status();
  for (std::uint32_t id = 0; id < tables.size(); ++id) {
    auto& table = tables[id];
    auto carried = there_.carried().find(table.entity);
    if (carried != there_.carried().end())
      table.rows_estimated = rows_expected(there_.plan()->tables[id], carried->second);
    auto speed = speeds_.find(id);
    if (speed == speeds_.end() || table.phase == TablePhase::following) continue;
    table.rows_per_second = speed->second.rows.per_second();
    table.bytes_per_second = speed->second.bytes.per_second();
    table.eta = time_left(table.rows_copied, table.rows_estimated, table.rows_per_second);
  }
  return tables;
}

Task<ReadersSeen> Pipeline::look_for_readers(std::string entity, ReaderLook look) {
  auto& search = reader_searches_[entity];
  if (!search) search = ports_.reader_search();
  std::vector<TableName> tables;
  for (const auto& table : spec_.find_entity(entity)->tables) tables.push_back(table.legacy);
  if (look == ReaderLook::quick) return search->look_at_sessions(std::move(tables));
  return search->look(std::move(tables));
}

PlaneStatus Pipeline::status() const {
  PlaneStatus status;
  status.rate = there_.control().rate();
  status.tables = table_status();
  status.stream = there_.status();
  status.stream.waits = waits_.sentences();
  if (back_.is_wanted()) status.stream_back = back_.status();
  status.verifications = reports_;
  return status;
}

Task<std::vector<LostRow>> Pipeline::preview_loss(MirrorScope scope) {
  std::vector<LostRow> lost;
  CO_TRY(co_await back_.visit([&](StreamSession& session) -> Task<void> {
    auto there = CO_TRY(
        make_plan(spec_, session.plan().target, session.plan().source, UndecidedColumns::are_left_out));
    auto target = back_.parts().ports.target_admin();
    auto stored = CO_TRY(co_await target->load_stream());
    std::vector<QuarantineRecord> records;
    for (auto cohort : scope.cohorts)
      std::ranges::move(records_of(session.plan(), stored.quarantine, scope.entity, cohort),
                        std::back_inserter(records));
    lost = CO_TRY(co_await read_lost_rows(there, session.plan(), there_.parts().ports, std::move(records)));
    co_return Status{};
  }));
  co_return lost;
}

std::vector<std::string> Pipeline::left_behind(const std::string& entity) const {
  auto there = there_.plan(), back = back_.plan();
  std::vector<std::string> columns;
  if (!there || !back) return columns;
  for (const auto& table : there->tables) {
    if (table.entity != entity) continue;
    const auto& target = table.mapping.target;
    auto goes_back = [&](const std::string& column) {
      return std::ranges::any_of(back->tables, [&](const PlannedTable& each) {
        return each.mapping.source == target.name &&
               std::ranges::find(each.mapping.source_columns, column) != each.mapping.source_columns.end();
      });
    };
    for (const auto& column : target.columns)
      if (!goes_back(column.name))
        columns.push_back(fmt::format("{}.{}", to_string(target.name), column.name));
  }
  return columns;
}

DataFacts Pipeline::facts() const {
  auto facts = facts_;
  if (auto copied = there_.copied_cohorts()) facts.copied = std::move(*copied);
  if (there_.plan()) facts.key_kinds = key_kinds(spec_, there_.plan()->source);
  return facts;
}

Result<std::uint64_t> Pipeline::retry_quarantined(std::optional<std::string> key) {
  if (there_.following() == nullptr && back_.following() == nullptr)
    return Err(ErrorCode::illegal_transition, "no row can be read again while the stream does not run: {}",
               what_to_do_first());
  std::optional<Error> refused;
  std::uint64_t retried = 0;
  for (auto* stream : {&there_, &back_}) {
    auto* session = stream->following();
    if (session == nullptr) continue;
    auto of_stream = session->retry_quarantined(key);
    if (of_stream) retried += *of_stream;
    bool says_more = !of_stream && (!refused || of_stream.error().code != ErrorCode::not_found);
    if (says_more) refused = of_stream.error();
  }
  if (retried > 0) return retried;
  return std::unexpected(*refused);
}

std::string Pipeline::what_to_do_first() const {
  if (!there_.halted().empty())
    return fmt::format("it is halted ({}); run `oxbow resume` first", there_.halted());
  if (!there_.is_wanted()) return "nothing is mirrored yet; run `oxbow advance ENTITY --to mirrored` first";
  auto why = there_.why_it_does_not_follow();
  return why.empty() ? "it is starting; ask again in a moment" : why;
}

Task<KeyExplanation> Pipeline::explain_key(std::string key) {
  if (there_.following() == nullptr)
    co_return Err(ErrorCode::illegal_transition,
                  "nothing is known of a key while the stream does not run: {}", what_to_do_first());
  auto plan = there_.plan();
  KeySearch search(*plan, key);
  CO_TRY(co_await search.look(there_.parts().ports));
  auto* session = there_.plan() == plan ? there_.following() : nullptr;
  if (session == nullptr)
    co_return Err(ErrorCode::illegal_transition, "the stream ended meanwhile: {}", what_to_do_first());
  co_return KeyExplanation{session->explain_key(search), search.concerns()};
}

}  // namespace oxbow
