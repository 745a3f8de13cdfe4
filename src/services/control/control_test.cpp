#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/json.hpp>
#include <set>
#include <sstream>

#include "core/lifecycle/chain.hpp"
#include "runtime/sleep.hpp"
#include "runtime/task_group.hpp"
#include "services/control/control_api.hpp"

namespace oxbow {
namespace {

using namespace std::chrono_literals;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

namespace json = boost::json;

// A store in memory that can be full.
class MemoryStore : public EventStore, public FindingStore {
 public:
  Status append(const std::vector<JournalRecord>& more) override {
    if (full) return Err(ErrorCode::store_full, "no room");
    records.insert(records.end(), more.begin(), more.end());
    return {};
  }
  Result<std::vector<JournalRecord>> read_after(std::uint64_t after, std::size_t limit) override {
    std::vector<JournalRecord> found;
    for (const auto& record : records)
      if (record.number > after && found.size() < limit) found.push_back(record);
    return found;
  }
  Result<std::vector<JournalRecord>> read_last(std::size_t limit) override {
    return read_after(records.size() > limit ? records.size() - limit : 0, limit);
  }
  Status record_all(const std::vector<Finding>& more, WallTime now) override {
    for (const auto& finding : more)
      findings.push_back({.finding = finding, .first_seen = now, .last_seen = now});
    return {};
  }
  Result<std::uint64_t> close(const FindingSelection& which, std::string_view ending, WallTime) override {
    std::uint64_t closed = 0;
    for (auto& stored : findings) {
      bool chosen = which.id ? stored.id == *which.id : stored.finding.kind == which.kind;
      if (!stored.open || !chosen) continue;
      stored.open = false;
      stored.ending = ending;
      ++closed;
    }
    return closed;
  }
  Result<std::vector<StoredFinding>> list_findings(const FindingQuery& query) override {
    std::vector<StoredFinding> found;
    for (const auto& stored : findings)
      if ((stored.open || query.with_closed) && (!query.kind || stored.finding.kind == *query.kind))
        found.push_back(stored);
    found.erase(found.begin(),
                found.begin() + static_cast<std::ptrdiff_t>(std::min(found.size(), query.skip)));
    if (found.size() > query.limit) found.resize(query.limit);
    return found;
  }
  Result<std::uint64_t> count_findings(const FindingQuery& query) override {
    return list_findings({.kind = query.kind, .with_closed = query.with_closed, .limit = 1'000'000})->size();
  }

  bool full = false;
  std::vector<JournalRecord> records;
  std::vector<StoredFinding> findings;
};

// A data plane that writes down what it was asked, and answers what the test tells it to.
class FakePlane : public DataPlane {
 public:
  Task<void> start_mirror(MirrorScope scope) override {
    calls.push_back("start " + text(scope) + (is_exchanging ? " amid an exchange" : ""));
    while (hold_start) CO_TRY(co_await sleep_for(1ms));
    co_return start_outcome;
  }
  void nothing_is_left() override { knows_that_nothing_is_left = true; }
  Task<HandoverReport> hand_over(HandoverOrder order, HandoverHost& host) override {
    calls.push_back(fmt::format("hand over {} {} to {} in epoch {}, {}", order.entity, order.cohort.value(),
                                name(order.to), order.epoch, static_cast<int>(order.begins)));
    return carry_out(host);
  }
  void note_homes(const std::string&, std::vector<GuardDuty>) override {}
  Task<void> keep_guards(std::string entity, std::vector<GuardDuty> duties) override {
    for (const auto& duty : duties)
      guarded.insert(fmt::format("{} {} {} {}", entity, duty.cohort.value(), name(duty.home), duty.epoch));
    co_return Status{};
  }
  Task<void> exchange_cohorts(Spec changed, std::function<Status()> exchange) override {
    calls.push_back(fmt::format("exchange {}", changed.entities[0].cohorts.size()));
    is_exchanging = true;
    while (hold_exchange) CO_TRY(co_await sleep_for(1ms));
    is_exchanging = false;
    if (!exchange_outcome) co_return exchange_outcome;
    co_return exchange();
  }
  void follow_home(MirrorScope scope) override { calls.push_back("follow home " + text(scope)); }
  void leave_alone(MirrorScope scope) override { calls.push_back("leave alone " + text(scope)); }
  Task<void> end_unneeded_streams() override {
    calls.push_back("end unneeded streams");
    co_return Status{};
  }
  Task<void> end_way_back(MirrorScope scope) override {
    calls.push_back("end way back " + text(scope));
    co_return Status{};
  }
  Task<void> stop_mirror(MirrorScope scope, Others others) override {
    calls.push_back("stop " + text(scope) + (others == Others::are_not ? ", the last" : ""));
    co_return Status{};
  }
  void pause(std::optional<std::string> entity) override {
    calls.push_back("pause " + entity.value_or("all"));
  }
  void resume(std::optional<std::string> entity) override {
    calls.push_back("resume " + entity.value_or("all"));
  }
  void halt(std::string why) override { calls.push_back("halt: " + why); }
  void set_rate(Rate rate) override {
    calls.push_back(fmt::format("rate {} {}", rate.rows_per_second_max, rate.workers));
  }
  Result<VerifyId> start_verify(std::optional<std::string>, std::uint64_t rows_per_second_max) override {
    verify_rate = rows_per_second_max;
    if (!verify_outcome) return std::unexpected(verify_outcome.error());
    return VerifyId(7);
  }
  Result<VerifyReport> verify_report(VerifyId id) const override {
    if (id != VerifyId(7)) return Err(ErrorCode::not_found, "no verification {}", id.value());
    return report;
  }
  Result<std::uint64_t> retry_quarantined(std::optional<std::string> key) override {
    calls.push_back("retry " + key.value_or("all"));
    if (key == "9") return Err(ErrorCode::not_found, "no row with key 9 waits in quarantine");
    return 3;
  }
  Task<ReadersSeen> look_for_readers(std::string, ReaderLook) override { co_return readers; }
  PlaneStatus status() const override { return plane_status; }
  StreamBackFacts stream_back() const override { return way_back; }
  Task<std::vector<LostRow>> preview_loss(MirrorScope scope) override {
    calls.push_back("preview " + text(scope));
    if (!preview_outcome) co_return std::unexpected(preview_outcome.error());
    co_return lost_rows;
  }
  std::vector<std::string> left_behind(const std::string&) const override { return {"shop.note.street"}; }
  DataFacts facts() const override { return data_facts; }
  Task<KeyExplanation> explain_key(std::string key) override {
    KeyExplanation explanation;
    if (key != "9") explanation.lines = {"key " + key + " is settled"};
    explanation.concerns = [=](const Finding& finding) { return finding.key == "payment_id=" + key; };
    co_return explanation;
  }

  static std::string text(const MirrorScope& scope) {
    std::string text = scope.entity;
    for (auto cohort : scope.cohorts) text += fmt::format(" {}", cohort.value());
    return text;
  }

  std::vector<std::string> calls;
  bool knows_that_nothing_is_left = false;
  bool hold_start = false;
  bool hold_exchange = false, is_exchanging = false;
  Status exchange_outcome;
  std::set<std::string> guarded;
  std::function<Task<HandoverReport>(HandoverHost&)> carry_out;
  Status start_outcome;
  Status verify_outcome;
  std::uint64_t verify_rate = 0;
  VerifyReport report;
  PlaneStatus plane_status;
  ReadersSeen readers;
  StreamBackFacts way_back;
  std::vector<LostRow> lost_rows;
  Status preview_outcome;
  DataFacts data_facts;
};

class Control : public testing::Test {
 protected:
  Control() {
    spec.migration = "payments";
    spec.hash = "hash-1";
    spec.entities.push_back({.name = "payment",
                             .key = "payment_id",
                             .cohorts = {{.name = "pilot", .keys = {"1"}}, {.name = "rest", .rest = true}}});
    spec.entities.push_back({.name = "customer", .key = "id", .cohorts = {{.name = "all", .rest = true}}});
    start();
  }
  ~Control() override { stop(); }

