// What a guard lets through and what it refuses, by every way in which a row can be written and in every
// isolation level.
#include <fmt/core.h>

#include "adapters/postgres/guard_sql.hpp"
#include "adapters/postgres/postgres.hpp"
#include "core/cohort/cohorts.hpp"
#include "integration/postgres/fixture.hpp"
#include "runtime/deadline.hpp"
#include "runtime/real_clock.hpp"
#include "runtime/sleep.hpp"
#include "runtime/task_group.hpp"

namespace oxbow::postgres {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

constexpr CohortId kPilot(0);
constexpr std::string_view kMoved = "OX001", kTryAgain = "40001";

// payment/pilot holds the key 4711, payment/rest all others.
class GuardsTest : public DatabaseTest {
 protected:
  GuardsTest() {
    sql("SET search_path = public; CREATE TABLE public.payment (id int PRIMARY KEY, amount int);"
        "CREATE TABLE public.line (payment int REFERENCES public.payment ON DELETE CASCADE ON UPDATE "
        "CASCADE, "
        "no int, PRIMARY KEY (payment, no));"
        "INSERT INTO public.payment VALUES (1, 10), (2, 20), (4711, 30);"
        "INSERT INTO public.line VALUES (1, 1), (4711, 1)");
  }

  virtual GuardedEntity payment() const {
    EntitySpec spec;
    spec.name = "payment";
    spec.key = "id";
    spec.cohorts = {{.name = "pilot", .keys = {"4711"}}, {.name = "rest", .rest = true}};
    return {.name = "payment",
            .tables = {{{"public", "payment"}, "id"}, {{"public", "line"}, "payment"}},
            .cohorts = resolve_cohorts(spec, "guarded"),
            .cohort_names = {"pilot", "rest"},
            .home = "the new side, database ledger",
            .owner = "team-ledger"};
  }

  void install(GuardMode pilot = GuardMode::open, GuardMode rest = GuardMode::open) {
    std::vector<GuardState> initial{{pilot, 1}, {rest, 1}};
    initial.resize(payment().cohort_names.size());
    must(guards_->install(payment(), initial));
  }
  GuardState next(GuardMode mode, std::uint64_t epoch = 1) { return {mode, epoch, GuardOrder(++order_)}; }
  void set(CohortId cohort, GuardMode mode, std::uint64_t epoch = 1) {
    if (mode == GuardMode::fenced) must(guards_->set("payment", cohort, next(GuardMode::near, epoch)));
    must(guards_->set("payment", cohort, next(mode, epoch)));
  }

  std::unique_ptr<Connection> session(const std::string& user = "postgres") {
    auto fresh =
        must(Connection::open({.url = the_cluster().url(database_, user), .application_name = "billing"}));
    must(fresh->exec("SET search_path = public"));
    return fresh;
  }

  const std::vector<TableName> tables_{{"public", "payment"}, {"public", "line"}};
  std::vector<GuardGap> mend(Guards::Mend what) { return must(guards_->mend("payment", tables_, what)); }
  std::vector<std::string> lost() { return must(guards_->look("payment", tables_)).lost_at; }

  // What becomes of a statement of somebody: "" if it passes, else its SQLSTATE.
  std::string outcome(Connection& connection, const std::string& statement) {
    auto done = run(connection.exec(statement));
    return done ? "" : std::string(sqlstate_of(done.error()));
  }
  std::string outcome(const std::string& statement) { return outcome(*other_, statement); }
  std::string refusal(const std::string& statement) {
    auto done = run(other_->exec(statement));
    return done ? "" : done.error().detail;
  }

