#include <fmt/core.h>

#include <csignal>

#include "adapters/postgres/names.hpp"
#include "adapters/postgres/postgres.hpp"
#include "adapters/postgres/target_admin.hpp"
#include "integration/postgres/fixture.hpp"
#include "model/tuple.hpp"
#include "runtime/task_group.hpp"

namespace oxbow::postgres {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

const Type kInt4{.oid = 23, .schema = "pg_catalog", .name = "int4", .sql = "integer"};
const Type kInt8{.oid = 20, .schema = "pg_catalog", .name = "int8", .sql = "bigint"};
const Type kText{.oid = 25, .schema = "pg_catalog", .name = "text", .sql = "text"};

class AdminTest : public DatabaseTest {
 protected:
  // Everything that is not as it was when the database was new, in words.
  std::vector<std::string> traces() {
    return sql(
        "SELECT 'schema ' || nspname FROM pg_namespace WHERE nspname = 'oxbow' UNION ALL "
        "SELECT 'publication ' || pubname FROM pg_publication UNION ALL "
        "SELECT 'slot ' || slot_name FROM pg_replication_slots WHERE database = current_database() UNION ALL "
        "SELECT 'origin ' || roname FROM pg_replication_origin WHERE starts_with(roname, 'oxbow:" +
        migration_ +
        ":') UNION ALL "
        "SELECT 'trigger ' || tgname FROM pg_trigger WHERE NOT tgisinternal UNION ALL "
        "SELECT 'event trigger ' || evtname FROM pg_event_trigger UNION ALL "
        "SELECT 'identity of ' || relname FROM pg_class WHERE relnamespace = 'public'::regnamespace "
        "AND relkind IN ('r', 'p') AND relreplident <> 'd'");
  }

  std::string migration_ = "admin_" + database_;
};

class SourceAdminTest : public AdminTest {
 protected:
  ~SourceAdminTest() override { must(admin_->remove()); }

  std::vector<std::string> cuts(const TableName& table, std::vector<KeyColumn> key,
                                std::uint64_t rows_per_range) {
    std::vector<std::string> out;
    for (const auto& bound : must(admin_->plan_ranges(table, std::move(key), rows_per_range))) {
      std::string line;
      for (const auto& literal : bound.literals) line += (line.empty() ? "" : ",") + literal;
      out.push_back(line);
    }
    return out;
  }

  std::unique_ptr<SourceAdmin> admin_ = make_source_admin(url(), migration_);
};

class TargetAdminTest : public AdminTest {
 protected:
  ~TargetAdminTest() override { must(admin_->remove()); }