  void start() {
    auto opened = ControlService::open(
        context.get_executor(), {spec, store, store, plane, [this] { return now += std::chrono::seconds(1); },
                                 [this](const Lifecycle& lifecycle, const DataFacts& facts) {
                                   told.push_back({lifecycle.cohorts.at({"payment", "pilot"}).state, facts});
                                 }});
    ASSERT_TRUE(opened) << to_string(opened.error());
    service = std::move(*opened);
    api.emplace(*service);
    group.emplace(context.get_executor());
    group->spawn(service->run());
  }

  void stop() {
    if (!service) return;
    group->cancel();
    context.run();
    context.restart();
    group.reset();
    api.reset();
    service.reset();
  }

  // Runs the plane until `done` holds; a test that waits for what never comes fails here.
  template <class Predicate>
  void until(Predicate done) {
    auto give_up = std::chrono::steady_clock::now() + 10s;
    while (!done()) {
      ASSERT_LT(std::chrono::steady_clock::now(), give_up) << "did not happen";
      context.run_one_for(20ms);
    }
  }

  HttpResponse send(std::string method, std::string path, std::map<std::string, std::string> query = {},
                    std::string body = "") {
    std::optional<HttpResponse> response;
    auto keep = [&](std::exception_ptr, Result<HttpResponse> answer) { response = *std::move(answer); };
    HttpRequest request{std::move(method), std::move(path), std::move(query), std::move(body)};
    boost::asio::co_spawn(context, api->handle(std::move(request)), keep);
    until([&] { return response.has_value(); });
    return *response;
  }

  json::value post(std::string operation, std::string body) {
    auto response = send("POST", "/v1/" + operation, {}, std::move(body));
    return json::parse(response.body);
  }

  json::value get(std::string what, std::map<std::string, std::string> query = {}) {
    return json::parse(send("GET", "/v1/" + what, std::move(query)).body);
  }

  // The outcome of a take-over, once there is one.
  std::shared_ptr<std::optional<Status>> take_over(Spec changed) {
    auto outcome = std::make_shared<std::optional<Status>>();
    boost::asio::co_spawn(context, service->take_over(std::move(changed)),
                          [outcome](std::exception_ptr, Status taken) { *outcome = std::move(taken); });
    return outcome;
  }

  Status taken_over(Spec changed) {
    auto outcome = take_over(std::move(changed));
    until([&] { return outcome->has_value(); });
    return **outcome;
  }

  // Another cohort of payment, behind the pilot.
  Spec with_second() const {
    auto changed = spec;
    changed.hash = "hash-2";
    changed.entities[0].cohorts.insert(changed.entities[0].cohorts.begin() + 1,
                                       {.name = "second", .keys = {"2"}});
    return changed;
  }

  std::vector<std::string> exchanges() const {
    std::vector<std::string> found;
    for (const auto& call : plane.calls)
      if (call.starts_with("exchange")) found.push_back(call);
    return found;
  }

  // The status of one cohort, by its place in the spec.
  json::value cohort(std::size_t index) { return get("status").at("cohorts").at(index); }

  void mirror_pilot() {
    post("advance", R"({"entity":"payment","cohort":"pilot","to":"mirrored","who":"ann"})");
    until([&] { return service->lifecycle().cohorts.at({"payment", "pilot"}).state == State::mirrored; });
  }

  std::string error_of(const json::value& answer) {
    auto* error = answer.as_object().if_contains("error");
    return error ? std::string(error->at("detail").as_string()) : "";
  }