  std::unique_ptr<Guards> guards_ = make_guards(url(), "guarded", Side::legacy);
  std::uint64_t order_ = 0;
};

TEST_F(GuardsTest, AnOpenGuardLetsEverybodyWriteWhoeverMayWriteTheTable) {
  sql(fmt::format("CREATE ROLE app_{0} LOGIN; GRANT ALL ON ALL TABLES IN SCHEMA public TO app_{0}",
                  database_));
  install();
  auto app = session("app_" + database_);
  EXPECT_EQ(outcome(*app, "INSERT INTO payment VALUES (5, 1)"), "");
  EXPECT_EQ(outcome(*app, "UPDATE payment SET amount = 2 WHERE id = 4711"), "");
  EXPECT_EQ(outcome(*app, "DELETE FROM payment WHERE id = 4711"), "");
  EXPECT_EQ(outcome(*app, "TRUNCATE payment CASCADE"), "");
}

TEST_F(GuardsTest, AClosedGuardRefusesEveryWayToWriteItsCohort) {
  install(GuardMode::closed, GuardMode::open);
  sql("CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN UPDATE payment SET amount = 0 "
      "WHERE id = 4711; RETURN NULL; END $$; CREATE TABLE note (id int); CREATE TRIGGER t AFTER INSERT ON "
      "note "
      "FOR EACH ROW EXECUTE FUNCTION touch(); CREATE VIEW v AS SELECT * FROM payment");
  for (std::string statement :
       {"UPDATE payment SET amount = 1 WHERE id = 4711", "UPDATE payment SET amount = 1",
        "DELETE FROM payment WHERE id = 4711", "INSERT INTO line VALUES (4711, 2)",
        "INSERT INTO line VALUES (1, 2), (4711, 2)", "UPDATE line SET no = 3 WHERE payment = 4711",
        "INSERT INTO payment VALUES (4711, 1) ON CONFLICT (id) DO UPDATE SET amount = 1",
        "MERGE INTO payment p USING (VALUES (4711)) v (id) ON p.id = v.id WHEN MATCHED THEN UPDATE SET "
        "amount = 1",
        "WITH gone AS (DELETE FROM payment RETURNING id) SELECT count(*) FROM gone",
        "UPDATE v SET amount = 1 WHERE id = 4711", "INSERT INTO note VALUES (1)", "TRUNCATE line",
        "TRUNCATE payment CASCADE", "DO $$ BEGIN DELETE FROM line; END $$"})
    EXPECT_EQ(outcome(statement), kMoved) << statement;
  EXPECT_EQ(sql_value("SELECT string_agg(format('%s:%s', id, amount), ' ' ORDER BY id) FROM payment"),
            "1:10 2:20 4711:30");
}

TEST_F(GuardsTest, ACopyIsRefusedAsAWholeWhereOneRowIsOfAClosedCohort) {
  install(GuardMode::closed, GuardMode::open);
  auto copy = [&](std::string rows) -> Task<void> {
    CO_TRY(co_await other_->copy_in_begin("COPY line FROM STDIN"));
    CO_TRY(co_await other_->copy_in_write(rows));
    CO_TRY(co_await other_->copy_in_end());
    co_return Status{};
  };
  EXPECT_TRUE(run(copy("1\t7\n2\t7\n")));
  auto refused = run(copy("1\t8\n4711\t8\n"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(sqlstate_of(refused.error()), kMoved);
  EXPECT_EQ(sql_value("SELECT count(*) FROM line WHERE no = 8"), "0");
}

TEST_F(GuardsTest, OtherCohortsOfTheSameTablesGoOn) {
  install(GuardMode::closed, GuardMode::open);
  for (std::string statement : {"UPDATE payment SET amount = 1 WHERE id <> 4711",
                                "INSERT INTO payment VALUES (3, 3)", "DELETE FROM payment WHERE id = 1"})
    EXPECT_EQ(outcome(statement), "") << statement;
}

TEST_F(GuardsTest, ARowCannotLeaveOrEnterAClosedCohort) {
  install(GuardMode::closed, GuardMode::open);
  EXPECT_EQ(outcome("UPDATE line SET payment = 1, no = 9 WHERE payment = 4711"), kMoved);
  EXPECT_EQ(outcome("UPDATE line SET payment = 4711, no = 9 WHERE payment = 1"), kMoved);
}

TEST_F(GuardsTest, ACascadeThatReachesAClosedCohortIsRefused) {
  sql("CREATE TABLE public.customer (id int PRIMARY KEY); INSERT INTO customer VALUES (7);"
      "ALTER TABLE payment ADD customer int REFERENCES customer ON DELETE CASCADE;"
      "UPDATE payment SET customer = 7");
  install(GuardMode::closed, GuardMode::open);
  EXPECT_EQ(outcome("DELETE FROM customer"), kMoved);
}

TEST_F(GuardsTest, WhoIsRefusedIsToldTheNewHomeAndItsOwner) {
  install(GuardMode::closed, GuardMode::open);
  EXPECT_THAT(
      refusal("UPDATE payment SET amount = 1 WHERE id = 4711"),
      AllOf(HasSubstr("payment 4711 cannot be written here: payment/pilot is at home on the new side, "
                      "database ledger"),
            HasSubstr("since epoch 1"), HasSubstr("team-ledger")));
}

TEST_F(GuardsTest, AFenceRefusesWithAnErrorThatProgramsRetry) {
  install(GuardMode::fenced, GuardMode::open);
  EXPECT_EQ(outcome("UPDATE payment SET amount = 1 WHERE id = 4711"), kTryAgain);
  EXPECT_EQ(outcome("TRUNCATE line"), kTryAgain);
  EXPECT_THAT(refusal("DELETE FROM payment WHERE id = 4711"),
              HasSubstr("payment/pilot is being handed over at this moment: run the transaction again"));
}

TEST_F(GuardsTest, PartsOfATableAreGuardedAlsoThoseThatComeLater) {
  sql("DROP TABLE line; CREATE TABLE public.line (payment int, no int) PARTITION BY RANGE (no);"
      "CREATE TABLE line_1 PARTITION OF line FOR VALUES FROM (0) TO (10)");
  install(GuardMode::closed, GuardMode::open);
  sql("CREATE TABLE line_2 PARTITION OF line FOR VALUES FROM (10) TO (20);"
      "CREATE TABLE line_3 (payment int, no int); INSERT INTO line_3 VALUES (1, 25);"
      "ALTER TABLE line ATTACH PARTITION line_3 FOR VALUES FROM (20) TO (30)");
  for (std::string statement :
       {"INSERT INTO line VALUES (4711, 1)", "INSERT INTO line_1 VALUES (4711, 1)",
        "INSERT INTO line_2 VALUES (4711, 11)", "INSERT INTO line_3 VALUES (4711, 21)",
        "UPDATE line_3 SET payment = 4711", "TRUNCATE line_1"})
    EXPECT_EQ(outcome(statement), kMoved) << statement;
  auto busy = session();
  must(busy->exec("BEGIN; INSERT INTO line VALUES (1, 26)"));
  auto found = mend(Guards::Mend::new_parts);
  ASSERT_THAT(found, SizeIs(2));
  EXPECT_EQ(found[0].table, "public.line_2");
  EXPECT_FALSE(found[0].open);
  EXPECT_TRUE(found[1].open) << "line_3 is in use";
  must(busy->exec("COMMIT"));
  found = mend(Guards::Mend::new_parts);
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].table, "public.line_3");
  EXPECT_THAT(mend(Guards::Mend::all), IsEmpty());
  for (std::string statement : {"TRUNCATE line_2", "TRUNCATE line_3"})
    EXPECT_EQ(outcome(statement), kMoved) << "as soon as somebody has looked";
}

TEST_F(GuardsTest, ATableThatInheritsIsGuardedAlsoWhereItComesLater) {
  sql("CREATE TABLE public.early () INHERITS (public.payment)");
  install(GuardMode::closed, GuardMode::open);
  EXPECT_EQ(outcome("INSERT INTO early VALUES (4711, 1)"), kMoved);
  sql("CREATE TABLE public.late () INHERITS (public.early)");
  auto found = mend(Guards::Mend::new_parts);
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_TRUE(found[0].came_later);
  for (std::string statement : {"INSERT INTO late VALUES (4711, 1)", "TRUNCATE late"})
    EXPECT_EQ(outcome(statement), kMoved) << statement;
  EXPECT_EQ(outcome("INSERT INTO late VALUES (5, 1)"), "");
  must(guards_->remove("payment"));
  EXPECT_EQ(outcome("INSERT INTO late VALUES (4711, 1)"), "");
}

TEST_F(GuardsTest, AGuardThatWasSwitchedOffOrDroppedIsSeenAndPutBack) {
  install(GuardMode::closed, GuardMode::open);
  EXPECT_THAT(lost(), IsEmpty());
  sql("ALTER TABLE public.payment DISABLE TRIGGER USER; DROP TRIGGER \"" +
      guard_trigger(guard_name("guarded", Side::legacy, "payment"), "update") + "\" ON public.line");
  EXPECT_THAT(lost(), ElementsAre("public.line", "public.payment"));
  EXPECT_THAT(mend(Guards::Mend::new_parts), IsEmpty());
  auto found = mend(Guards::Mend::all);
  ASSERT_THAT(found, SizeIs(2));
  EXPECT_FALSE(found[0].open || found[0].came_later);
  EXPECT_THAT(lost(), IsEmpty());
  for (std::string statement : {"UPDATE payment SET amount = 1", "UPDATE line SET no = 9", "TRUNCATE line"})
    EXPECT_EQ(outcome(statement), kMoved) << statement;
}

TEST_F(GuardsTest, WhoPutsGuardsOnSwitchesThoseOnThatWereOff) {
  install(GuardMode::closed, GuardMode::open);
  sql("ALTER TABLE public.payment DISABLE TRIGGER ALL");
  install();
  EXPECT_EQ(outcome("UPDATE payment SET amount = 1 WHERE id = 4711"), kMoved);
}

TEST_F(GuardsTest, TablesThatComeAndGoAreToldAndOneThatIsGoneIsNotGuardedAnyMore) {
  EXPECT_THAT(must(guards_->compare_tables("payment", tables_)).taken_in, IsEmpty()) << "there are no guards";
  install(GuardMode::closed, GuardMode::open);
  auto changes = must(guards_->compare_tables("payment", tables_));
  EXPECT_TRUE(changes.taken_in.empty() && changes.taken_out.empty());
  changes = must(guards_->compare_tables("payment", {{"public", "payment"}, {"public", "refund"}}));
  EXPECT_THAT(changes.taken_in, ElementsAre("public.refund"));
  EXPECT_THAT(changes.taken_out, ElementsAre("public.line"));
  auto without = payment();
  without.tables.pop_back();
  must(guards_->install(without, {{GuardMode::open, 1}, {GuardMode::open, 1}}));
  EXPECT_EQ(outcome("INSERT INTO line VALUES (4711, 7)"), "");
  EXPECT_EQ(outcome("UPDATE payment SET amount = 1 WHERE id = 4711"), kMoved);
  EXPECT_THAT(must(guards_->compare_tables("payment", {{"public", "payment"}})).taken_out, IsEmpty());
}

TEST_F(GuardsTest, ARowThatATriggerOfTheApplicationMovesIsJudgedByItsFinalKey) {
  sql("CREATE FUNCTION shift() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.payment := 4711; RETURN NEW; "
      "END "
      "$$; CREATE TRIGGER zzz BEFORE INSERT ON line FOR EACH ROW EXECUTE FUNCTION shift()");
  install(GuardMode::closed, GuardMode::open);
  EXPECT_EQ(outcome("INSERT INTO line VALUES (1, 5)"), kMoved);
}

TEST_F(GuardsTest, ATriggerThatWouldMoveARowBehindTheGuardIsRefusedByName) {
  sql("CREATE FUNCTION shift() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.payment := 4711; RETURN NEW; "
      "END "
      "$$; CREATE TRIGGER \"~~late\" BEFORE INSERT ON line FOR EACH ROW EXECUTE FUNCTION shift()");
  auto refused = run(guards_->install(payment(), {{GuardMode::closed, 1}, {GuardMode::open, 1}}));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::preflight_failed);
  EXPECT_THAT(refused.error().detail,
              StartsWith("trigger ~~late of public.line would fire behind the guard"));
}