  std::unique_ptr<TargetAdmin> admin_ = make_target_admin(url(), migration_);
};

TEST_F(SourceAdminTest, TellsWhatTheServerAllows) {
  sql("CREATE TABLE public.full_one (a int); INSERT INTO public.full_one VALUES (1); CREATE UNLOGGED TABLE "
      "public.empty_one (a int)");
  auto facts =
      must(admin_->read_facts({{"public", "full_one"}, {"public", "empty_one"}, {"public", "nowhere"}}));
  EXPECT_EQ(facts.user, "postgres");
  EXPECT_TRUE(facts.may_replicate && facts.may_create_in_database && facts.may_use_origins &&
              facts.may_set_replication_role);
  EXPECT_FALSE(facts.in_recovery);
  EXPECT_EQ(facts.wal_level, "logical");
  EXPECT_EQ(facts.wal_keep_limit_bytes, -1);
  EXPECT_GT(facts.replication_slots_free, 0);
  EXPECT_GT(facts.connections_free, 0);
  EXPECT_FALSE(facts.is_empty.at({"public", "full_one"}));
  EXPECT_TRUE(facts.is_empty.at({"public", "empty_one"}));
  EXPECT_THAT(facts.unlogged, ElementsAre(TableName{"public", "empty_one"}));
  EXPECT_THAT(facts.is_empty, SizeIs(2));
}

TEST_F(SourceAdminTest, TellsWhatAPoorUserMayNot) {
  sql("CREATE TABLE public.t (a int); CREATE ROLE poor_" + database_ + " LOGIN");
  auto poor = make_source_admin(the_cluster().url(database_, "poor_" + database_), migration_);
  auto facts = must(poor->read_facts({{"public", "t"}}));
  EXPECT_FALSE(facts.may_replicate || facts.may_create_in_database || facts.may_use_origins ||
               facts.may_set_replication_role);
  EXPECT_THAT(facts.not_readable, SizeIs(1));
  EXPECT_THAT(facts.not_writable, SizeIs(1));
  EXPECT_THAT(facts.not_owned, SizeIs(1));
}

// Row security spares superusers, roles that bypass it, and owners unless it is forced on them.
TEST_F(AdminTest, TellsOnEitherSideFromWhichTablesRowSecurityHidesRows) {
  sql(fmt::format(
      "CREATE ROLE reader_{0} LOGIN; CREATE ROLE bypassing_{0} LOGIN BYPASSRLS;"
      "CREATE TABLE public.open (a int); CREATE TABLE public.secured (a int); CREATE TABLE public.owned (a "
      "int); CREATE TABLE public.forced (a int);"
      "GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader_{0}, bypassing_{0};"
      "ALTER TABLE public.secured ENABLE ROW LEVEL SECURITY; ALTER TABLE public.owned ENABLE ROW LEVEL "
      "SECURITY; ALTER TABLE public.forced ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;"
      "ALTER TABLE public.owned OWNER TO reader_{0}; ALTER TABLE public.forced OWNER TO reader_{0}",
      database_));
  const std::vector<TableName> all = {
      {"public", "open"}, {"public", "secured"}, {"public", "owned"}, {"public", "forced"}};
  auto hidden_from = [&](const std::string& role) {
    auto address = the_cluster().url(database_, role);
    auto on_legacy = must(make_source_admin(address, migration_)->read_facts(all));
    auto on_new = must(make_target_admin(address, migration_)->read_facts(all));
    EXPECT_EQ(on_legacy.rows_hidden, on_new.rows_hidden);
    EXPECT_EQ(on_legacy.rows_hidden.size() + on_legacy.is_empty.size(), all.size());
    return on_legacy.rows_hidden;
  };
  EXPECT_THAT(hidden_from("reader_" + database_),
              UnorderedElementsAre(TableName{"public", "secured"}, TableName{"public", "forced"}));
  EXPECT_THAT(hidden_from("bypassing_" + database_), IsEmpty());
  EXPECT_THAT(hidden_from("postgres"), IsEmpty());
}

TEST_F(SourceAdminTest, TheStreamIsMadeOnceAndGrowsByTables) {
  sql("CREATE TABLE public.a (id int PRIMARY KEY); CREATE TABLE public.b (id int PRIMARY KEY)");
  auto first = must(admin_->ensure_stream({{"public", "a"}}));
  auto again = must(admin_->ensure_stream({{"public", "a"}, {"public", "b"}}));
  EXPECT_EQ(first, again);
  EXPECT_THAT(sql("SELECT tablename FROM pg_publication_tables ORDER BY 1"), ElementsAre("a", "b"));
}

TEST_F(SourceAdminTest, HealthCountsTheLogThatTheSlotKeeps) {
  must(admin_->ensure_stream({}));
  sql("CREATE TABLE public.t AS SELECT i, repeat('x', 500) FROM generate_series(1, 2000) i");
  auto health = must(admin_->read_health());
  EXPECT_GT(health.retained_wal_bytes, 1u << 20);
  EXPECT_EQ(health.slot_wal_status, "reserved");
  EXPECT_GT(health.log_end, Lsn(0));
}

TEST_F(SourceAdminTest, AMarkerIsBehindEverythingCommittedBefore) {
  auto snapshot = must(admin_->current_snapshot());
  EXPECT_GE(snapshot.xmax, snapshot.xmin);
  auto before = parse_lsn(sql_value("SELECT pg_current_wal_flush_lsn()")).value();
  EXPECT_GT(must(admin_->emit_marker("it's a \"marker\" \\ with everything")), before);
}

TEST_F(SourceAdminTest, AMarkerDoesNotWaitForASynchronousStandby) {
  sql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
  sql("SELECT pg_reload_conf()");
  auto marked = run(admin_->emit_marker("x"));
  sql("ALTER SYSTEM RESET synchronous_standby_names");
  sql("SELECT pg_reload_conf()");
  EXPECT_TRUE(marked);
}

TEST_F(SourceAdminTest, IdentitiesAreChangedAndPutBack) {
  sql("CREATE TABLE public.t (id int PRIMARY KEY, v int NOT NULL); CREATE UNIQUE INDEX t_v ON public.t (v);"
      "CREATE TABLE public.u (id int NOT NULL UNIQUE); ALTER TABLE public.u REPLICA IDENTITY USING INDEX "
      "u_id_key");
  auto identities = [&] {
    return sql("SELECT relname, relreplident FROM pg_class WHERE relname IN ('t', 'u') ORDER BY 1");
  };
  must(admin_->change_identity({{"public", "t"}, ReplicaIdentity::index, "t_v"}));
  must(admin_->change_identity({{"public", "t"}, ReplicaIdentity::full, ""}));
  must(admin_->change_identity({{"public", "u"}, ReplicaIdentity::full, ""}));
  EXPECT_THAT(identities(), ElementsAre("t|f", "u|f"));
  EXPECT_THAT(must(admin_->remove()), Contains("restored the replica identity of public.t"));
  EXPECT_THAT(identities(), ElementsAre("t|d", "u|i"));
}

TEST_F(SourceAdminTest, TheIdentityOfAPartitionedTableIsThatOfItsLeaves) {
  sql("CREATE TABLE public.p (id int NOT NULL, v int NOT NULL) PARTITION BY RANGE (id);"
      "CREATE TABLE public.p1 PARTITION OF public.p FOR VALUES FROM (0) TO (10);"
      "CREATE UNIQUE INDEX p_id_v ON public.p (id, v)");
  must(admin_->change_identity({{"public", "p"}, ReplicaIdentity::index, "p_id_v"}));
  EXPECT_THAT(sql("SELECT relname, relreplident FROM pg_class WHERE relname IN ('p', 'p1') ORDER BY 1"),
              ElementsAre("p|i", "p1|i"));
  must(admin_->remove());
  EXPECT_THAT(traces(), IsEmpty());
}

TEST_F(SourceAdminTest, AnIdentityWaitsForItsLockInSmallSteps) {
  sql("CREATE TABLE public.t (id int)");
  auto holder = must(Connection::open(settings()));
  must(holder->exec("BEGIN; LOCK TABLE public.t"));
  auto change = [&]() -> Task<void> {
    co_return co_await admin_->change_identity({{"public", "t"}, ReplicaIdentity::full, ""});
  };
  auto release = [&]() -> Task<void> {
    // Released only after the first attempt has given up: the second one succeeds.
    CO_TRY(co_await holder->exec("SELECT pg_sleep(2.2)"));
    CO_TRY(co_await holder->exec("COMMIT"));
    co_return Status{};
  };
  TaskGroup group(io_.get_executor());
  auto both = [&]() -> Task<void> {
    group.spawn(change());
    group.spawn(release());
    co_return co_await group.wait();
  };
  must(both());
  EXPECT_EQ(sql_value("SELECT relreplident FROM pg_class WHERE relname = 't'"), "f");
}

TEST_F(SourceAdminTest, SmallTablesAreCutExactly) {
  sql("CREATE TABLE public.t (id int PRIMARY KEY); INSERT INTO public.t SELECT i * 10 FROM "
      "generate_series(0, 9) i");
  EXPECT_THAT(cuts({"public", "t"}, {{"id", kInt4}}, 4), ElementsAre("40", "80"));
  EXPECT_THAT(cuts({"public", "t"}, {{"id", kInt4}}, 100), IsEmpty());
  auto bounds = must(admin_->plan_ranges({"public", "t"}, {{"id", kInt4}}, 5));
  ASSERT_THAT(bounds, SizeIs(1));
  EXPECT_EQ(bounds[0].tuple, tuple({int4(50)}));
}

TEST_F(SourceAdminTest, LargeTablesAreCutBySamplingIntoSimilarParts) {
  sql("CREATE TABLE public.t (a bigint, b text COLLATE \"C\", pad text, PRIMARY KEY (a, b));"
      "INSERT INTO public.t SELECT i / 7, 'b' || i % 7, repeat('x', 20) FROM generate_series(1, 300000) i; "
      "ANALYZE public.t");
  auto bounds = must(admin_->plan_ranges({"public", "t"}, {{"a", kInt8}, {"b", kText}}, 1000));
  EXPECT_GT(bounds.size(), 250u);
  EXPECT_LT(bounds.size(), 350u);
  std::string before = "SELECT count(*) FROM public.t WHERE (a, b) < ('{}', '{}')";
  std::int64_t last = 0;
  std::int64_t largest = 0;
  for (const auto& bound : bounds) {
    auto count =
        std::stoll(sql_value(fmt::format(fmt::runtime(before), bound.literals[0], bound.literals[1])));
    EXPECT_GT(count, last);
    largest = std::max<std::int64_t>(largest, count - last);
    last = count;
  }
  EXPECT_LT(largest, 3000);
}

TEST_F(SourceAdminTest, TablesWhoseOrderWeCannotTellAreNotCut) {
  sql("CREATE TABLE public.t (id text PRIMARY KEY, n numeric); INSERT INTO public.t SELECT i, i FROM "
      "generate_series(1, 100) i");
  EXPECT_THAT(cuts({"public", "t"}, {{"id", kText, false}}, 10), IsEmpty());
  Type numeric{.oid = 1700, .schema = "pg_catalog", .name = "numeric", .sql = "numeric"};
  EXPECT_THAT(cuts({"public", "t"}, {{"n", numeric}}, 10), IsEmpty());
  EXPECT_THAT(cuts({"public", "t"}, {{"id", kText, true}}, 50), SizeIs(1));
}

TEST_F(SourceAdminTest, RemoveLeavesNothingAndMayBeRepeated) {
  sql("CREATE TABLE public.t (id int PRIMARY KEY)");
  must(admin_->ensure_stream({{"public", "t"}}));
  must(admin_->change_identity({{"public", "t"}, ReplicaIdentity::full, ""}));
  auto done = must(admin_->remove());
  EXPECT_THAT(done, Contains("dropped replication slot " + slot_name(migration_)));
  EXPECT_THAT(done, Contains("dropped publication " + slot_name(migration_)));
  EXPECT_THAT(done, Contains("dropped schema oxbow"));
  EXPECT_THAT(traces(), IsEmpty());
  EXPECT_THAT(must(admin_->remove()), IsEmpty());
}

// What was changed for the stream stays for the next one: only the log is released.
TEST_F(SourceAdminTest, AStreamThatIsGivenUpLosesItsSlotEvenWhileItIsRead) {
  sql("CREATE TABLE public.t (id int PRIMARY KEY)");
  must(admin_->change_identity({{"public", "t"}, ReplicaIdentity::full, ""}));
  auto start = must(admin_->ensure_stream({{"public", "t"}}));
  auto reader = make_log_stream(url(), migration_, start, LargeTransactions::whole);
  must(admin_->emit_marker("x"));
  std::vector<LogEvent> events;
  must(reader->read(events));
  EXPECT_GT(must(admin_->read_health()).retained_wal_bytes, 0u);

  must(admin_->give_up_stream());
  EXPECT_THAT(traces(),
              UnorderedElementsAre("schema oxbow", "publication " + slot_name(migration_), "identity of t"));
  auto health = must(admin_->read_health());
  EXPECT_EQ(health.slot_wal_status, "");
  EXPECT_EQ(health.retained_wal_bytes, 0u);
  Status read;
  while (read) read = run(reader->read(events));
  EXPECT_NE(read.error().code, ErrorCode::internal);
  must(admin_->give_up_stream());
}

TEST_F(SourceAdminTest, GivingUpLeavesTheSlotOfAnotherMigrationAlone) {
  auto neighbour = make_source_admin(url(), "neighbour_" + database_);
  must(neighbour->ensure_stream({}));
  must(admin_->ensure_stream({}));
  must(admin_->give_up_stream());
  EXPECT_EQ(must(neighbour->read_health()).slot_wal_status, "reserved");
  must(neighbour->remove());
}

TEST_F(SourceAdminTest, RemoveLeavesOtherMigrationsAlone) {
  sql("CREATE TABLE public.t (id int PRIMARY KEY)");
  auto neighbour = make_source_admin(url(), "neighbour_" + database_);
  must(neighbour->ensure_stream({{"public", "t"}}));
  must(admin_->ensure_stream({{"public", "t"}}));
  must(admin_->remove());
  EXPECT_THAT(traces(),
              UnorderedElementsAre("schema oxbow", "publication " + slot_name("neighbour_" + database_),
                                   "slot " + slot_name("neighbour_" + database_)));
  must(neighbour->remove());
  EXPECT_THAT(traces(), IsEmpty());
}

TEST_F(SourceAdminTest, ASessionLeftBehindByADeadRunIsEnded) {
  sql("CREATE TABLE public.t (id int PRIMARY KEY)");
  auto start = must(admin_->ensure_stream({{"public", "t"}}));
  auto dead = make_log_stream(url(), migration_, start, LargeTransactions::whole);
  must(admin_->emit_marker("x"));
  std::vector<LogEvent> events;
  must(dead->read(events));
  must(admin_->ensure_stream({{"public", "t"}}));
  auto next = make_log_stream(url(), migration_, start, LargeTransactions::whole);
  must(next->read(events));
}

TEST_F(TargetAdminTest, OnlyOneCanHaveTheLock) {
  must(admin_->lock());
  must(admin_->lock());
  auto another_process = settings();
  another_process.application_name = application_name(migration_, "lock other");
  PgTargetAdmin second(another_process, migration_);
  auto refused = run(second.lock());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::already_running);
  EXPECT_THAT(refused.error().detail, HasSubstr(database_));
  EXPECT_THAT(refused.error().detail, HasSubstr("127.0.0.1"));
  auto other_migration = make_target_admin(url(), migration_ + "_b");
  must(other_migration->lock());
}