  boost::asio::io_context context{1};
  Spec spec;
  MemoryStore store;
  FakePlane plane;
  std::vector<std::pair<State, DataFacts>> told;  // to those who decide requests
  WallTime now{std::chrono::seconds(1'800'000'000)};
  std::unique_ptr<ControlService> service;
  std::optional<ControlApi> api;
  std::optional<TaskGroup> group;
};

TEST_F(Control, AnAdvanceIsJournaledBeforeTheDataPlaneIsAsked) {
  store.full = true;
  EXPECT_EQ(send("POST", "/v1/advance", {}, R"({"entity":"payment","to":"mirrored"})").status, 507);
  context.run_for(50ms);
  EXPECT_THAT(plane.calls, ElementsAre("rate 0 2")) << "what is not in the journal does not happen";
  store.full = false;
  mirror_pilot();
  EXPECT_THAT(plane.calls, ElementsAre("rate 0 2", "resume all", "start payment 0"));
}

TEST_F(Control, RequestsAreDecidedByAStateAtOnceAndByWhatThePlaneLearnsSoon) {
  DataFacts copied{.key_kinds = {{"payment", KeyKind::text}}, .copied = {{"payment", {CohortId(0)}}}};
  mirror_pilot();
  EXPECT_EQ(told.back(), std::pair(State::mirrored, DataFacts()));
  EXPECT_EQ(cohort(0).at("copied"), false);
  auto before = told.size();
  plane.data_facts = copied;
  until([&] { return told.size() > before; });
  EXPECT_EQ(told.back(), std::pair(State::mirrored, copied));
  EXPECT_EQ(cohort(0).at("copied"), true);
  EXPECT_EQ(cohort(1).at("copied"), false);
  EXPECT_EQ(get("status").at("entities").at(0).at("key_kind"), "text");
  EXPECT_EQ(get("status").at("entities").at(1).at("key_kind"), "unknown");
  context.run_for(1200ms);
  EXPECT_EQ(told.size(), before + 1) << "what is known is not told again";
}

TEST_F(Control, AllCohortsOfAnEntityAreStartedTogether) {
  post("advance", R"({"entity":"payment","to":"mirrored"})");
  until([&] { return plane.calls.size() > 1; });
  EXPECT_EQ(plane.calls.back(), "start payment 0 1");
}

TEST_F(Control, ThePlaneLearnsWhetherAnEarlierRunHasLeftSomething) {
  until([&] { return plane.knows_that_nothing_is_left; });
  stop();
  plane.hold_start = true;
  start();
  post("advance", R"({"entity":"payment","to":"mirrored"})");
  until([&] { return !plane.calls.empty() && plane.calls.back().starts_with("start payment"); });
  stop();
  plane.knows_that_nothing_is_left = false;
  plane.calls.clear();
  start();
  until([&] { return !plane.calls.empty(); });
  EXPECT_FALSE(plane.knows_that_nothing_is_left);
}

TEST_F(Control, ARestartTakesUpWhatWasMirroredAndWhatWasOnItsWay) {
  mirror_pilot();
  post("pause", R"({"entity":"payment"})");
  post("rate", R"({"rows_per_second_max":500})");
  plane.hold_start = true;
  post("advance", R"({"entity":"customer","to":"mirrored"})");
  until([&] { return plane.calls.back() == "start customer 0"; });
  stop();

  plane.calls.clear();
  plane.hold_start = false;
  start();
  until([&] { return service->lifecycle().cohorts.at({"customer", "all"}).state == State::mirrored; });
  until([&] { return plane.calls.size() >= 4; });
  EXPECT_THAT(plane.calls, testing::UnorderedElementsAre("rate 500 2", "pause payment", "start customer 0",
                                                         "start payment 0"));
}

TEST_F(Control, AFailureThatMayPassIsTriedAgainAndShownMeanwhile) {
  plane.start_outcome = Err(ErrorCode::unreachable, "legacy is away");
  post("advance", R"({"entity":"payment","cohort":"pilot","to":"mirrored"})");
  until([&] { return plane.calls.size() > 1; });
  until([&] { return service->problem({"payment", "pilot"}).has_value(); });
  auto shown = cohort(0);
  EXPECT_EQ(shown.at("state"), "legacy");
  EXPECT_EQ(shown.at("moving_to"), "mirrored");
  EXPECT_EQ(shown.at("problem").at("detail"), "legacy is away");
  plane.start_outcome = {};
  until([&] { return service->lifecycle().cohorts.at({"payment", "pilot"}).state == State::mirrored; });
  EXPECT_FALSE(service->problem({"payment", "pilot"}));
}

TEST_F(Control, AFailureThatWillNotPassEndsTheTransition) {
  plane.start_outcome = Err(ErrorCode::rows_unexpected, "ledger.payment is not empty");
  post("advance", R"({"entity":"payment","cohort":"pilot","to":"mirrored"})");
  until([&] { return !cohort(0).at("last_failure").is_null(); });
  auto shown = cohort(0);
  EXPECT_EQ(shown.at("state"), "legacy");
  EXPECT_TRUE(shown.at("moving_to").is_null());
  EXPECT_EQ(shown.at("last_failure").at("code"), "rows_unexpected");
  EXPECT_GT(shown.at("last_failure").at("age_seconds").as_double(), 0);
  auto attempts = plane.calls.size();
  context.run_for(250ms);
  EXPECT_EQ(plane.calls.size(), attempts) << "not tried again by itself";
}

TEST_F(Control, AnAdvanceThatFailedForGoodIsTakenBackBeforeItEnds) {
  mirror_pilot();
  plane.start_outcome = Err(ErrorCode::rows_unexpected, "ledger.customer is not empty");
  post("advance", R"({"entity":"customer","to":"mirrored"})");
  until([&] { return !service->lifecycle().cohorts.at({"customer", "all"}).moving_to; });
  EXPECT_EQ(plane.calls.back(), "stop customer 0") << "not the last: payment/pilot is mirrored";
  post("advance", R"({"entity":"payment","to":"mirrored"})");
  until([&] { return !service->lifecycle().cohorts.at({"payment", "rest"}).moving_to; });
  EXPECT_EQ(plane.calls.back(), "stop payment 1") << "what was mirrored before stays";
}

TEST_F(Control, ACohortThatIsMirroredIsNotTakenBackBecauseItCannotGoOn) {
  mirror_pilot();
  stop();
  plane.start_outcome = Err(ErrorCode::schema_drift, "a column is gone");
  plane.calls.clear();
  start();
  until([&] { return service->problem({"payment", "pilot"}).has_value(); });
  EXPECT_THAT(plane.calls, testing::Not(testing::Contains(testing::StartsWith("stop"))));
}

TEST_F(Control, ARollbackCallsBackWhatCannotStart) {
  plane.start_outcome = Err(ErrorCode::unreachable, "legacy is away");
  post("advance", R"({"entity":"payment","cohort":"pilot","to":"mirrored"})");
  until([&] { return service->problem({"payment", "pilot"}).has_value(); });
  post("rollback", R"({"entity":"payment","cohort":"pilot","to":"legacy"})");
  until([&] { return !service->lifecycle().cohorts.at({"payment", "pilot"}).moving_to; });
  EXPECT_EQ(plane.calls.back(), "stop payment 0, the last");
  EXPECT_EQ(cohort(0).at("state"), "legacy");
}

TEST_F(Control, ARollbackOrderedWhileTheStartFailsForGoodIsCarriedOut) {
  plane.hold_start = true;
  plane.start_outcome = Err(ErrorCode::spec_invalid, "no such column");
  post("advance", R"({"entity":"payment","cohort":"pilot","to":"mirrored"})");
  until([&] { return !plane.calls.empty() && plane.calls.back() == "start payment 0"; });
  post("rollback", R"({"entity":"payment","cohort":"pilot","to":"legacy"})");
  plane.hold_start = false;
  until([&] { return !service->lifecycle().cohorts.at({"payment", "pilot"}).moving_to; });
  EXPECT_EQ(plane.calls.back(), "stop payment 0, the last");
}

TEST_F(Control, ADryRunShowsTheActionsAndDoesNothing) {
  auto records = store.records.size();
  auto answer = post("advance", R"({"entity":"payment","cohort":"pilot","to":"mirrored","dry_run":true})");
  EXPECT_TRUE(answer.at("dry_run").as_bool());
  EXPECT_GT(answer.at("actions").as_array().size(), 3u);
  EXPECT_EQ(store.records.size(), records);
  EXPECT_TRUE(service->lifecycle().cohorts.at({"payment", "pilot"}).moving_to == std::nullopt);
}

TEST_F(Control, PauseHaltResumeAndRateReachTheDataPlane) {
  mirror_pilot();
  plane.calls.clear();
  post("pause", "{}");
  post("halt", R"({"why":"strange numbers"})");
  post("resume", "{}");
  post("rate", R"({"workers":5})");
  EXPECT_THAT(plane.calls, ElementsAre("pause payment", "halt: strange numbers", "resume all", "rate 0 5"));
}

TEST_F(Control, ANewOrderWakesADataPlaneThatHasGivenUpAndLeavesPausesAsTheyAre) {
  mirror_pilot();
  post("pause", R"({"entity":"payment"})");
  plane.calls.clear();
  post("advance", R"({"entity":"customer","to":"mirrored"})");
  until([&] { return plane.calls.size() >= 3; });
  EXPECT_THAT(plane.calls, ElementsAre("resume all", "pause payment", "start customer 0"));
}

TEST_F(Control, AVerificationLeavesItsProofInTheJournal) {
  mirror_pilot();
  auto answer = post("verify", R"({"entity":"payment","who":"ann","rows_per_second_max":5000})");
  EXPECT_EQ(plane.verify_rate, 5000u);
  EXPECT_EQ(answer.at("verify_id").to_number<int>(), 7);
  EXPECT_EQ(get("verify/7").at("state"), "running");
  plane.report = {.id = VerifyId(7),
                  .state = VerifyState::equal,
                  .rows_compared = 99,
                  .coverage_percent = 100,
                  .position = Lsn(0x1000),
                  .taken_at = now};
  until([&] { return service->lifecycle().cohorts.at({"payment", "pilot"}).proof.has_value(); });
  auto proof = cohort(0).at("proof");
  EXPECT_EQ(proof.at("result"), "equal");
  EXPECT_EQ(proof.at("coverage_percent"), 100.0);
  EXPECT_EQ(proof.at("position"), "0/1000");
  EXPECT_GT(proof.at("age_seconds").to_number<double>(), 0);
}

TEST_F(Control, AVerificationThatCannotBeginIsJournaledAndLeavesTheLastProof) {
  mirror_pilot();
  plane.verify_outcome = Err(ErrorCode::unreachable, "new is away");
  EXPECT_EQ(error_of(post("verify", "{}")), "new is away");
  EXPECT_TRUE(cohort(0).at("proof").is_null());
  auto last = get("events").at("events").as_array().back();
  EXPECT_THAT(std::string(last.at("text").as_string()), HasSubstr("ended: failed, 0 rows, 0 divergences"));

  plane.verify_outcome = {};
  plane.report = {.id = VerifyId(7), .state = VerifyState::equal, .rows_compared = 99, .taken_at = now};
  post("verify", "{}");
  until([&] { return service->lifecycle().cohorts.at({"payment", "pilot"}).proof.has_value(); });
  plane.verify_outcome = Err(ErrorCode::unreachable, "new is away");
  EXPECT_EQ(error_of(post("verify", "{}")), "new is away");
  EXPECT_EQ(cohort(0).at("proof").at("result"), "equal");
}

TEST_F(Control, ADivergenceIsAProofAgainstItsEntityAlone) {
  post("advance", R"({"entity":"payment","to":"mirrored"})");
  post("advance", R"({"entity":"customer","to":"mirrored"})");
  until([&] { return service->lifecycle().cohorts.at({"customer", "all"}).state == State::mirrored; });
  until([&] { return service->lifecycle().cohorts.at({"payment", "rest"}).state == State::mirrored; });
  plane.report = {.id = VerifyId(7),
                  .state = VerifyState::differs,
                  .rows_compared = 99,
                  .taken_at = now,
                  .divergence_count = 1,
                  .entities = {{"payment", {90, 0}}, {"customer", {9, 1}}}};
  post("verify", "{}");
  until([&] { return service->lifecycle().cohorts.at({"payment", "pilot"}).proof.has_value(); });
  auto proof_of = [&](const Scope& scope) { return *service->lifecycle().cohorts.at(scope).proof; };
  EXPECT_EQ(proof_of({"payment", "pilot"}).result, VerifyState::equal);
  EXPECT_EQ(proof_of({"payment", "pilot"}).rows_compared, 90u);
  EXPECT_EQ(proof_of({"customer", "all"}).result, VerifyState::differs);
  EXPECT_EQ(proof_of({"customer", "all"}).divergences, 1u);
  std::string told;
  for (const auto& event : get("events").at("events").as_array()) told += event.at("text").as_string();
  EXPECT_THAT(told, HasSubstr("verification of customer ended: differs, 9 rows, 1 divergence,"));
}

TEST_F(Control, RefusalsCarryCodeSentenceAndWhatToDo) {
  auto response = send("POST", "/v1/verify", {}, R"({"entity":"payment"})");
  EXPECT_EQ(response.status, 409);
  auto error = json::parse(response.body).at("error");
  EXPECT_EQ(error.at("code"), "illegal_transition");
  EXPECT_EQ(error.at("sentence"), "This is not allowed in the present state");
  EXPECT_THAT(std::string(error.at("detail").as_string()), HasSubstr("run `oxbow advance payment"));
}

TEST_F(Control, MistakesInARequestAreNamed) {
  EXPECT_EQ(error_of(post("advance", R"({"entity":"payment","to":"mirorred"})")),
            "`mirorred` is no state; did you mean `mirrored`?");
  EXPECT_EQ(error_of(post("advance", R"({"to":"mirrored"})")), "field `entity` is missing");
  EXPECT_EQ(error_of(post("pause", R"({"entitty":"payment"})")), "field `entitty` is not known here");
  EXPECT_EQ(error_of(post("rate", R"({"workers":"two"})")),
            "field `workers` must be a whole number, 0 or more");
  EXPECT_THAT(error_of(post("halt", "{")), HasSubstr("no JSON"));
  EXPECT_THAT(error_of(post("explode", "{}")), HasSubstr("no POST /v1/explode"));
  EXPECT_EQ(error_of(get("findings", {{"limit", "many"}})), "`many` of limit is no number");
  EXPECT_EQ(send("GET", "/elsewhere").status, 404);
  EXPECT_EQ(send("DELETE", "/v1/status").status, 400);
  EXPECT_EQ(send("GET", "/v1/verify/8").status, 404);
}

TEST_F(Control, WhyGathersWhatIsKnownOfAKey) {
  store.findings.push_back({.finding = {FindingKind::divergence, "payment", "public.payments",
                                        "payment_id=4711", "differs", "", ""},
                            .first_seen = now,
                            .last_seen = now});
  store.findings.push_back({.finding = {FindingKind::divergence, "payment", "public.payments",
                                        "payment_id=711", "differs", "", ""},
                            .first_seen = now,
                            .last_seen = now});
  auto answer = get("why", {{"key", "4711"}});
  EXPECT_EQ(answer.at("lines").at(0), "key 4711 is settled");
  ASSERT_EQ(answer.at("findings").as_array().size(), 1u);
  EXPECT_EQ(answer.at("findings").at(0).at("key"), "payment_id=4711");
}

TEST_F(Control, WhyOfAKeyThatNobodyHasSeenSaysSo) {
  auto answer = send("GET", "/v1/why", {{"key", "9"}});
  EXPECT_EQ(answer.status, 404);
  EXPECT_THAT(answer.body, HasSubstr("no side holds a row with key 9"));
}

TEST_F(Control, FindingsAreListedAPageAtATimeWithTheirTotal) {
  for (std::uint64_t id = 1; id <= 5; ++id)
    store.findings.push_back({.finding = {.kind = FindingKind::rogue_write}, .id = id});
  auto answer = get("findings", {{"limit", "2"}, {"skip", "1"}, {"kind", "rogue-write"}});
  EXPECT_EQ(answer.at("total").to_number<int>(), 5);
  ASSERT_EQ(answer.at("findings").as_array().size(), 2u);
  EXPECT_EQ(answer.at("findings").at(0).at("id").to_number<int>(), 2);
  EXPECT_EQ(get("findings", {{"kind", "divergence"}}).at("total").to_number<int>(), 0);
}

TEST_F(Control, APersonClosesAFindingWithAReasonThatIsKept) {
  store.findings.push_back({.finding = {.kind = FindingKind::rogue_write}, .id = 1});
  store.findings.push_back({.finding = {.kind = FindingKind::rogue_write}, .id = 2});
  EXPECT_THAT(error_of(post("close-findings", R"({"which":"1"})")), HasSubstr("--why"));
  auto answer = post("close-findings", R"({"which":"1","who":"ann","why":"the cron job is off"})");
  EXPECT_EQ(answer.at("closed").to_number<int>(), 1);
  EXPECT_EQ(store.findings[0].ending, "closed by ann: the cron job is off");
  EXPECT_TRUE(store.findings[1].open);
  auto events = get("events").at("events").as_array();
  EXPECT_EQ(events.back().at("kind"), "findings-closed");
  EXPECT_EQ(events.back().at("who"), "ann");
  EXPECT_EQ(post("close-findings", R"({"which":"rogue-write","why":"all of them"})").at("closed"), 1);
}

TEST_F(Control, WhatCannotBeClosedByHandIsSaid) {
  store.findings.push_back({.finding = {.kind = FindingKind::quarantined_row}, .id = 1});
  auto close = [&](std::string which) {
    return error_of(post("close-findings", R"({"why":"x","which":")" + which + "\"}"));
  };
  EXPECT_THAT(close("1"), HasSubstr("oxbow quarantine"));
  EXPECT_THAT(close("quarantined-row"), HasSubstr("oxbow quarantine"));
  EXPECT_THAT(close("7"), HasSubstr("no open finding is `7`"));
  for (const auto& event : get("events").at("events").as_array())
    EXPECT_NE(event.at("kind"), "findings-closed") << event.at("text");
  EXPECT_THAT(close("rogue-wriet"), HasSubstr("did you mean `rogue-write`?"));
  EXPECT_TRUE(store.findings[0].open);
}

TEST_F(Control, ARetryIsJournaledWhereItIsPossible) {
  mirror_pilot();
  auto answer = post("retry", R"({"key":"4711","who":"ann","why":"the constraint is gone"})");
  EXPECT_EQ(answer.at("retried").to_number<int>(), 3);
  EXPECT_THAT(plane.calls, Contains("retry 4711"));
  EXPECT_EQ(get("events").at("events").as_array().back().at("kind"), "quarantine-retried");
  post("retry", "{}");
  EXPECT_THAT(plane.calls, Contains("retry all"));
  EXPECT_THAT(error_of(post("retry", R"({"key":"9"})")), HasSubstr("no row with key 9"));
  auto last = get("events").at("events").as_array().back();
  EXPECT_EQ(last.at("text"), "everything in quarantine is to be read again")
      << "what was refused is not there";
  post("halt", "{}");
  EXPECT_THAT(error_of(post("retry", "{}")), HasSubstr("halted"));
}

TEST_F(Control, EventsTellWhoAndWhyInOrder) {
  mirror_pilot();
  auto events = get("events", {{"after", "1"}}).at("events");
  ASSERT_EQ(events.as_array().size(), 2u);
  EXPECT_EQ(events.at(0).at("kind"), "transition-began");
  EXPECT_EQ(events.at(0).at("who"), "ann");
  EXPECT_EQ(events.at(1).at("who"), "oxbow");
  EXPECT_EQ(get("events", {{"limit", "1"}}).at("events").at(0).at("number").to_number<int>(), 3);
}

TEST_F(Control, MetricsAreValidAndNamedForTheirUnits) {
  mirror_pilot();
  plane.plane_status.tables.push_back(
      {.entity = "payment", .legacy = {"public", "pay\"ments"}, .rows_copied = 12});
  plane.plane_status.stream.lag = 1500ms;
  auto text = send("GET", "/v1/metrics").body;
  EXPECT_THAT(text,
              HasSubstr("oxbow_cohort_state{entity=\"payment\",cohort=\"pilot\",state=\"mirrored\"} 1\n"));
  EXPECT_THAT(text,
              HasSubstr("oxbow_rows_copied{entity=\"payment\",table=\"public.pay\\\"ments\",new_table="));
  EXPECT_THAT(text, HasSubstr("# TYPE oxbow_stream_lag_seconds gauge\noxbow_stream_lag_seconds 1.5\n"));
}

// Prometheus rejects a page that has one series twice.
TEST_F(Control, MetricsOfALegacyTableWithTwoNewTablesAreTwoSeries) {
  for (std::string name : {"person", "home"}) {
    plane.plane_status.tables.push_back(
        {.entity = "customer", .legacy = {"shop", "customers"}, .new_side = {"crm", name}});
  }
  std::set<std::string> series;
  std::istringstream text(send("GET", "/v1/metrics").body);
  for (std::string line; std::getline(text, line);) {
    if (line.starts_with("#")) continue;
    EXPECT_TRUE(series.insert(line.substr(0, line.rfind(' '))).second) << line;
  }
  EXPECT_TRUE(series.contains(
      "oxbow_ranges{entity=\"customer\",table=\"shop.customers\",new_table=\"crm.home\",phase=\"copied\"}"));
}

TEST_F(Control, WhatIsNotKnownOfAStreamIsNotANumber) {
  plane.plane_status.stream.phase = StreamPhase::stopped;
  auto text = send("GET", "/v1/metrics").body;
  EXPECT_THAT(text, Not(HasSubstr("\noxbow_stream_lag_seconds ")));
  EXPECT_THAT(text, Not(HasSubstr("\noxbow_stream_lag_bytes ")));
  auto stream = get("status").at("stream");
  EXPECT_TRUE(stream.at("lag_seconds").is_null());
  EXPECT_TRUE(stream.at("lag_bytes").is_null());
  EXPECT_TRUE(stream.at("applied_position").is_null());
}

TEST_F(Control, FindingsCountWhatAPlaneAtRestDoesNotKnow) {
  ASSERT_TRUE(store.record({.kind = FindingKind::quarantined_row, .key = "id=1"}, now));
  ASSERT_TRUE(store.record({.kind = FindingKind::rogue_write, .key = "write 1"}, now));
  ASSERT_TRUE(store.record({.kind = FindingKind::rogue_write, .key = "write 2"}, now));
  EXPECT_EQ(get("status").at("stream").at("quarantined_rows"), 1);
  EXPECT_THAT(send("GET", "/v1/metrics").body, HasSubstr("\noxbow_rogue_writes 2\n"));
}

// It ends before anything is read, so it has no moment of its own.
TEST_F(Control, AProofThatComparedNothingIsAsOldAsItsEnd) {
  mirror_pilot();
  plane.report.state = VerifyState::incomplete;
  post("verify", R"({"entity":"payment"})");
  until([&] { return !cohort(0).at("proof").is_null(); });
  EXPECT_LT(cohort(0).at("proof").at("age_seconds").to_number<double>(), 3600);
}

TEST_F(Control, ASpecThatForgetsWhatIsMirroredIsRefused) {
  mirror_pilot();
  stop();
  spec.hash = "hash-2";
  spec.entities.erase(spec.entities.begin());
  auto opened =
      ControlService::open(context.get_executor(), {spec, store, store, plane, [this] { return now; }});
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::illegal_transition);
}

TEST_F(Control, ATamperedJournalIsRefused) {
  mirror_pilot();
  stop();
  auto& body = store.records[1].body;
  body.replace(body.find("ann"), 3, "bob");
  auto opened =
      ControlService::open(context.get_executor(), {spec, store, store, plane, [this] { return now; }});
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::store_corrupt);
  EXPECT_THAT(opened.error().detail, HasSubstr("record 2"));
}

// Handovers of payment/pilot, which is mirrored and proven equal.
class HandoverControl : public Control {
 protected:
  HandoverControl() {
    plane.carry_out = [this](HandoverHost& host) -> Task<HandoverReport> {
      HandoverReport report;
      CO_TRY(co_await host.hold());
      held_before_flip = holds(kPilotScope);
      if (auto flipped = host.flip(); !flipped) report.given_up = flipped.error();
      held_behind_flip = holds(kPilotScope);
      if (dies) co_return Err(ErrorCode::cancelled);
      host.release();
      co_return report;
    };
    mirror_pilot();
    plane.report.state = VerifyState::equal;
    post("verify", R"({"entity":"payment","who":"ann"})");
    until([&] { return life().proof.has_value(); });
    plane.calls.clear();
  }