// Snapshots that are older than the flip: to a row that says who may write they would all show the old one.
class GuardsAtLevel : public GuardsTest, public ::testing::WithParamInterface<std::string> {};

TEST_P(GuardsAtLevel, ATransactionThatBeganBeforeTheFlipIsRefusedBehindIt) {
  install();
  auto writer = session();
  must(writer->exec("BEGIN ISOLATION LEVEL " + GetParam() + "; SELECT sum(amount) FROM payment"));
  set(kPilot, GuardMode::closed, 2);
  EXPECT_EQ(outcome(*writer, "UPDATE payment SET amount = 1 WHERE id = 4711"), kMoved);
}

TEST_P(GuardsAtLevel, AStatementPreparedBeforeTheFlipIsRefusedBehindIt) {
  install();
  auto writer = session();
  must(writer->exec("PREPARE pay AS UPDATE payment SET amount = $1 WHERE id = 4711"));
  for (int i = 0; i < 8; ++i) EXPECT_EQ(outcome(*writer, "EXECUTE pay (1)"), "");
  must(writer->exec("BEGIN ISOLATION LEVEL " + GetParam() + "; EXECUTE pay (2)"));
  set(kPilot, GuardMode::fenced, 1);
  EXPECT_EQ(outcome(*writer, "EXECUTE pay (3)"), kTryAgain);
}