TEST_F(TargetAdminTest, ASessionThatThisProcessHasLostDoesNotKeepTheLock) {
  must(admin_->lock());
  auto next = make_target_admin(url(), migration_);
  must(next->lock());
  EXPECT_EQ(run(admin_->read_facts({})).error().code, ErrorCode::connection_lost);
  must(next->remove());
  next.reset();
}

// A stopped server process stands for one that hangs on a disk or a network: it cannot be ended.
TEST_F(TargetAdminTest, ASessionOfOursThatCannotBeEndedIsNotWaitedForForEver) {
  must(admin_->lock());
  auto pid = static_cast<pid_t>(
      std::stol(sql_value("SELECT pid FROM pg_stat_activity WHERE starts_with(application_name, '" +
                          application_name(migration_, "lock") + "')")));
  auto next = make_target_admin(url(), migration_);
  ::kill(pid, SIGSTOP);
  auto refused = run(next->lock());
  ::kill(pid, SIGCONT);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::already_running);
  EXPECT_THAT(refused.error().detail,
              AllOf(HasSubstr(std::to_string(pid)), HasSubstr(migration_), HasSubstr("does not end")));
  must(next->lock());
  EXPECT_EQ(run(admin_->read_facts({})).error().code, ErrorCode::connection_lost);
  must(next->remove());
  next.reset();
}