  const CohortLife& life() { return service->lifecycle().cohorts.at(kPilotScope); }
  bool holds(const Scope& scope) { return told.back().second.holds(scope.entity, CohortId(0)); }
  void advance() { post("advance", R"({"entity":"payment","cohort":"pilot","to":"new-write","who":"ann"})"); }

  const Scope kPilotScope{"payment", "pilot"};
  std::optional<AcceptedLoss> loss_behind_flip;
  bool dies = false, held_before_flip = false, held_behind_flip = false;
};

TEST_F(HandoverControl, WritesWaitUntilTheAuthorityHasMovedAndEverythingHasFollowed) {
  advance();
  until([&] { return life().state == State::new_write && !life().moving_to; });
  EXPECT_THAT(plane.calls, ElementsAre("resume all", "hand over payment 0 to new in epoch 1, 0"));
  EXPECT_TRUE(held_before_flip && held_behind_flip);
  EXPECT_FALSE(holds(kPilotScope));
  EXPECT_EQ(told.back().first, State::new_write);
  EXPECT_EQ(life().epoch, 2u);
}

TEST_F(HandoverControl, WhatAHandoverTookIsKeptAndForetellsTheNextAlsoAfterARestart) {
  EXPECT_TRUE(get("handovers").at("forecast").is_null());
  plane.carry_out = [](HandoverHost& host) -> Task<HandoverReport> {
    HandoverReport report;
    if (auto flipped = host.flip(); !flipped) report.given_up = flipped.error();
    report.pause = std::chrono::microseconds(3450);
    report.steps = {{HandoverAction::fence, std::chrono::microseconds(1200)},
                    {HandoverAction::flip, std::chrono::microseconds(500)}};
    co_return report;
  };
  advance();
  until([&] { return life().state == State::new_write && !life().moving_to; });
  stop();
  start();
  auto shown = get("handovers", {{"entity", "payment"}});
  auto handover = shown.at("handovers").as_array().front();
  EXPECT_EQ(handover.at("cohort"), "pilot");
  EXPECT_EQ(handover.at("to"), "new-write");
  EXPECT_EQ(handover.at("pause_ms"), 3.45);
  EXPECT_EQ(shown.at("forecast").at("measured"), 1);
  EXPECT_EQ(shown.at("forecast").at("pause_ms_p99"), 3.45);
  EXPECT_EQ(json::serialize(shown.at("forecast").at("median_steps")),
            R"([{"step":"fence","ms":1.2E0},{"step":"flip","ms":5E-1}])");
  EXPECT_TRUE(get("handovers", {{"entity", "customer"}}).at("forecast").is_null());
}

TEST_F(HandoverControl, AFlipThatTheJournalDoesNotTakeHasNotHappened) {
  plane.carry_out = [this](HandoverHost& host) -> Task<HandoverReport> {
    HandoverReport report;
    CO_TRY(co_await host.hold());
    store.full = true;
    report.given_up = host.flip().error();
    store.full = false;
    host.release();
    co_return report;
  };
  advance();
  until([&] { return life().last_failure.has_value(); });
  EXPECT_EQ(life().state, State::mirrored);
  EXPECT_EQ(life().epoch, 1u);
  EXPECT_FALSE(holds(kPilotScope));
}

TEST_F(HandoverControl, OneThatWasInterruptedBehindTheFlipGoesForwardAndHoldsWritesMeanwhile) {
  dies = true;
  advance();
  until([&] { return life().settling; });
  stop();
  told.clear();
  dies = false;
  plane.calls.clear();
  plane.carry_out = [](HandoverHost& host) -> Task<HandoverReport> {
    host.release();
    co_return HandoverReport{};
  };
  start();
  EXPECT_TRUE(service->facts().holds("payment", CohortId(0)));
  until([&] { return !life().moving_to; });
  EXPECT_THAT(plane.calls, ElementsAre(StartsWith("rate"), "hand over payment 0 to new in epoch 1, 2"));
  EXPECT_EQ(life().state, State::new_write);
}

TEST_F(HandoverControl, OneThatWasInterruptedBeforeTheFlipLeadsBack) {
  plane.carry_out = [](HandoverHost&) -> Task<HandoverReport> { co_return Err(ErrorCode::cancelled); };
  advance();
  until([&] { return std::ranges::count(plane.calls, "hand over payment 0 to new in epoch 1, 0") > 0; });
  stop();
  plane.calls.clear();
  plane.carry_out = [](HandoverHost& host) -> Task<HandoverReport> {
    host.release();
    co_return HandoverReport{.given_up = Error{ErrorCode::cancelled, "nothing has moved"}};
  };
  start();
  until([&] { return !life().moving_to; });
  EXPECT_EQ(life().state, State::mirrored);
  until([&] { return std::ranges::count(plane.calls, "start payment 0") > 0; });
  EXPECT_THAT(plane.calls,
              ElementsAre(StartsWith("rate"), "hand over payment 0 to new in epoch 1, 1", "start payment 0"))
      << "first of all, because a stream needs both sides";
}

TEST_F(HandoverControl, OneThatWasInterruptedBeforeTheFlipLeadsBackAlsoInAHalt) {
  plane.carry_out = [](HandoverHost&) -> Task<HandoverReport> { co_return Err(ErrorCode::cancelled); };
  advance();
  until([&] { return std::ranges::count(plane.calls, "hand over payment 0 to new in epoch 1, 0") > 0; });
  post("halt", R"({"why":"it is strange"})");
  stop();
  plane.carry_out = [](HandoverHost& host) -> Task<HandoverReport> {
    host.release();
    co_return HandoverReport{.given_up = Error{ErrorCode::cancelled, "nothing has moved"}};
  };
  start();
  until([&] { return !life().moving_to; });
  EXPECT_EQ(life().state, State::mirrored);
}

TEST_F(HandoverControl, WhoIsAtHomeOnTheNewSideIsFollowedFromThereAfterARestart) {
  advance();
  until([&] { return life().state == State::new_write && !life().moving_to; });
  stop();
  plane.calls.clear();
  start();
  until([&] { return std::ranges::count(plane.calls, "follow home payment 0") > 0; });
  EXPECT_THAT(plane.calls, Not(Contains(StartsWith("start"))));
}

TEST_F(HandoverControl, WhoIsAtHomeOnTheNewSideIsKnownBeforeACopyOfOthersGoesOn) {
  advance();
  until([&] { return life().state == State::new_write && !life().moving_to; });
  plane.hold_start = true;
  post("advance", R"({"entity":"payment","cohort":"rest","to":"mirrored"})");
  until([&] { return std::ranges::count(plane.calls, "start payment 1") > 0; });
  stop();
  plane.calls.clear();
  plane.hold_start = false;
  start();
  until([&] { return std::ranges::count(plane.calls, "start payment 1") > 0; });
  auto at = [&](const char* call) { return std::ranges::find(plane.calls, call) - plane.calls.begin(); };
  EXPECT_LT(at("follow home payment 0"), at("start payment 1"))
      << "else the copy takes its rows for nobody's";
}

TEST_F(HandoverControl, ReadsMoveOnlyBehindARehearsalWhereTheSpecWantsOne) {
  spec.rollback_rehearsed_within = std::chrono::hours(24);
  advance();
  until([&] { return life().state == State::new_write && !life().moving_to; });
  auto refused = send("POST", "/v1/advance", {}, R"({"entity":"payment","cohort":"pilot","to":"new-read"})");
  EXPECT_THAT(refused.body, HasSubstr("no rollback of payment was ever rehearsed"));
}

TEST_F(HandoverControl, RowsOfWhoWasCutOverAreLeftAloneAfterARestartAndNobodysStreamsEnd) {
  advance();
  until([&] { return life().state == State::new_write && !life().moving_to; });
  for (auto to : {State::new_read, State::fully_cutover}) {
    post("advance", fmt::format(R"({{"entity":"payment","cohort":"pilot","to":"{}"}})", name(to)));
    until([&] { return life().state == to && !life().moving_to; });
  }
  until([&] { return std::ranges::count(plane.calls, "end unneeded streams") > 0; });
  stop();
  plane.calls.clear();
  start();
  until([&] { return std::ranges::count(plane.calls, "end unneeded streams") > 0; });
  EXPECT_THAT(plane.calls, Contains("leave alone payment 0"));
}

// payment/pilot is at home on the new side, and the stream back has been read.
class EnvelopeControl : public HandoverControl {
 protected:
  EnvelopeControl() {
    wait({});
    advance();
    until([&] { return life().state == State::new_write && !life().moving_to; });
    plane.calls.clear();
  }

