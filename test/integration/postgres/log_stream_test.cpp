#include "adapters/postgres/log_stream.hpp"

#include "adapters/postgres/postgres.hpp"
#include "integration/postgres/fixture.hpp"
#include "model/tuple.hpp"
#include "runtime/deadline.hpp"
#include "runtime/sleep.hpp"
#include "runtime/task_group.hpp"

namespace oxbow::postgres {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class LogStreamTest : public DatabaseTest {
 protected:
  LogStreamTest() {
    sql("CREATE TABLE public.t (id int PRIMARY KEY, v text)");
    start_ = must(admin_->ensure_stream({{"public", "t"}}));
    follow(LargeTransactions::whole);
  }
  ~LogStreamTest() override {
    stream_.reset();
    must(admin_->remove());
  }

  void follow(LargeTransactions large) {
    stream_.reset();
    stream_ = std::make_unique<PgLogStream>(stream_settings(), migration_, start_, large);
  }

  ConnectionSettings stream_settings() const {
    auto made = settings();
    made.application_name = "oxbow test log";
    return made;
  }

  Task<std::vector<LogEvent>> read_until_marker(std::string content) {
    std::vector<LogEvent> events;
    while (true) {
      for (const auto& event : events)
        if (auto* message = std::get_if<Message>(&event); message && message->content == content)
          co_return events;
      CO_TRY(co_await stream_->read(events));
    }
  }

  // What happens up to now, without keepalives.
  std::vector<LogEvent> read_all() {
    auto marker = "marker " + std::to_string(++markers_);
    must(admin_->emit_marker(marker));
    auto events = must(with_deadline(read_until_marker(marker), 20s));
    std::erase_if(events, [](const LogEvent& event) { return std::holds_alternative<Keepalive>(event); });
    return events;
  }

  template <class T>
  static std::vector<T> only(const std::vector<LogEvent>& events) {
    std::vector<T> out;
    for (const auto& event : events)
      if (auto* found = std::get_if<T>(&event)) out.push_back(*found);
    return out;
  }

  static std::string text_at(const std::string& tuple, std::size_t index) {
    return std::string(field_at(tuple, index).bytes);
  }