INSTANTIATE_TEST_SUITE_P(Levels, GuardsAtLevel,
                         ::testing::Values("READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"),
                         [](const auto& level) { return level.param.substr(0, level.param.find(' ')); });

// ---- a handover is near: writers are known, and the fence waits for them alone ----

TEST_F(GuardsTest, WhoWroteBeforeTheGuardWasNearIsAmongTheWritersUntilTheEnd) {
  install();
  auto writer = session();
  must(writer->exec("BEGIN; UPDATE payment SET amount = 1 WHERE id = 4711"));
  set(kPilot, GuardMode::near);
  auto writers = must(guards_->writers("payment"));
  ASSERT_THAT(writers, SizeIs(1));
  EXPECT_EQ(writers[0].who, "billing of postgres");
  EXPECT_TRUE(writers[0].idle_in_transaction);
  EXPECT_THAT(must(guards_->writers_of("payment", kPilot)), IsEmpty());
  must(writer->exec("COMMIT"));
  EXPECT_THAT(must(guards_->writers("payment")), IsEmpty());
}

TEST_F(GuardsTest, TheDrainWaitsForAWriterOfTheCohortAndForNobodyElse) {
  install(GuardMode::near, GuardMode::open);
  auto writer = session(), bystander = session();
  must(bystander->exec("BEGIN; UPDATE payment SET amount = 1 WHERE id = 1"));
  must(writer->exec("BEGIN; UPDATE payment SET amount = 1 WHERE id = 4711"));
  ASSERT_THAT(must(guards_->writers_of("payment", kPilot)), SizeIs(1));
  set(kPilot, GuardMode::fenced);
  EXPECT_FALSE(must(guards_->drain("payment", kPilot, 50ms)));
  EXPECT_EQ(sql_value("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'billing'"), "2")
      << "nobody is ended";
  must(writer->exec("COMMIT"));
  EXPECT_TRUE(must(guards_->drain("payment", kPilot, 50ms)));
  EXPECT_EQ(outcome(*bystander, "COMMIT"), "");
  EXPECT_EQ(sql_value("SELECT amount FROM payment WHERE id = 4711"), "1")
      << "what came before the fence stays";
}

