#include "adapters/postgres/connection.hpp"

#include <fmt/core.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "integration/postgres/fixture.hpp"
#include "runtime/deadline.hpp"
#include "runtime/sleep.hpp"
#include "runtime/task_group.hpp"

namespace oxbow::postgres {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class ConnectionTest : public DatabaseTest {
 protected:
  std::unique_ptr<Connection> connection_ = must(Connection::open(settings()));
};

// Accepts connections and never says a word.
class SilentServer {
 public:
  SilentServer() : socket_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    bind(socket_, reinterpret_cast<sockaddr*>(&address), size);
    listen(socket_, 5);
    getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
  }
  ~SilentServer() { close(socket_); }

  std::string url() const { return fmt::format("postgresql://someone:secret@127.0.0.1:{}/x", port_); }

 private:
  int socket_;
  int port_ = 0;
};

TEST_F(ConnectionTest, SpeaksAFixedDialectWhateverTheDatabaseSays) {
  sql(fmt::format(
      "ALTER DATABASE {0} SET datestyle = 'German'; ALTER DATABASE {0} SET timezone = 'Asia/Tokyo';"
      "ALTER DATABASE {0} SET default_transaction_isolation = 'serializable'",
      database_));
  auto fresh = must(Connection::open(settings()));
  auto rows =
      must(fresh->exec("SELECT '2026-11-21 06:00+00'::timestamptz, current_setting('search_path'), "
                       "current_setting('application_name'), current_setting('transaction_isolation')"));
  EXPECT_EQ(rows.text(0, 3), "read committed");
  EXPECT_EQ(rows.text(0, 0), "2026-11-21 06:00:00+00");
  EXPECT_EQ(rows.text(0, 1), "pg_catalog");
  EXPECT_EQ(rows.text(0, 2), "oxbow test");
}

TEST_F(ConnectionTest, IsRefusedATableRatherThanShownAPartOfIt) {
  auto reader = "half_blind_" + database_;
  sql(fmt::format(
      "CREATE ROLE {0} LOGIN; CREATE TABLE public.t (id int); INSERT INTO public.t VALUES (1), (2);"
      "GRANT SELECT ON public.t TO {0}; ALTER TABLE public.t ENABLE ROW LEVEL SECURITY;"
      "CREATE POLICY half ON public.t USING (id = 1)",
      reader));
  auto as_reader = settings();
  as_reader.url = the_cluster().url(database_, reader);
  auto connection = must(Connection::open(as_reader));
  auto read = run(connection->exec("SELECT id FROM public.t"));
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, ErrorCode::access_denied);
}

TEST_F(ConnectionTest, KeepsTheOptionsOfTheUser) {
  auto with_option = settings();
  with_option.url += "?options=-c%20work_mem%3D7MB";
  auto fresh = must(Connection::open(with_option));
  EXPECT_EQ(must(fresh->exec("SHOW work_mem")).text(0, 0), "7MB");
}

TEST_F(ConnectionTest, ParametersAndResultsCanBeBinary) {
  auto rows = must(connection_->exec_params("SELECT $1::int8 + 1, $2::text IS NULL", {{int8(41), true}, {}},
                                            Format::binary));
  EXPECT_EQ(rows.text(0, 0), int8(42));
}

TEST_F(ConnectionTest, ARefusedStatementLeavesTheSessionOpen) {
  sql("CREATE TABLE public.t (id int PRIMARY KEY, amount int CONSTRAINT positive CHECK (amount > 0))");
  auto result = run(connection_->exec("INSERT INTO public.t VALUES (1, -5)"));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::row_rejected);
  EXPECT_THAT(result.error().detail, StartsWith("23514 "));
  EXPECT_THAT(result.error().detail, HasSubstr("constraint positive"));
  EXPECT_THAT(result.error().detail, HasSubstr("public.t"));
  EXPECT_THAT(result.error().detail, HasSubstr(database_));
  EXPECT_EQ(sqlstate_of(result.error()), "23514");
  EXPECT_EQ(must(connection_->exec("SELECT 1")).text(0, 0), "1");
}

TEST_F(ConnectionTest, APipelineStopsAtItsFirstError) {
  sql("CREATE TABLE public.t (id int PRIMARY KEY)");
  auto result = run(connection_->pipeline({{"INSERT INTO public.t VALUES (1)"},
                                           {"INSERT INTO public.t VALUES (1)"},
                                           {"INSERT INTO public.t VALUES (2)"}}));
  EXPECT_EQ(result.error().code, ErrorCode::row_rejected);
  EXPECT_EQ(sql_value("SELECT count(*) FROM public.t"), "0");
  EXPECT_EQ(must(connection_->pipeline({{"SELECT 1"}, {"SELECT $1::int + 1", {{"1"}}}}))[1].text(0, 0), "2");
}

TEST_F(ConnectionTest, CopiesBothWays) {
  sql("CREATE TABLE public.t (id int)");
  must(connection_->copy_in_begin("COPY public.t FROM STDIN"));
  must(connection_->copy_in_write("1\n2\n"));
  EXPECT_EQ(must(connection_->copy_in_end()), 2u);
  must(connection_->copy_out_begin("COPY public.t TO STDOUT"));
  EXPECT_EQ(must(connection_->copy_out_next()), "1\n");
  EXPECT_EQ(must(connection_->copy_out_next()), "2\n");
  EXPECT_EQ(must(connection_->copy_out_next()), std::nullopt);
  EXPECT_EQ(must(connection_->exec("SELECT 1")).text(0, 0), "1");
}

