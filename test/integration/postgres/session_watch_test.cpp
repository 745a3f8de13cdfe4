// For whom our sessions wait, asked while they do.
#include "adapters/postgres/session_watch.hpp"

#include "adapters/postgres/names.hpp"
#include "integration/postgres/fixture.hpp"
#include "runtime/real_clock.hpp"
#include "runtime/sleep.hpp"
#include "runtime/task_group.hpp"

namespace oxbow::postgres {
namespace {

using namespace std::chrono_literals;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class SessionWatchTest : public DatabaseTest {
 protected:
  SessionWatchTest() { sql("CREATE TABLE public.t (id int); INSERT INTO public.t VALUES (1)"); }

  ConnectionSettings named(std::string application) const {
    return {.url = url(), .application_name = std::move(application)};
  }
  ConnectionSettings ours(std::string_view role) const { return named(application_name(migration_, role)); }

  std::unique_ptr<Connection> holding(ConnectionSettings settings) {
    auto holder = must(Connection::open(settings));
    must(holder->exec("BEGIN; UPDATE public.t SET id = 2"));
    return holder;
  }

  // What the watch says while `settings` waits for the row, until which `release` is run.
  std::vector<SessionWait> seen_while_waiting(ConnectionSettings settings,
                                              std::function<Task<void>()> release) {
    std::vector<SessionWait> seen;
    auto wait = [&]() -> Task<void> {
      auto waiter = CO_TRY(co_await Connection::open(settings));
      CO_TRY(co_await waiter->exec("UPDATE public.t SET id = 3"));
      co_return Status{};
    };
    auto look = [&]() -> Task<void> {
      auto give_up_at = monotonic_now() + kLookFor;
      while (seen.empty() && monotonic_now() < give_up_at) {
        CO_TRY(co_await sleep_for(50ms));
        seen = CO_TRY(co_await watch_.read_waits());
      }
      co_return co_await release();
    };
    auto both = [&]() -> Task<void> {
      TaskGroup group(io_.get_executor());
      group.spawn(wait());
      group.spawn(look());
      co_return co_await group.wait();
    };
    must(both());
    return seen;
  }

  static Task<void> perform(Connection& connection, std::string statement) {
    CO_TRY(co_await connection.exec(statement));
    co_return Status{};
  }
  static Task<void> commit(Connection& holder) { return perform(holder, "COMMIT"); }

  static constexpr Duration kLookFor = 3s;  // a wait is shown after half a second
  std::string migration_ = "watch_" + database_;
  PgSessionWatch watch_{ours("watch"), migration_};
};

TEST_F(SessionWatchTest, NamesWhoHoldsTheLockAndSinceWhen) {
  auto holder = holding(named("nightly job"));
  auto waits = seen_while_waiting(ours("lane 0"), [&] { return commit(*holder); });
  ASSERT_THAT(waits, SizeIs(1));
  EXPECT_EQ(waits[0].role, SessionRole::apply);
  EXPECT_EQ(waits[0].who, "nightly job of postgres");
  EXPECT_GT(waits[0].pid, 0);
  EXPECT_TRUE(waits[0].idle_in_transaction);
  ASSERT_TRUE(waits[0].age);
  EXPECT_GE(*waits[0].age, 500ms);
  EXPECT_LT(*waits[0].age, 60s);
  EXPECT_THAT(must(watch_.read_waits()), IsEmpty());
}

TEST_F(SessionWatchTest, TellsWhatTheWaitingSessionIsFor) {
  for (auto [role, expected] :
       {std::pair("lane 1", SessionRole::copy), std::pair("reader", SessionRole::copy),
        std::pair("admin", SessionRole::set_up), std::pair("lock 0a", SessionRole::set_up),
        std::pair("log", SessionRole::read_log)}) {
    auto holder = holding(named("x"));
    auto waits = seen_while_waiting(ours(role), [&] { return commit(*holder); });
    ASSERT_THAT(waits, SizeIs(1)) << role;
    EXPECT_EQ(waits[0].role, expected) << role;
  }
}

TEST_F(SessionWatchTest, NamesAPreparedTransaction) {
  sql("BEGIN; UPDATE public.t SET id = 2; PREPARE TRANSACTION 'forgotten'");
  auto waits =
      seen_while_waiting(ours("lane 0"), [&] { return perform(*other_, "COMMIT PREPARED 'forgotten'"); });
  ASSERT_THAT(waits, SizeIs(1));
  EXPECT_EQ(waits[0].who, "forgotten");
  EXPECT_EQ(waits[0].pid, 0);
  EXPECT_FALSE(waits[0].idle_in_transaction);
  ASSERT_TRUE(waits[0].age);
  EXPECT_GE(*waits[0].age, 500ms);
}

TEST_F(SessionWatchTest, OurOwnLocksAndWaitsOfOthersAreNobodysBusiness) {
  auto own = holding(ours("lane 2"));
  EXPECT_THAT(seen_while_waiting(ours("lane 1"), [&] { return commit(*own); }), IsEmpty());
  auto holder = holding(named("x"));
  EXPECT_THAT(seen_while_waiting(named("the application"), [&] { return commit(*holder); }), IsEmpty());
}

}  // namespace
}  // namespace oxbow::postgres