TEST_F(GuardsTest, APreparedTransactionIsWaitedForAndNamed) {
  install(GuardMode::near, GuardMode::open);
  auto writer = session();
  must(writer->exec("BEGIN; UPDATE payment SET amount = 1 WHERE id = 4711; PREPARE TRANSACTION 'nightly'"));
  set(kPilot, GuardMode::fenced);
  EXPECT_FALSE(must(guards_->drain("payment", kPilot, 50ms)));
  auto writers = must(guards_->writers_of("payment", kPilot));
  ASSERT_THAT(writers, SizeIs(1));
  EXPECT_EQ(writers[0].who, "prepared transaction nightly");
  EXPECT_THAT(must(guards_->writers("payment")), SizeIs(1));
  must(writer->exec("COMMIT PREPARED 'nightly'"));
  EXPECT_TRUE(must(guards_->drain("payment", kPilot, 50ms)));
}

// Else a drain, a writer that it waits for and one that waits for the drain could wait in a circle.
TEST_F(GuardsTest, WhoComesWhileTheFenceIsDrainedIsRefusedAtOnceAndNeverWaits) {
  install(GuardMode::near, GuardMode::open);
  auto writer = session(), late = session();
  must(writer->exec("BEGIN; UPDATE payment SET amount = 1 WHERE id = 4711"));
  set(kPilot, GuardMode::fenced);
  bool drained = false;
  auto drain = [&]() -> Task<void> {
    drained = CO_TRY(co_await guards_->drain("payment", kPilot, 5s));
    co_return Status{};
  };
  std::string met;
  auto come = [&]() -> Task<void> {
    CO_TRY(co_await sleep_for(100ms));
    CO_TRY(co_await late->exec("SET lock_timeout = '1s'; SET deadlock_timeout = '10s'"));
    auto refused = co_await late->exec("INSERT INTO line VALUES (4711, 5)");
    met = refused ? "passed" : std::string(sqlstate_of(refused.error()));
    CO_TRY(co_await writer->exec("COMMIT"));
    co_return Status{};
  };
  auto both = [&]() -> Task<void> {
    TaskGroup group(io_.get_executor());
    group.spawn(drain());
    group.spawn(come());
    co_return co_await group.wait();
  };
  must(both());
  EXPECT_EQ(met, kTryAgain);
  EXPECT_TRUE(drained);
}