TEST_F(TargetAdminTest, ALockThatNoSessionHoldsIsNotWaitedForForEver) {
  sql("BEGIN; SELECT pg_advisory_xact_lock(hashtextextended('oxbow:" + migration_ +
      "', 0)); PREPARE TRANSACTION 'holder'");
  auto refused = run(admin_->lock());
  sql("ROLLBACK PREPARED 'holder'");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::already_running);
  EXPECT_THAT(refused.error().detail, HasSubstr("prepared transaction"));
}

TEST_F(TargetAdminTest, QuarantineIsForgottenWithTheLastRangeOfItsTable) {
  must(admin_->install({}, 1));
  for (std::uint32_t table : {0u, 1u})
    for (std::uint32_t cohort : {0u, 1u})
      must(admin_->save_ranges(
          {{.id = RangeId(table * 2 + cohort + 1), .table = table, .cohorts = {CohortId(cohort)}}}));
  auto writer = make_target_writer(url(), migration_, 0);
  must(writer->begin());
  for (std::uint32_t table : {0u, 1u})
    must(writer->quarantine({.table = table, .key = "id=1", .key_tuple = tuple({int4(1)}), .reason = "no"}));
  must(writer->commit(std::nullopt));
  auto tables_in_quarantine = [&] { return sql("SELECT table_number FROM oxbow.quarantine ORDER BY 1"); };
  must(admin_->forget_cohorts({0}, {CohortId(0)}));
  EXPECT_THAT(tables_in_quarantine(), ElementsAre("0", "1"));
  must(admin_->forget_cohorts({0}, {CohortId(1)}));
  EXPECT_THAT(tables_in_quarantine(), ElementsAre("1"));
}