  std::string migration_ = "log_" + database_;
  std::unique_ptr<SourceAdmin> admin_ = make_source_admin(url(), migration_);
  Lsn start_;
  std::unique_ptr<PgLogStream> stream_;
  int markers_ = 0;
};

TEST_F(LogStreamTest, TellsChangesInBinaryBetweenBeginAndCommit) {
  sql("BEGIN; INSERT INTO public.t VALUES (1, 'one'); UPDATE public.t SET v = 'uno'; DELETE FROM public.t; "
      "COMMIT");
  auto events = read_all();
  ASSERT_GE(events.size(), 6u);
  EXPECT_TRUE(std::holds_alternative<Begin>(events[0]));
  EXPECT_EQ(std::get<Relation>(events[1]).name, (TableName{"public", "t"}));
  EXPECT_EQ(std::get<Insert>(events[2]).after, tuple({int4(1), "one"}));
  EXPECT_EQ(std::get<Update>(events[3]).after, tuple({int4(1), "uno"}));
  EXPECT_EQ(text_at(std::get<Delete>(events[4]).before, 0), int4(1));
  EXPECT_GT(std::get<Commit>(events[5]).end_lsn, std::get<Commit>(events[5]).commit_lsn);
}

TEST_F(LogStreamTest, ALargeCommittedTransactionMayComeInPartsWithOthersBetween) {
  sql("CREATE TABLE public.small (id int PRIMARY KEY)");
  must(admin_->ensure_stream({{"public", "t"}, {"public", "small"}}));
  follow(LargeTransactions::in_parts);
  sql("BEGIN; INSERT INTO public.t SELECT i, repeat('x', 100) FROM generate_series(1, 100000) i");
  must(admin_->emit_marker("between"));  // another session's transaction
  sql("INSERT INTO public.t SELECT i, repeat('x', 100) FROM generate_series(100001, 200000) i; COMMIT");
  auto events = read_all();

  EXPECT_EQ(only<Insert>(events).size(), 200'000u);
  auto begun = std::ranges::find_if(events, [](const LogEvent& event) {
    auto* begin = std::get_if<Begin>(&event);
    return begin != nullptr && begin->in_parts;
  });
  ASSERT_NE(begun, events.end());
  auto xid = std::get<Begin>(*begun).xid;
  auto commits = only<Commit>(events);
  EXPECT_EQ(std::ranges::count(commits, xid, &Commit::xid), 1);
  auto resumes = only<NextPart>(events);
  EXPECT_GE(resumes.size(), 2u);
  EXPECT_EQ(only<PartEnd>(events).size(), resumes.size() + 1);
  EXPECT_EQ(commits.front().xid, 0u) << "the marker between is committed first";
}

TEST_F(LogStreamTest, InPartsWhatWasRolledBackIsLeftOut) {
  sql("BEGIN; INSERT INTO public.t VALUES (0, 'kept'); SAVEPOINT s;"
      "INSERT INTO public.t SELECT i, repeat('x', 100) FROM generate_series(1, 100000) i;"
      "ROLLBACK TO SAVEPOINT s;"
      "INSERT INTO public.t SELECT -i, repeat('y', 100) FROM generate_series(1, 100000) i; COMMIT");
  follow(LargeTransactions::in_parts);
  auto events = read_all();
  ASSERT_GE(only<NextPart>(events).size(), 1u);
  auto inserts = only<Insert>(events);
  EXPECT_EQ(inserts.size(), 100'001u);
  EXPECT_TRUE(std::ranges::none_of(
      inserts, [](const Insert& insert) { return text_at(insert.after, 1).starts_with('x'); }));
}

TEST_F(LogStreamTest, ALargeTransactionThatIsStillOpenDoesNotComeInParts) {
  sql("BEGIN; INSERT INTO public.t SELECT i, repeat('x', 100) FROM generate_series(1, 200000) i");
  follow(LargeTransactions::in_parts);
  must(admin_->emit_marker("behind"));
  auto read = [&]() -> Task<void> {
    std::vector<LogEvent> events;
    while (true) CO_TRY(co_await stream_->read(events));
  };
  auto ended = run(with_deadline(read(), 20s));
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().code, ErrorCode::needs_care);
  EXPECT_THAT(ended.error().detail, HasSubstr("not committed yet"));

  sql("COMMIT");
  follow(LargeTransactions::whole);
  EXPECT_EQ(only<Insert>(read_all()).size(), 200'000u);
}

TEST_F(LogStreamTest, OpenTransactionsWithTheNewestIdsAreOpenAndNothingElse) {
  auto earlier = must(Connection::open(settings()));
  must(earlier->exec("BEGIN; SELECT pg_current_xact_id()"));
  sql("BEGIN; INSERT INTO public.t SELECT i, repeat('x', 100) FROM generate_series(1, 200000) i");
  follow(LargeTransactions::in_parts);
  auto read = [&]() -> Task<void> {
    std::vector<LogEvent> events;
    while (true) CO_TRY(co_await stream_->read(events));
  };
  TaskGroup reading(io_.get_executor());
  auto wake = [&]() -> Task<void> {
    reading.spawn(read());
    CO_TRY(co_await sleep_for(500ms));
    // Flushes the log without an id of its own, which the next snapshot would count.
    auto message = co_await earlier->exec(
        "SELECT pg_logical_emit_message(false, 'test', 'flush'); SELECT "
        "pg_switch_wal()");
    if (!message) co_return std::unexpected(message.error());
    co_return co_await reading.wait();
  };
  auto ended = run(with_deadline(wake(), 30s));
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().code, ErrorCode::needs_care) << to_string(ended.error());
}

TEST_F(LogStreamTest, SaysWhichOriginATransactionHas) {
  sql("SELECT pg_replication_origin_create('oxbow:test origin'); SELECT "
      "pg_replication_origin_session_setup('oxbow:test origin')");
  sql("INSERT INTO public.t VALUES (1, 'ours')");
  sql("SELECT pg_replication_origin_session_reset()");
  auto events = read_all();
  sql("SELECT pg_replication_origin_drop('oxbow:test origin')");
  auto origins = only<Origin>(events);
  ASSERT_EQ(origins.size(), 1u);
  EXPECT_EQ(origins[0].name, "oxbow:test origin");
}

TEST_F(LogStreamTest, ALargeValueThatDidNotChangeIsNotSent) {
  sql("ALTER TABLE public.t ALTER v SET STORAGE EXTERNAL; INSERT INTO public.t VALUES (1, repeat('x', "
      "100000))");
  sql("ALTER TABLE public.t ADD n int");
  sql("UPDATE public.t SET n = 5");
  auto updates = only<Update>(read_all());
  ASSERT_EQ(updates.size(), 1u);
  EXPECT_TRUE(has_unsent(updates[0].after));
}

TEST_F(LogStreamTest, APartitionedTableSpeaksAsItsRoot) {
  sql("CREATE TABLE public.p (id int PRIMARY KEY) PARTITION BY RANGE (id);"
      "CREATE TABLE public.p1 PARTITION OF public.p FOR VALUES FROM (0) TO (10)");
  must(admin_->ensure_stream({{"public", "t"}, {"public", "p"}}));
  sql("INSERT INTO public.p VALUES (5)");
  auto events = read_all();
  auto inserts = only<Insert>(events);
  ASSERT_EQ(inserts.size(), 1u);
  for (const auto& relation : only<Relation>(events)) {
    if (relation.id == inserts[0].relation) EXPECT_EQ(relation.name, (TableName{"public", "p"}));
  }
}

TEST_F(LogStreamTest, IsIdleOnceEverythingWasRead) {
  EXPECT_TRUE(stream_->idle());
  read_all();
  sql("INSERT INTO public.t VALUES (1, 'x')");
  auto until_busy = [&]() -> Task<void> {
    while (stream_->idle()) CO_TRY(co_await sleep_for(1ms));
    co_return Status{};
  };
  must(with_deadline(until_busy(), 20s));
  EXPECT_EQ(only<Insert>(read_all()).size(), 1u);
}

TEST_F(LogStreamTest, AskingWhetherItIsIdleTakesNothingFromAReadInProgress) {
  read_all();
  std::vector<LogEvent> events;
  TaskGroup group(io_.get_executor());
  bool idle_while_reading = false;
  auto reader = [&]() -> Task<void> {
    while (only<Insert>(events).size() < 2) CO_TRY(co_await stream_->read(events));
    co_return Status{};
  };
  auto asker = [&]() -> Task<void> {
    CO_TRY(co_await sleep_for(20ms));  // the reader waits for the server by now
    CO_TRY(co_await other_->exec("INSERT INTO public.t VALUES (1, 'x'), (2, 'y')"));
    // The socket holds the rows, but the reader has not had its turn since.
    idle_while_reading = stream_->idle();
    co_return Status{};
  };
  auto both = [&]() -> Task<void> {
    group.spawn(reader());
    group.spawn(asker());
    co_return co_await group.wait();
  };
  must(with_deadline(both(), 20s));
  EXPECT_TRUE(idle_while_reading);
  auto inserts = only<Insert>(events);
  EXPECT_EQ(inserts[0].after, tuple({int4(1), "x"}));
  EXPECT_EQ(inserts[1].after, tuple({int4(2), "y"}));
}

TEST_F(LogStreamTest, ReadsAtMostAboutAMegabyteAtOnce) {
  sql("INSERT INTO public.t SELECT i, repeat('x', 1000) FROM generate_series(1, 10000) i");
  std::size_t reads = 0;
  std::size_t rows = 0;
  std::size_t rows_at_once_max = 0;
  auto read = [&]() -> Task<void> {
    while (rows < 10000) {
      std::vector<LogEvent> events;
      CO_TRY(co_await stream_->read(events));
      auto inserts = only<Insert>(events).size();
      rows += inserts;
      rows_at_once_max = std::max(rows_at_once_max, inserts);
      ++reads;
    }
    co_return Status{};
  };
  must(with_deadline(read(), 30s));
  EXPECT_LE(rows_at_once_max, 1100u);
}

TEST_F(LogStreamTest, WhatWasConfirmedIsForgottenByTheServer) {
  sql("INSERT INTO public.t VALUES (1, 'x')");
  auto commits = only<Commit>(read_all());
  stream_->confirm(commits.back().end_lsn);
  auto forgotten = [&]() -> Task<void> {
    while (true) {
      auto rows =
          CO_TRY(co_await other_->exec_params("SELECT confirmed_flush_lsn >= $1 FROM pg_replication_slots "
                                              "WHERE active AND database = current_database()",
                                              {{to_string(commits.back().end_lsn)}}));
      if (!rows.empty() && rows.boolean(0, 0)) co_return Status{};
      CO_TRY(co_await sleep_for(5ms));
    }
  };
  must(with_deadline(forgotten(), 20s));
}

TEST_F(LogStreamTest, AStreamThatEndsSaysHowFarItWas) {
  sql("INSERT INTO public.t VALUES (1, 'x')");
  sql("INSERT INTO public.t VALUES (2, 'y')");
  auto commits = only<Commit>(read_all());
  TaskGroup group(io_.get_executor());
  auto reader = [&]() -> Task<void> {
    std::vector<LogEvent> events;
    while (true) CO_TRY(co_await stream_->read(events));
  };
  auto stop_reading = [&]() -> Task<void> {
    group.spawn(reader());
    CO_TRY(co_await sleep_for(20ms));  // the reader waits for the server by now
    group.cancel();
    co_await group.wait();
    stream_->confirm(commits[0].end_lsn);
    stream_->confirm(commits[1].end_lsn);  // so soon that it is not sent by itself
    stream_.reset();
    co_return Status{};
  };
  must(with_deadline(stop_reading(), 20s));
  sql("DO $$ BEGIN WHILE (SELECT active FROM pg_replication_slots WHERE database = current_database()) LOOP "
      "PERFORM pg_sleep(0.01); END LOOP; END $$");
  EXPECT_EQ(sql_value("SELECT confirmed_flush_lsn >= '" + to_string(commits[1].end_lsn) +
                      "' FROM pg_replication_slots WHERE database = current_database()"),
            "t");
}

TEST_F(LogStreamTest, ATransactionOf100MegabytesStaysInTheServersMemoryUnlessTheUrlSaysLess) {
  auto spilled = [&] {
    return sql_value(
        "SELECT spill_txns > 0 FROM pg_stat_replication_slots s JOIN pg_replication_slots USING "
        "(slot_name) WHERE database = current_database()");
  };
  sql("ALTER TABLE public.t ALTER v SET STORAGE EXTERNAL; INSERT INTO public.t SELECT i, repeat('x', "
      "1000000) "
      "FROM generate_series(1, 100) i");
  read_all();
  EXPECT_EQ(spilled(), "f");
  auto modest = stream_settings();
  modest.url += "?options=-c%20logical_decoding_work_mem%3D1MB";
  stream_.reset();
  stream_ = std::make_unique<PgLogStream>(modest, migration_, start_, LargeTransactions::whole);
  read_all();
  EXPECT_EQ(spilled(), "t");
}

TEST_F(LogStreamTest, ANewStreamContinuesBehindItsStart) {
  sql("INSERT INTO public.t VALUES (1, 'seen')");
  auto seen = only<Commit>(read_all()).back().end_lsn;
  sql("INSERT INTO public.t VALUES (2, 'unseen')");
  stream_ = std::make_unique<PgLogStream>(stream_settings(), migration_, seen, LargeTransactions::whole);
  auto inserts = only<Insert>(read_all());
  ASSERT_EQ(inserts.size(), 1u);
  EXPECT_EQ(text_at(inserts[0].after, 1), "unseen");
}

TEST_F(LogStreamTest, ASlotThatAnotherReadsIsNamedWithItsSession) {
  read_all();
  auto pid = sql_value("SELECT active_pid FROM pg_replication_slots WHERE database = current_database()");
  PgLogStream second(stream_settings(), migration_, start_, LargeTransactions::whole);
  std::vector<LogEvent> events;
  auto result = run(second.read(events));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::already_running);
  EXPECT_THAT(result.error().detail, HasSubstr("PID " + pid));
}

TEST_F(LogStreamTest, ASlotThatIsGoneIsALostPosition) {
  PgLogStream stream(stream_settings(), "never_made", start_, LargeTransactions::whole);
  std::vector<LogEvent> events;
  auto result = run(stream.read(events));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::lost_position);
  EXPECT_THAT(result.error().detail, HasSubstr("advance it again"));
}

TEST_F(LogStreamTest, ATerminatedSessionIsALostConnection) {
  read_all();
  sql("SELECT pg_terminate_backend(active_pid, 5000) FROM pg_replication_slots WHERE database = "
      "current_database()");
  auto drain = [&]() -> Task<void> {
    std::vector<LogEvent> events;
    while (true) CO_TRY(co_await stream_->read(events));
  };
  EXPECT_EQ(run(with_deadline(drain(), 20s)).error().code, ErrorCode::connection_lost);
}

TEST_F(LogStreamTest, TheServerIsKeptInformedWhileNobodyReads) {
  auto impatient = stream_settings();
  impatient.url += "?options=-c%20wal_sender_timeout%3D2s";
  stream_ = std::make_unique<PgLogStream>(impatient, migration_, start_, LargeTransactions::whole);
  read_all();
  must(sleep_for(4s));
  sql("INSERT INTO public.t VALUES (1, 'x')");
  EXPECT_EQ(only<Insert>(read_all()).size(), 1u);
}

}  // namespace
}  // namespace oxbow::postgres