// Writers in transactions of any length around a fence that comes and goes. What counts is only what is in
// the table: behind a drained fence no write of the cohort may appear any more.
class GuardStress : public GuardsTest {
 protected:
  // Rounds in which a write appeared behind the drained fence.
  int leaks(int rounds, bool wait_for_unknown_writers) {
    install();
    bool over = false;
    int leaked = 0;
    auto write = [&](int number) -> Task<void> {
      auto connection = CO_TRY(co_await Connection::open(settings()));
      for (int i = 0;; ++i) {
        if (over) break;
        auto sleep_ms = (i * 7 + number * 3) % 10;
        auto done = co_await connection->exec(fmt::format(
            "BEGIN{}; SELECT 1 FROM public.payment; UPDATE public.payment SET amount = amount + 1 "
            "WHERE id = {}; SELECT pg_sleep({} / 1000.0); COMMIT",
            i % 3 == 0 ? " ISOLATION LEVEL REPEATABLE READ" : "", 4711 + number, sleep_ms));
        if (!done) CO_TRY(co_await connection->exec("ROLLBACK"));
      }
      co_return Status{};
    };
    auto hand_over = [&]() -> Task<void> {
      auto reader = CO_TRY(co_await Connection::open(settings()));
      for (int round = 0; round < rounds; ++round) {
        CO_TRY(co_await guards_->set("payment", kPilot, next(GuardMode::near)));
        if (wait_for_unknown_writers) CO_TRY(co_await wait_for_end_of_writers());
        CO_TRY(co_await guards_->set("payment", kPilot, next(GuardMode::fenced)));
        while (!CO_TRY(co_await guards_->drain("payment", kPilot, 1s))) {
        }
        auto sum = [&]() -> Task<std::string> {
          Rows rows = CO_TRY(co_await reader->exec("SELECT sum(amount) FROM public.payment"));
          co_return rows.text(0, 0);
        };
        auto before = CO_TRY(co_await sum());
        CO_TRY(co_await sleep_for(12ms));
        leaked += before == CO_TRY(co_await sum()) ? 0 : 1;
        CO_TRY(co_await guards_->set("payment", kPilot, next(GuardMode::open)));
        CO_TRY(co_await sleep_for(3ms));
      }
      over = true;
      co_return Status{};
    };
    auto all = [&]() -> Task<void> {
      TaskGroup group(io_.get_executor());
      for (int number = 0; number < kWriters; ++number) group.spawn(write(number));
      group.spawn(hand_over());
      co_return co_await group.wait();
    };
    must(all());
    return leaked;
  }

  Task<void> wait_for_end_of_writers() {
    std::set<std::string> open;
    for (const auto& writer : CO_TRY(co_await guards_->writers("payment"))) open.insert(writer.transaction);
    while (!open.empty()) {
      std::set<std::string> still;
      for (const auto& writer : CO_TRY(co_await guards_->writers("payment")))
        if (open.contains(writer.transaction)) still.insert(writer.transaction);
      open = std::move(still);
    }
    co_return Status{};
  }

  static constexpr int kWriters = 6;

  GuardedEntity payment() const override {
    auto entity = GuardsTest::payment();
    EntitySpec spec;
    spec.name = "payment";
    spec.cohorts = {{.name = "pilot", .rest = true}};
    entity.cohorts = resolve_cohorts(spec, "guarded");
    entity.cohort_names = {"pilot"};
    return entity;
  }
};

TEST_F(GuardStress, NoWriteAppearsBehindADrainedFence) {
  sql("INSERT INTO payment SELECT 4711 + n, 0 FROM generate_series(1, 10) n");
  EXPECT_EQ(leaks(100, true), 0);
}

TEST_F(GuardStress, WithoutWaitingForWritersFromBeforeOneDoes) {
  sql("INSERT INTO payment SELECT 4711 + n, 0 FROM generate_series(1, 10) n");
  EXPECT_GT(leaks(50, false), 0);
}

TEST_F(GuardsTest, TheEpochOfAGuardNeverFalls) {
  install();
  set(kPilot, GuardMode::closed, 5);
  auto refused = run(guards_->set("payment", kPilot, {GuardMode::open, 4, GuardOrder(100)}));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::illegal_transition);
  EXPECT_THAT(must(guards_->read("payment")),
              ElementsAre(GuardState{GuardMode::closed, 5, GuardOrder(1)}, GuardState{GuardMode::open, 1}));
}

// As when the network brings what a session sent that is long given up.
TEST_F(GuardsTest, AnOrderThatArrivesBehindALaterOneIsRefusedAndTheSameOneAgainIsNot) {
  install();
  GuardState near{GuardMode::near, 1, GuardOrder(7)}, fenced{GuardMode::fenced, 1, GuardOrder(8)};
  must(guards_->set("payment", kPilot, near));
  must(guards_->set("payment", kPilot, fenced));
  auto late = run(guards_->set("payment", kPilot, near));
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, ErrorCode::illegal_transition);
  EXPECT_FALSE(run(guards_->set("payment", kPilot, {GuardMode::open, 1, GuardOrder(8)})));
  must(guards_->set("payment", kPilot, fenced));
  EXPECT_EQ(must(guards_->read("payment")).front(), fenced);
}

// A standby that took over without having heard of the announcement: who writes there shares no lock.
TEST_F(GuardsTest, AFenceIsRefusedWhereTheGuardIsNotNear) {
  install();
  GuardState fenced{GuardMode::fenced, 1, GuardOrder(8)};
  auto refused = run(guards_->set("payment", kPilot, fenced));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::illegal_transition);
  EXPECT_EQ(must(guards_->read("payment")).front().mode, GuardMode::open);
}