TEST_F(TargetAdminTest, ALostLockIsNotTakenAgainBehindTheBackOfItsHolder) {
  must(admin_->install({}, 1));
  must(admin_->lock());
  sql("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE starts_with(application_name, '" +
      application_name(migration_, "lock") + "')");
  EXPECT_EQ(run(admin_->load_stream()).error().code, ErrorCode::connection_lost);
  EXPECT_EQ(run(admin_->load_stream()).error().code, ErrorCode::connection_lost);
  must(admin_->lock());
  must(admin_->load_stream());
}

TEST_F(TargetAdminTest, TheLockEndsLanesThatADeadRunLeftBehind) {
  must(admin_->install({}, 1));
  auto dead = make_target_writer(url(), migration_, 0);
  must(dead->begin());
  must(admin_->lock());
  auto next = make_target_writer(url(), migration_, 0);
  must(next->begin());
}

TEST_F(TargetAdminTest, InstallMayBeRepeatedAndRemoveLeavesNothing) {
  sql("CREATE TABLE public.t (id int PRIMARY KEY); CREATE TABLE public.p (id int) PARTITION BY RANGE (id);"
      "CREATE TABLE public.p1 PARTITION OF public.p FOR VALUES FROM (0) TO (10)");
  must(admin_->install({{"public", "t"}, {"public", "p"}}, 2));
  must(admin_->install({{"public", "t"}, {"public", "p"}}, 3));
  EXPECT_THAT(traces(), Contains("origin " + origin_name(migration_, 2)));
  EXPECT_THAT(traces(), Contains("trigger " + watch_name(migration_)));
  auto done = must(admin_->remove());
  EXPECT_THAT(done, Contains("dropped schema oxbow"));
  EXPECT_THAT(done, Contains(fmt::format("dropped trigger {} on public.t", watch_name(migration_))));
  EXPECT_THAT(traces(), IsEmpty());
  EXPECT_THAT(must(admin_->remove()), IsEmpty());
}