  void wait(RowsAtStake rows) {
    plane.way_back.waiting = std::make_shared<const RowsAtStake>(std::move(rows));
  }
  RowAtStake row(std::string key, CohortId cohort = CohortId(0)) {
    return {"payment", cohort, "ledger.payment", std::move(key), "no legacy value stands for refunded"};
  }
  json::value roll_back(std::string more = "") {
    return post("rollback",
                R"({"entity":"payment","cohort":"pilot","to":"mirrored","who":"ann")" + more + "}");
  }
  void verify() {
    auto proven_at = life().compared_since;
    post("verify", R"({"entity":"payment","who":"ann"})");
    until([&] { return life().compared_since != proven_at; });
  }
  std::vector<std::string> kinds() {
    std::vector<std::string> kinds;
    auto entries = service->journal().last(1000);
    if (entries)
      for (const auto& entry : *entries) kinds.emplace_back(kind(entry.event));
    return kinds;
  }
};

TEST_F(EnvelopeControl, TheFirstRowThatLegacyCannotHaveIsAnEventAndItsEndNeedsAComparison) {
  EXPECT_EQ(cohort(0).at("envelope"), "full");
  wait({row("id=7")});
  until([&] { return life().narrowed.has_value(); });
  EXPECT_EQ(life().narrowed->key, "id=7");
  auto shown = cohort(0);
  EXPECT_EQ(shown.at("envelope"), "partial");
  EXPECT_EQ(shown.at("way_back").at("rows_count"), 1);
  EXPECT_EQ(shown.at("way_back").at("rows").at(0).at("key"), "id=7");
  EXPECT_EQ(cohort(1).at("envelope"), "full");

  verify();
  wait({});
  context.run_for(300ms);
  EXPECT_EQ(cohort(0).at("envelope"), "partial") << "that comparison began while the row still waited";
  wait({row("id=8")});
  context.run_for(300ms);
  wait({});
  verify();  // at once
  until([&] { return !life().narrowed; });
  EXPECT_EQ(cohort(0).at("envelope"), "full");
  auto all = kinds();
  EXPECT_EQ(std::ranges::count(all, "envelope-narrowed"), 1);
  EXPECT_EQ(std::ranges::count(all, "envelope-widened"), 1);
}

TEST_F(EnvelopeControl, ARollbackThatLosesRowsNeedsTheirNumberAndOrdersNoMore) {
  wait({row("id=7"), row("id=8"), row("id=9", CohortId(1))});
  EXPECT_THAT(error_of(roll_back()), HasSubstr("--accept-loss 2"));
  EXPECT_THAT(error_of(roll_back(R"(,"accept_loss":3)")), HasSubstr("2 rows"));
  EXPECT_THAT(error_of(roll_back(R"(,"dry_run":true)")), HasSubstr("2 rows")) << "a dry run says it, too";
  EXPECT_THAT(plane.calls, Not(Contains(StartsWith("hand over"))));
  plane.carry_out = [this](HandoverHost& host) -> Task<HandoverReport> {
    if (auto flipped = host.flip(); !flipped) co_return std::unexpected(flipped.error());
    loss_behind_flip = life().accepted_loss;
    co_return HandoverReport{};
  };
  EXPECT_THAT(error_of(roll_back(R"(,"accept_loss":2)")), HasSubstr("nobody has said which"));
  EXPECT_THAT(error_of(roll_back(R"(,"accept_loss":2,"seen":"0badf00d")")), HasSubstr("others than those"));
  auto seen = seen_of({row("id=7"), row("id=8")});
  EXPECT_EQ(error_of(roll_back(fmt::format(R"(,"accept_loss":2,"seen":"{}")", seen))), "");
  until([&] { return life().state == State::mirrored && !life().moving_to; });
  EXPECT_EQ(loss_behind_flip->rows, 2u);
  EXPECT_FALSE(life().accepted_loss);
  EXPECT_THAT(kinds(), Contains("loss-accepted"));
}

TEST_F(EnvelopeControl, NobodyGoesBackBlindly) {
  plane.way_back.silent_for = 7s;
  EXPECT_THAT(error_of(roll_back()), HasSubstr("has not moved for 7.0 s"));
  EXPECT_THAT(error_of(roll_back(R"(,"accept_loss":0)")), HasSubstr("has not moved"));
  EXPECT_EQ(cohort(0).at("envelope"), "unknown");
  EXPECT_TRUE(cohort(0).at("way_back").at("rows_count").is_null());
  plane.way_back.silent_for = {};
  plane.way_back.waiting.reset();
  plane.way_back.silent_for = 31s;
  EXPECT_THAT(error_of(roll_back()), HasSubstr("has not moved")) << "a stream that never began";
  plane.way_back.silent_for = 7s;
  EXPECT_EQ(error_of(roll_back()), "") << "what a stream that has just begun brings up, the handover meets";
}

TEST_F(EnvelopeControl, BehindTheDeadlineNobodyGoesBackOrThereAndReadsMoveOn) {
  spec.rollback_deadline = std::chrono::year(2026) / 12 / 31;  // it is 2027
  EXPECT_EQ(cohort(0).at("envelope"), "forward-only");
  EXPECT_THAT(error_of(roll_back()), HasSubstr("2026-12-31 (`rollback.deadline`), is over"));
  plane.way_back.waiting.reset();
  plane.way_back.silent_for = 7s;
  EXPECT_THAT(error_of(roll_back()), HasSubstr("is over")) << "also while oxbow has just started";
  EXPECT_THAT(plane.calls, Not(Contains(StartsWith("hand over"))));
  post("advance", R"({"entity":"payment","cohort":"rest","to":"mirrored","who":"ann"})");
  until([&] { return service->lifecycle().cohorts.at({"payment", "rest"}).state == State::mirrored; });
  verify();
  EXPECT_THAT(
      error_of(post("advance", R"({"entity":"payment","cohort":"rest","to":"new-write","who":"ann"})")),
      HasSubstr("payment/rest would have no way back on the new side"));
  EXPECT_EQ(error_of(post("advance", R"({"entity":"payment","cohort":"pilot","to":"new-read","who":"ann"})")),
            "");
  until([&] { return life().state == State::new_read && !life().moving_to; });
}

TEST_F(EnvelopeControl, AnOrderAboutShadowsThatSaysNeitherOffNorOnIsRefused) {
  auto order = [&](const char* fields) {
    return error_of(post("shadow", fmt::format(R"({{"entity":"payment","who":"ann"{}}})", fields)));
  };
  EXPECT_THAT(order(""), HasSubstr("`off` or `on`"));
  EXPECT_THAT(order(R"(,"off":true,"on":true)"), HasSubstr("`off` or `on`"));
  EXPECT_FALSE(service->lifecycle().shadows_kept_away.contains("payment"));
  EXPECT_EQ(order(R"(,"off":true)"), "");
  EXPECT_TRUE(service->lifecycle().shadows_kept_away.contains("payment"));
  EXPECT_EQ(order(R"(,"on":true)"), "");
  EXPECT_FALSE(service->lifecycle().shadows_kept_away.contains("payment"));
}

TEST_F(EnvelopeControl, WhoGoesForwardOnlyNeedsNoWayBack) {
  plane.way_back.silent_for = 7s;
  EXPECT_EQ(send("GET", "/v1/ready").status, 503);
  EXPECT_EQ(error_of(post("forward-fix",
                          R"({"entity":"payment","cohort":"pilot","who":"ann","why":"legacy has no room"})")),
            "");
  EXPECT_EQ(cohort(0).at("envelope"), "forward-only");
  EXPECT_EQ(send("GET", "/v1/ready").status, 200);
  plane.way_back.silent_for = {};
  EXPECT_THAT(error_of(roll_back()), HasSubstr("goes forward only, decided by ann"));
  EXPECT_EQ(error_of(post("forward-fix", R"({"entity":"payment","withdraw":true,"who":"ann"})")), "");
  EXPECT_EQ(cohort(0).at("envelope"), "full");
}

TEST_F(EnvelopeControl, ReadinessIsRedWhileAWayBackThatSomebodyNeedsDoesNotMove) {
  EXPECT_EQ(send("GET", "/v1/ready").status, 200);
  plane.way_back.silent_for = 7s;
  EXPECT_EQ(send("GET", "/v1/ready").status, 503);
  EXPECT_THAT(json::serialize(get("ready")), HasSubstr("has not moved for 7.0 s"));
  EXPECT_THAT(send("GET", "/v1/metrics").body, HasSubstr("oxbow_ready 0"));
  EXPECT_THAT(send("GET", "/v1/metrics").body,
              HasSubstr(R"(oxbow_envelope{entity="payment",cohort="pilot",extent="unknown"} 1)"));
  EXPECT_THAT(send("GET", "/v1/metrics").body,
              Not(HasSubstr(R"(oxbow_envelope_rows{entity="payment",cohort="pilot"})")));
  plane.way_back.silent_for = {};
  EXPECT_EQ(error_of(roll_back()), "");
  until([&] { return life().state == State::mirrored && !life().moving_to; });
  plane.way_back.silent_for = 7s;
  EXPECT_EQ(send("GET", "/v1/ready").status, 200) << "nobody needs it any more";
}

TEST_F(EnvelopeControl, APreviewShowsRowsAndFieldsAndWhatARollbackWouldSay) {
  wait({row("id=7")});
  plane.lost_rows = {{.row = row("id=7"),
                      .legacy_table = "public.payments",
                      .on_new = true,
                      .on_legacy = true,
                      .fields = {{"status", "refunded", std::nullopt}}}};
  auto shown = get("rollback-preview", {{"entity", "payment"}, {"cohort", "pilot"}});
  EXPECT_THAT(plane.calls, Contains("preview payment 0"));
  EXPECT_EQ(shown.at("rows_lost"), 1);
  EXPECT_EQ(shown.at("rows").at(0).at("cohort"), "pilot");
  EXPECT_EQ(json::serialize(shown.at("rows").at(0).at("fields")),
            R"([{"column":"status","new":"refunded","legacy":null}])");
  EXPECT_THAT(std::string(shown.at("refusal").as_string()), HasSubstr("--accept-loss 1"));
  EXPECT_EQ(std::string(shown.at("seen").as_string()), seen_of({row("id=7")}));
  EXPECT_EQ(send("GET", "/v1/rollback-preview", {{"entity", "paiment"}}).status, 404);
}

TEST_F(EnvelopeControl, APreviewThatCannotTellSaysWhatIsKnownAndIsNoZero) {
  wait({row("id=7")});
  plane.preview_outcome = Err(ErrorCode::connection_lost, "the stream to the legacy side does not run");
  plane.way_back.is_stopped = true;
  plane.way_back.why_not = "a look at the disk";
  auto response = send("GET", "/v1/rollback-preview", {{"entity", "payment"}, {"cohort", "pilot"}});
  EXPECT_EQ(response.status, 200);
  auto shown = json::parse(response.body);
  EXPECT_TRUE(shown.at("rows_lost").is_null());
  EXPECT_EQ(shown.at("cohorts").at(0).at("envelope").at("extent"), "unknown");
  auto unknown = std::string(shown.at("unknown").as_string());
  for (const auto* words : {"payment/pilot", "a look at the disk", "1 row of payment", "`oxbow resume`"})
    EXPECT_THAT(unknown, HasSubstr(words));
}

TEST_F(EnvelopeControl, APreviewOfWhoCannotComeBackAsksNobodyForRows) {
  plane.way_back.is_lost = plane.way_back.is_stopped = true;
  auto shown = get("rollback-preview", {{"entity", "payment"}, {"cohort", "pilot"}});
  EXPECT_THAT(plane.calls, Not(Contains("preview payment 0")));
  EXPECT_TRUE(shown.at("rows_lost").is_null());
  EXPECT_TRUE(shown.at("unknown").is_null());
  EXPECT_THAT(std::string(shown.at("refusal").as_string()), HasSubstr("forward only"));
}

TEST_F(HandoverControl, GuardsAreKeptWhereTheAuthorityIsOnceACohortHasBeenHandedOver) {
  EXPECT_THAT(plane.guarded, IsEmpty());
  advance();
  until([&] { return plane.guarded.contains("payment 0 new 2"); });
  EXPECT_TRUE(plane.guarded.contains("payment 1 legacy 1"));
}

TEST_F(HandoverControl, TheWayBackEndsWithTheCutover) {
  advance();
  until([&] { return life().state == State::new_write && !life().moving_to; });
  for (const char* to : {"new-read", "fully-cutover"}) {
    post("advance", fmt::format(R"({{"entity":"payment","cohort":"pilot","to":"{}","who":"ann"}})", to));
    until([&] { return name(life().state) == to && !life().moving_to; });
  }
  EXPECT_THAT(plane.calls, Contains("end way back payment 0"));
}

TEST_F(Control, OtherCohortsComeIntoForceWhileEverythingRuns) {
  mirror_pilot();
  auto taken = taken_over(with_second());
  ASSERT_TRUE(taken) << to_string(taken.error());
  EXPECT_THAT(exchanges(), ElementsAre("exchange 3"));
  EXPECT_EQ(cohort(0).at("state").as_string(), "mirrored");
  EXPECT_EQ(cohort(1).at("cohort").as_string(), "second");
  EXPECT_EQ(get("status").at("spec_hash").as_string(), "hash-2");
  post("advance", R"({"entity":"payment","cohort":"second","to":"mirrored","who":"ann"})");
  until([&] { return service->lifecycle().cohorts.at({"payment", "second"}).state == State::mirrored; });
  EXPECT_THAT(plane.calls, Contains("start payment 1"));
  EXPECT_EQ(decode_event(store.records.back().body)->spec_hash, "hash-2");
  stop();
  start();  // the journal agrees with the spec
}

TEST_F(Control, RoutesAloneAreTakenOverWithoutTouchingAStream) {
  mirror_pilot();
  auto changed = spec;
  changed.hash = "hash-2";
  changed.entities[0].reads[ReadClass::latency] = State::mirrored;
  plane.hold_start = true;
  post("advance", R"({"entity":"customer","to":"mirrored","who":"ann"})");
  EXPECT_TRUE(taken_over(changed)) << "whoever is on his way";
  EXPECT_THAT(exchanges(), IsEmpty());
  EXPECT_EQ(service->lifecycle().spec_hash, "hash-2");
  EXPECT_EQ(spec.entities[0].reads.size(), 1u);
  plane.hold_start = false;
}

TEST_F(Control, ASpecThatMovesAKeyOrIsMoreThanCohortsIsRefused) {
  mirror_pilot();
  auto records = store.records.size();
  auto others = with_second();
  others.entities[0].cohorts[0].keys = {"7"};
  auto taken = taken_over(others);
  ASSERT_FALSE(taken);
  EXPECT_THAT(taken.error().detail, HasSubstr("gives other keys to payment/pilot"));
  auto fewer = with_second();
  fewer.entities.pop_back();
  taken = taken_over(fewer);
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().detail, "entity customer is gone; that counts from the next start");
  plane.exchange_outcome = Err(ErrorCode::spec_invalid, "the streams could not go on");
  EXPECT_EQ(taken_over(with_second()).error().code, ErrorCode::spec_invalid);
  EXPECT_EQ(store.records.size(), records);
  EXPECT_EQ(spec.entities[0].cohorts.size(), 2u);
  EXPECT_EQ(spec.hash, "hash-1");
}