TEST_F(GuardsTest, InstallingAgainKeepsTheStateAndGuardsWhatIsNew) {
  install(GuardMode::closed, GuardMode::open);
  install(GuardMode::open, GuardMode::closed);
  EXPECT_THAT(must(guards_->read("payment")),
              ElementsAre(GuardState{GuardMode::closed, 1}, GuardState{GuardMode::open, 1}));
  sql("CREATE TABLE public.refund (payment int)");
  auto more = payment();
  more.tables.push_back({{"public", "refund"}, "payment"});
  must(guards_->install(more, {{GuardMode::open, 1}, {GuardMode::open, 1}}));
  EXPECT_EQ(outcome("INSERT INTO refund VALUES (4711)"), kMoved);
}

// Else all sessions of the server would plan their statements anew, at each handover.
TEST_F(GuardsTest, InstallingWhatStandsWritesNoCatalog) {
  auto before_the_spec_changed = payment();
  before_the_spec_changed.cohort_names.push_back("gone since");
  must(guards_->install(before_the_spec_changed,
                        {{GuardMode::open, 1}, {GuardMode::open, 1}, {GuardMode::open, 1}}));
  install();
  auto before = sql_value("SELECT pg_snapshot_xmax(pg_current_snapshot())");
  auto written_since = [&](std::string_view catalog) {
    return sql_value(
        fmt::format("SELECT count(*) FROM {} WHERE age(xmin) <= age('{}'::xid)", catalog, before));
  };
  install();
  for (auto catalog : {"pg_namespace", "pg_class", "pg_proc", "pg_trigger", "pg_attribute", "pg_description"})
    EXPECT_EQ(written_since(catalog), "0") << catalog;

  sql(fmt::format("REVOKE SELECT ON SEQUENCE {} FROM PUBLIC",
                  guard_cell(guard_name("guarded", Side::legacy, "payment"), 0)));
  install();
  EXPECT_NE(written_since("pg_class"), "0") << "what somebody has taken away was not put back";
}

TEST_F(GuardsTest, InstallingPutsBackATriggerThatSomebodyHasTakenAwayAlsoThatOfAPart) {
  sql("CREATE TABLE public.part_of (payment int) PARTITION BY RANGE (payment);"
      "CREATE TABLE public.part_1 PARTITION OF public.part_of FOR VALUES FROM (0) TO (10000)");
  auto parted = payment();
  parted.tables.push_back({{"public", "part_of"}, "payment"});
  const std::vector<GuardState> closed{{GuardMode::closed, 1}, {GuardMode::closed, 1}};
  must(guards_->install(parted, closed));
  auto guard = guard_name("guarded", Side::legacy, "payment");
  for (std::string_view what :
       {"insert ON payment", "insert ON part_of", "truncate ON line", "truncate ON part_1"}) {
    auto operation = what.substr(0, what.find(' ')), table = what.substr(what.rfind(' ') + 1);
    auto write = operation == "insert" ? fmt::format("INSERT INTO {} VALUES (5)", table)
                                       : fmt::format("TRUNCATE {}", table);
    sql(fmt::format("DROP TRIGGER \"{}\" ON public.{}", guard_trigger(guard, operation), table));
    EXPECT_EQ(outcome("BEGIN; " + write + "; ROLLBACK"), "") << what;
    must(guards_->install(parted, closed));
    EXPECT_EQ(outcome(write), kMoved) << what;
  }
}

TEST_F(GuardsTest, ATriggerThatCameBehindAGuardThatStandsIsRefusedByName) {
  install();
  sql("CREATE FUNCTION shift() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.payment := 4711; RETURN NEW; "
      "END "
      "$$; CREATE TRIGGER \"~~late\" BEFORE INSERT ON line FOR EACH ROW EXECUTE FUNCTION shift()");
  auto refused = run(guards_->install(payment(), {{GuardMode::open, 1}, {GuardMode::open, 1}}));
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().detail, StartsWith("trigger ~~late of public.line"));
}

TEST_F(GuardsTest, ASessionThatWasCutWhileItRestedIsOpenedAnew) {
  install();
  sql("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = "
      "'oxbow:guarded:guards' "
      "AND datname = current_database()");
  EXPECT_THAT(must(guards_->read("payment")), SizeIs(2));
}