TEST_F(TargetAdminTest, AStreamThatNeverCommittedHasNoPosition) {
  must(admin_->install({}, 1));
  RangeRecord record{.id = RangeId(1), .table = 2, .job = 3, .range = {{}, {tuple({int4(5)}), {"5"}}}};
  must(admin_->save_ranges({record}));
  auto stored = must(admin_->load_stream());
  EXPECT_EQ(stored.position, std::nullopt);
  ASSERT_THAT(stored.ranges, SizeIs(1));
  EXPECT_EQ(stored.ranges[0].range, record.range);
  EXPECT_THAT(stored.quarantine, IsEmpty());
}

TEST_F(TargetAdminTest, ATableThatStartsOverForgetsItsQuarantineAndRowsThatWereReadAgain) {
  must(admin_->install({}, 1));
  KeyBound five{tuple({int4(5)}), {"5"}};
  auto range = [](std::uint64_t id, std::uint32_t table, std::vector<CohortId> cohorts) {
    return RangeRecord{.id = RangeId(id), .table = table, .cohorts = std::move(cohorts)};
  };
  auto point = range(3, 1, {});
  point.range = {five, five};
  must(admin_->save_ranges({range(1, 1, {CohortId(0), CohortId(1)}), range(2, 2, {CohortId(0)}), point}));
  auto writer = make_target_writer(url(), migration_, 0);
  must(writer->begin());
  must(writer->quarantine({.table = 1, .key = "id=5", .key_tuple = five.tuple}));
  must(writer->commit(std::nullopt));
  must(admin_->forget_cohorts({1}, {CohortId(1)}));
  EXPECT_THAT(must(admin_->load_stream()).quarantine, SizeIs(1)) << "another cohort is still mirrored";
  must(admin_->forget_cohorts({1}, {CohortId(0)}));
  auto stored = must(admin_->load_stream());
  EXPECT_THAT(stored.quarantine, IsEmpty());
  ASSERT_THAT(stored.ranges, SizeIs(1));
  EXPECT_EQ(stored.ranges[0].table, 2u);
}