TEST_F(Control, OtherCohortsWaitForThoseOfTheirEntityThatAreUnderWay) {
  plane.hold_start = true;
  post("advance", R"({"entity":"payment","cohort":"pilot","to":"mirrored","who":"ann"})");
  auto taken = taken_over(with_second());
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().code, ErrorCode::incomplete);
  EXPECT_THAT(taken.error().detail, HasSubstr("payment/pilot is on its way to `mirrored`"));
  plane.hold_start = false;
  until([&] { return service->lifecycle().cohorts.at({"payment", "pilot"}).state == State::mirrored; });
  until([&] { return bool(taken_over(with_second())); });
}

TEST_F(Control, OtherCohortsWaitUntilTheDataPlaneHasDoneWhatItWasAskedOfAnyEntity) {
  plane.hold_start = true;
  post("advance", R"({"entity":"customer","to":"mirrored","who":"ann"})");
  until([&] { return !plane.calls.empty() && plane.calls.back().starts_with("start customer"); });
  auto taken = taken_over(with_second());
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().code, ErrorCode::incomplete);
  EXPECT_THAT(exchanges(), IsEmpty());
  plane.hold_start = false;
  until([&] { return bool(taken_over(with_second())); });
}

// Nothing of an order that comes while streams end may go by the cohorts of before.
TEST_F(Control, AnOrderThatComesMeanwhileGoesFirst) {
  plane.hold_exchange = true;
  auto outcome = take_over(with_second());
  until([&] { return !exchanges().empty(); });
  post("advance", R"({"entity":"payment","cohort":"rest","to":"mirrored","who":"ann"})");
  auto later = std::chrono::steady_clock::now() + 300ms;  // when the journal was looked at more than once
  until([&] { return std::chrono::steady_clock::now() > later; });
  plane.hold_exchange = false;
  until([&] { return outcome->has_value(); });
  ASSERT_FALSE(**outcome);
  EXPECT_EQ((*outcome)->error().code, ErrorCode::incomplete);
  until([&] { return service->lifecycle().cohorts.at({"payment", "rest"}).state == State::mirrored; });
  EXPECT_THAT(plane.calls, Contains("start payment 1"));
}

}  // namespace
}  // namespace oxbow