TEST_F(GuardsTest, AnInstallationThatStillWaitsAtTheServerDoesNotStandInTheWayOfTheNextOne) {
  auto writer = session();
  must(writer->exec("BEGIN; UPDATE payment SET amount = 1 WHERE id = 1"));
  const std::vector<GuardState> open{{GuardMode::open, 1}, {GuardMode::open, 1}};
  auto given_up = run(with_deadline(guards_->install(payment(), open), 200ms));
  ASSERT_FALSE(given_up);
  ASSERT_EQ(given_up.error().code, ErrorCode::timeout);
  auto let_go = [&]() -> Task<void> {
    CO_TRY(co_await sleep_for(200ms));
    CO_TRY(co_await writer->exec("COMMIT"));
    co_return Status{};
  };
  auto both = [&]() -> Task<void> {
    TaskGroup group(io_.get_executor());
    group.spawn(guards_->install(payment(), open));
    group.spawn(let_go());
    co_return co_await group.wait();
  };
  must(both());
  set(kPilot, GuardMode::closed, 1);
  EXPECT_EQ(outcome("UPDATE payment SET amount = 2 WHERE id = 4711"), kMoved);
}

TEST_F(GuardsTest, WhatIsRemovedLeavesNothingBehindAndLetsEverythingPass) {
  install(GuardMode::closed, GuardMode::closed);
  EXPECT_THAT(must(guards_->remove("payment")), SizeIs(3));
  EXPECT_EQ(outcome("UPDATE payment SET amount = 1"), "");
  EXPECT_THAT(
      sql("SELECT tgname FROM pg_trigger WHERE NOT tgisinternal UNION ALL SELECT proname FROM pg_proc "
          "WHERE pronamespace = 'oxbow'::regnamespace AND proname LIKE 'guard%' UNION ALL "
          "SELECT sequencename FROM pg_sequences"),
      IsEmpty());
  EXPECT_THAT(must(guards_->read("payment")), IsEmpty());
  auto none = run(guards_->set("payment", kPilot, next(GuardMode::open)));
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, ErrorCode::not_found);
}

TEST_F(GuardsTest, WhoOnlyCallsItselfOxbowIsAWriterLikeAnyOther) {
  install();
  auto writer = must(Connection::open({.url = url(), .application_name = "oxbow:guarded:lane 0"}));
  must(writer->exec("BEGIN; UPDATE public.payment SET amount = 1 WHERE id = 4711"));
  EXPECT_THAT(must(guards_->writers("payment")), SizeIs(1));
}

TEST_F(GuardsTest, OurOwnApplierIsNotSubjectToGuards) {
  install(GuardMode::closed, GuardMode::closed);
  EXPECT_EQ(outcome("SET session_replication_role = replica; UPDATE payment SET amount = 9"), "");
}

// The cohort that SQL finds is the one that C++ finds, for many slices and named keys.
TEST_F(GuardsTest, TheGuardOfEachKeyIsThatOfItsCohort) {
  EntitySpec spec;
  spec.name = "payment";
  spec.cohorts = {{.name = "a", .keys = {"3", "4711"}},
                  {.name = "b", .buckets = 100},
                  {.name = "c", .keys = {"8"}},
                  {.name = "d", .buckets = 2400},
                  {.name = "e", .rest = true}};
  GuardedEntity entity{.name = "payment",
                       .tables = {{{"public", "payment"}, "id"}},
                       .cohorts = resolve_cohorts(spec, "guarded"),
                       .cohort_names = {"a", "b", "c", "d", "e"},
                       .home = "h",
                       .owner = "o"};
  std::vector<GuardState> all_open(5, {GuardMode::open, 1});
  must(guards_->install(entity, all_open));
  sql("TRUNCATE payment CASCADE; INSERT INTO payment SELECT n, 0 FROM generate_series(1, 500) n");
  for (std::uint32_t closed = 0; closed < 5; ++closed) {
    must(guards_->set("payment", CohortId(closed), next(GuardMode::closed)));
    sql("CREATE OR REPLACE FUNCTION refused(k int) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN UPDATE payment "
        "SET "
        "amount = 1 WHERE id = k; RETURN false; EXCEPTION WHEN OTHERS THEN RETURN true; END $$");
    std::string expected;
    for (int key = 1; key <= 500; ++key)
      if (cohort_of(entity.cohorts, std::to_string(key)) == CohortId(closed))
        expected += (expected.empty() ? "" : " ") + std::to_string(key);
    EXPECT_EQ(
        sql_value(
            "SELECT string_agg(n::text, ' ' ORDER BY n) FROM generate_series(1, 500) n WHERE refused(n)"),
        expected.empty() ? "NULL" : expected);
    must(guards_->set("payment", CohortId(closed), next(GuardMode::open)));
  }
}

}  // namespace
}  // namespace oxbow::postgres