TEST_F(TargetAdminTest, WritesByOthersAreRecordedAndOursAreNot) {
  sql("CREATE TABLE public.t (id int PRIMARY KEY, doc json); CREATE TABLE public.p (id int) PARTITION BY "
      "RANGE (id);"
      "CREATE TABLE public.p1 PARTITION OF public.p FOR VALUES FROM (0) TO (10)");
  must(admin_->install({{"public", "t"}, {"public", "p"}}, 1));
  auto writer = make_target_writer(url(), migration_, 0);
  TargetTable t{.name = {"public", "t"}, .columns = {{.name = "id", .sql_type = "integer", .in_key = true}}};
  must(writer->begin());
  must(writer->apply(batch(t, RowOp::insert, {tuple({int4(1)})})));
  must(writer->truncate(t, false, Xid(7)));
  must(writer->commit(std::nullopt));
  EXPECT_THAT(must(admin_->rogue_writes_after(0)), IsEmpty());

  sql("INSERT INTO public.t VALUES (7, '\"\\u0000\"')");
  sql("UPDATE public.t SET doc = NULL");
  sql("DELETE FROM public.t");
  sql("TRUNCATE public.t");
  sql("INSERT INTO public.p VALUES (3)");
  auto writes = must(admin_->rogue_writes_after(0));
  ASSERT_THAT(writes, SizeIs(5));
  EXPECT_EQ(writes[0].operation, "INSERT");
  EXPECT_EQ(writes[0].table, (TableName{"public", "t"}));
  EXPECT_EQ(writes[0].before_json, "");
  EXPECT_THAT(writes[0].after_json, HasSubstr("\"id\":7"));
  EXPECT_EQ(writes[0].user, "postgres");
  EXPECT_EQ(writes[0].application, "oxbow test");
  EXPECT_EQ(writes[0].address, "127.0.0.1");
  EXPECT_GT(writes[0].at, WallTime());
  EXPECT_THAT(writes[1].before_json, HasSubstr("u0000"));
  EXPECT_EQ(writes[2].operation, "DELETE");
  EXPECT_EQ(writes[3].operation, "TRUNCATE");
  EXPECT_EQ(writes[4].table, (TableName{"public", "p"}));
  EXPECT_THAT(must(admin_->rogue_writes_after(writes.back().id)), IsEmpty());
}

TEST_F(TargetAdminTest, AWriteThatCommitsLateIsStillReported) {
  sql("CREATE TABLE public.t (id int)");
  must(admin_->install({{"public", "t"}}, 1));
  auto slow = must(Connection::open(settings()));
  must(slow->exec("BEGIN; INSERT INTO public.t VALUES (1)"));
  sql("INSERT INTO public.t VALUES (2)");
  auto first = must(admin_->rogue_writes_after(0));
  ASSERT_THAT(first, SizeIs(1));
  must(slow->exec("COMMIT"));
  auto second = must(admin_->rogue_writes_after(first[0].id));
  ASSERT_THAT(second, SizeIs(1));
  EXPECT_THAT(second[0].after_json, HasSubstr("\"id\":1"));
}

TEST_F(TargetAdminTest, AWriterThatMayNothingElseStillSucceedsAndIsRecorded) {
  auto role = "app_" + database_;
  sql("CREATE ROLE " + role + " LOGIN; CREATE TABLE public.t (id int); GRANT INSERT ON public.t TO " + role);
  must(admin_->install({{"public", "t"}}, 1));
  auto app = settings();
  app.url = the_cluster().url(database_, role);
  auto connection = must(Connection::open(app));
  must(connection->exec("INSERT INTO public.t VALUES (1)"));
  auto writes = must(admin_->rogue_writes_after(0));
  ASSERT_THAT(writes, SizeIs(1));
  EXPECT_EQ(writes[0].user, role);
}

TEST_F(TargetAdminTest, TheWriteOfAnotherSucceedsEvenIfItCannotBeRecorded) {
  sql("CREATE TABLE public.t (id int)");
  must(admin_->install({{"public", "t"}}, 1));
  sql("DROP TABLE oxbow.rogue_write");
  sql("INSERT INTO public.t VALUES (1)");
  EXPECT_EQ(sql_value("SELECT count(*) FROM public.t"), "1");
  must(admin_->install({}, 1));
}

TEST_F(TargetAdminTest, SourceAndTargetMayBeOneDatabase) {
  sql("CREATE TABLE public.a (id int PRIMARY KEY); CREATE TABLE public.b (id int PRIMARY KEY)");
  auto source = make_source_admin(url(), migration_);
  must(source->ensure_stream({{"public", "a"}}));
  must(admin_->install({{"public", "b"}}, 1));
  EXPECT_THAT(must(source->remove()), Not(Contains(HasSubstr("schema oxbow"))));
  must(admin_->load_stream());
  must(admin_->remove());
  EXPECT_THAT(traces(), IsEmpty());
}

}  // namespace
}  // namespace oxbow::postgres