TEST_F(ConnectionTest, ACopyThatIsRefusedSaysWhichLine) {
  sql("CREATE TABLE public.t (id int PRIMARY KEY)");
  must(connection_->copy_in_begin("COPY public.t FROM STDIN"));
  must(connection_->copy_in_write("1\n1\n"));
  auto ended = run(connection_->copy_in_end());
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().code, ErrorCode::row_rejected);
  EXPECT_THAT(ended.error().detail, HasSubstr("COPY t, line 2"));
  EXPECT_TRUE(connection_->is_open());
}

TEST_F(ConnectionTest, ATerminatedSessionIsALostConnection) {
  auto pid = must(connection_->exec("SELECT pg_backend_pid()")).text(0, 0);
  sql("SELECT pg_terminate_backend(" + pid + ", 5000)");
  auto result = run(connection_->exec("SELECT 1"));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::connection_lost);
  EXPECT_FALSE(connection_->is_open());
  EXPECT_EQ(run(connection_->exec("SELECT 1")).error().code, ErrorCode::connection_lost);
}

TEST_F(ConnectionTest, ASessionThatWasEndedWhileItRestedIsNotOpenAnyMore) {
  must(connection_->exec("SELECT 1"));
  EXPECT_TRUE(connection_->is_still_open());
  auto pid = must(connection_->exec("SELECT pg_backend_pid()")).text(0, 0);
  sql("SELECT pg_terminate_backend(" + pid + ", 5000)");
  EXPECT_FALSE(connection_->is_still_open());
  EXPECT_FALSE(connection_->is_open());
}

TEST_F(ConnectionTest, ASessionTerminatedInsideACopyIsALostConnection) {
  sql("CREATE TABLE public.t AS SELECT i, repeat('x', 1000) FROM generate_series(1, 100000) i");
  auto pid = must(connection_->exec("SELECT pg_backend_pid()")).text(0, 0);
  must(connection_->copy_out_begin("COPY public.t TO STDOUT"));
  sql("SELECT pg_terminate_backend(" + pid + ", 5000)");
  auto drain = [&]() -> Task<void> {
    while (CO_TRY(co_await connection_->copy_out_next())) {
    }
    co_return Status{};
  };
  EXPECT_EQ(run(drain()).error().code, ErrorCode::connection_lost);
}

TEST_F(ConnectionTest, AWrongPasswordIsAccessDeniedAndIsNotPrinted) {
  sql("CREATE ROLE careful LOGIN PASSWORD 'right'");
  auto hba_file = sql_value("SHOW hba_file");
  sql("COPY (SELECT 'host all careful 127.0.0.1/32 scram-sha-256' UNION ALL SELECT "
      "'host all all 127.0.0.1/32 trust') TO '" +
      hba_file + "'");
  sql("SELECT pg_reload_conf()");
  auto with = [&](const std::string& login) {
    ConnectionSettings made = settings();
    made.url = fmt::format("postgresql://{}@127.0.0.1:{}/{}", login, the_cluster().port(), database_);
    return run(Connection::open(made));
  };
  EXPECT_TRUE(with("careful:right"));
  auto refused = with("careful:hunter2");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::access_denied);
  EXPECT_THAT(refused.error().detail, Not(HasSubstr("hunter2")));
  EXPECT_THAT(refused.error().detail, HasSubstr(database_));
  EXPECT_EQ(with("careful").error().code, ErrorCode::access_denied);
}

TEST_F(ConnectionTest, AMissingDatabaseAndAMissingServerAreToldApart) {
  auto to = settings();
  to.url = the_cluster().url("no_such_database");
  EXPECT_EQ(run(Connection::open(to)).error().code, ErrorCode::not_found);
  to.url = "postgresql://postgres@127.0.0.1:1/x";
  EXPECT_EQ(run(Connection::open(to)).error().code, ErrorCode::unreachable);
  to.url = "postgresql://postgres:hunter2@[::1/x";
  auto unreadable = run(Connection::open(to));
  EXPECT_EQ(unreadable.error().code, ErrorCode::spec_invalid);
  EXPECT_THAT(unreadable.error().detail, Not(HasSubstr("hunter2")));
}

TEST_F(ConnectionTest, AServerThatNeverAnswersTheLoginIsUnreachable) {
  SilentServer server;
  auto to = settings();
  to.url = server.url();
  to.connect_max = 50ms;
  auto result = run(Connection::open(to));
  EXPECT_EQ(result.error().code, ErrorCode::unreachable);
  EXPECT_THAT(result.error().detail, Not(HasSubstr("secret")));
}

TEST_F(ConnectionTest, AStatementThatStaysSilentTimesOut) {
  connection_->set_silence_max(50ms);
  auto result = run(connection_->exec("SELECT pg_sleep(3600)"));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::timeout);
  EXPECT_FALSE(connection_->is_open());
}

TEST_F(ConnectionTest, ATaskCanBeStoppedInsideAStatement) {
  auto result = run(with_deadline(connection_->exec("SELECT pg_sleep(3600)"), 50ms));
  EXPECT_EQ(result.error().code, ErrorCode::timeout);
  EXPECT_FALSE(connection_->is_open());
}

TEST_F(ConnectionTest, AStatementThatNobodyWaitsForEndsOnTheServer) {
  auto pid = must(connection_->exec("SELECT pg_backend_pid()")).text(0, 0);
  connection_->set_silence_max(50ms);
  EXPECT_FALSE(run(connection_->exec("SELECT pg_sleep(3600)")));
  auto gone = [&]() -> Task<void> {
    while (true) {
      auto rows = CO_TRY(co_await other_->exec("SELECT 1 FROM pg_stat_activity WHERE pid = " + pid));
      if (rows.empty()) co_return Status{};
      CO_TRY(co_await sleep_for(20ms));
    }
  };
  EXPECT_TRUE(run(with_deadline(gone(), 30s)));
}

}  // namespace
}  // namespace oxbow::postgres
