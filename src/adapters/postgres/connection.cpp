#include "adapters/postgres/connection.hpp"

#include <fmt/format.h>
#include <poll.h>

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/assert.hpp"

namespace oxbow::postgres {

namespace asio = boost::asio;

namespace {

using WaitFor = asio::posix::stream_descriptor::wait_type;
using Clock = std::chrono::steady_clock;

// Who is asked to stop in the middle of a statement cannot know what becomes of it, so its session is closed.
enum class OnCancel { close, stay_open };

constexpr int kOldestServer = 140000;  // the first that puts logical messages into pgoutput

// Every session speaks the same dialect, whatever the role or the database has set: text forms that read back
// exactly, names that resolve only to what we wrote, and no timeout but our own. The server, too, looks
// whether we are still there: a session that nobody can reach any more must not keep its locks for hours.
constexpr std::string_view kSessionOptions =
    "-c DateStyle=ISO,YMD -c IntervalStyle=postgres -c TimeZone=UTC "
    "-c extra_float_digits=1 -c bytea_output=hex -c xmloption=content "
    "-c search_path=pg_catalog -c standard_conforming_strings=on "
    "-c default_transaction_isolation=read\\ committed -c default_transaction_read_only=off "
    "-c statement_timeout=0 -c lock_timeout=0 "
    "-c idle_in_transaction_session_timeout=0 -c idle_session_timeout=0 "
    "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=4 "
    "-c tcp_user_timeout=30000 -c client_connection_check_interval=2s "
    "-c client_min_messages=error -c jit=off -c row_security=off";

// Ends waits that last too long. One timer serves a session for its life: a wait only writes down until when
// it may last, and the timer looks at that when it fires. Shared with the timer's handler, which may outlive
// the session.
struct Watchdog {
  explicit Watchdog(asio::any_io_executor executor) : socket(executor), timer(executor) {}

  asio::posix::stream_descriptor socket;
  asio::steady_timer timer;
  Clock::time_point until = Clock::time_point::max();
  bool armed = false;
  bool expired = false;
};

void arm(const std::shared_ptr<Watchdog>& dog) {
  dog->armed = true;
  dog->timer.expires_at(dog->until);
  dog->timer.async_wait([dog](const boost::system::error_code& error) {
    if (error) return;
    dog->armed = false;
    if (dog->until == Clock::time_point::max()) return;
    if (Clock::now() < dog->until) return arm(dog);
    dog->expired = true;
    dog->socket.cancel();
  });
}

void ignore_notice(void*, const PGresult*) {}

struct ConninfoFree {
  void operator()(PQconninfoOption* options) const { PQconninfoFree(options); }
};

// The `options` that the user wrote into the URL, or nothing if it is no URL.
std::optional<std::string> options_in(const std::string& url) {
  char* error = nullptr;
  std::unique_ptr<PQconninfoOption, ConninfoFree> parsed(PQconninfoParse(url.c_str(), &error));
  PQfreemem(error);
  if (!parsed) return std::nullopt;
  for (auto* option = parsed.get(); option->keyword; ++option)
    if (std::string_view(option->keyword) == "options" && option->val) return option->val;
  return "";
}

PGconn* start_connect(const ConnectionSettings& settings, const std::string& user_options) {
  auto options = fmt::format("{} {} {}", settings.defaults, user_options, kSessionOptions);
  // What stands before dbname is a default that the URL may change; what stands behind it is not negotiable.
  std::array<const char*, 10> keys = {"keepalives_idle",
                                      "keepalives_interval",
                                      "keepalives_count",
                                      "tcp_user_timeout",
                                      "dbname",
                                      "application_name",
                                      "client_encoding",
                                      "options",
                                      settings.replication ? "replication" : nullptr,
                                      nullptr};
  std::array<const char*, 10> values = {"10",
                                        "5",
                                        "4",
                                        "30000",
                                        settings.url.c_str(),
                                        settings.application_name.c_str(),
                                        "UTF8",
                                        options.c_str(),
                                        settings.replication ? "database" : nullptr,
                                        nullptr};
  return PQconnectStartParams(keys.data(), values.data(), 1);
}

std::string or_default(const char* text, std::string_view fallback) {
  return text && *text ? std::string(text) : std::string(fallback);
}

}  // namespace

struct Connection::Impl {
  PGconn* conn = nullptr;
  std::shared_ptr<Watchdog> dog;
  Endpoint endpoint;
  Duration silence_max{};
  char* copied = nullptr;  // the message that copy_*_next gave out last

  Impl() = default;
  Impl(const Impl&) = delete;
  ~Impl() { close(); }

  void close() {
    if (!conn) return;
    PQfreemem(std::exchange(copied, nullptr));
    dog->until = Clock::time_point::max();
    dog->timer.cancel();
    if (dog->socket.is_open()) dog->socket.release();
    PQfinish(std::exchange(conn, nullptr));
  }

  std::unexpected<Error> closed() const {
    return std::unexpected(broken_error("the connection was closed before", endpoint));
  }

  std::unexpected<Error> broken() {
    Error error = broken_error(PQerrorMessage(conn), endpoint);
    close();
    return std::unexpected(std::move(error));
  }

  std::unexpected<Error> cancelled(OnCancel on_cancel) {
    if (on_cancel == OnCancel::close) close();
    return Err(ErrorCode::cancelled);
  }

  // Waits until the socket can be read or written. Closes the session on any error.
  Task<void> wait(WaitFor what, Clock::time_point until, OnCancel on_cancel = OnCancel::close) {
    auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none) co_return cancelled(on_cancel);
    dog->until = until;
    if (!dog->armed || dog->timer.expiry() > until) arm(dog);
    auto [error] = co_await dog->socket.async_wait(what, asio::as_tuple(asio::use_awaitable));
    if (!conn) co_return closed();  // a send from elsewhere found the connection broken
    dog->until = Clock::time_point::max();
    if (dog->expired) {
      close();
      co_return Err(ErrorCode::timeout, "{} has not answered for {}", to_string(endpoint),
                    human_duration(silence_max));
    }
    if (error) co_return cancelled(on_cancel);
    co_return Status{};
  }

  // False if the server has closed the connection; what it said before can still be read from libpq's buffer.
  bool consume() {
    // A TLS record may hold more than one read returns, and the socket does not become readable for the rest.
    int reads = PQsslInUse(conn) ? 3 : 1;
    for (; reads > 0; --reads)
      if (PQconsumeInput(conn) == 0) return false;
    return true;
  }

  // A server says nothing between two statements, but for news of a setting, or its end.
  bool is_told_something_at_rest() const {
    if (PQtransactionStatus(conn) == PQTRANS_ACTIVE) return false;
    pollfd socket{.fd = PQsocket(conn), .events = POLLIN, .revents = 0};
    return ::poll(&socket, 1, 0) > 0;
  }

  Task<void> wait_readable(OnCancel on_cancel = OnCancel::close) {
    return wait(WaitFor::wait_read, Clock::now() + silence_max, on_cancel);
  }

  // The server may answer only after a send is complete, and it sends no notices, so nothing needs reading
  // meanwhile.
  Task<void> flush() {
    while (true) {
      int left = PQflush(conn);
      if (left < 0) co_return broken();
      if (left == 0) co_return Status{};
      CO_TRY(co_await wait(WaitFor::wait_write, Clock::now() + silence_max));
    }
  }

  Task<Rows> next_result() {
    while (PQisBusy(conn)) {
      CO_TRY(co_await wait_readable());
      if (!consume()) break;
    }
    co_return Rows(PQgetResult(conn));
  }

  std::unexpected<Error> failed(const Rows& result) {
    Error error = statement_error(result.get(), endpoint);
    if (PQstatus(conn) == CONNECTION_BAD) close();
    return std::unexpected(std::move(error));
  }

  // Reads results up to the end of the statements sent, or to the beginning of a COPY.
  Task<Rows> finish() {
    CO_TRY(co_await flush());
    Rows last;
    std::optional<Error> error;
    while (true) {
      Rows result = CO_TRY(co_await next_result());
      if (!result.get()) break;
      switch (PQresultStatus(result.get())) {
        case PGRES_COMMAND_OK:
        case PGRES_TUPLES_OK:
        case PGRES_EMPTY_QUERY:
          last = std::move(result);
          break;
        case PGRES_COPY_IN:
        case PGRES_COPY_OUT:
        case PGRES_COPY_BOTH:
          co_return std::move(result);
        default:
          if (!error) error = statement_error(result.get(), endpoint);
          break;
      }
    }
    if (PQstatus(conn) == CONNECTION_BAD) close();
    if (error) co_return std::unexpected(std::move(*error));
    co_return std::move(last);
  }

  Task<void> begin_copy(std::string sql, ExecStatusType expected) {
    if (!conn) co_return closed();
    if (!PQsendQuery(conn, sql.c_str())) co_return broken();
    Rows result = CO_TRY(co_await finish());
    auto status = PQresultStatus(result.get());
    OXBOW_ASSERT(status == expected, "not a COPY: {}", sql);
    co_return Status{};
  }

  // The next message of a COPY: nothing if none is there yet; `ended` is set behind the last one.
  Result<std::optional<std::string_view>> take_copied(bool& ended) {
    PQfreemem(std::exchange(copied, nullptr));
    int size = PQgetCopyData(conn, &copied, 1);
    if (size > 0) return std::string_view(copied, static_cast<std::size_t>(size));
    ended = size < 0;
    return std::nullopt;
  }

  bool send(const Statement& statement, Format format) {
    std::vector<const char*> values;
    std::vector<int> lengths;
    std::vector<int> formats;
    for (const auto& param : statement.params) {
      values.push_back(param.value ? param.value->data() : nullptr);
      lengths.push_back(param.value ? static_cast<int>(param.value->size()) : 0);
      formats.push_back(param.binary ? 1 : 0);
    }
    int count = static_cast<int>(values.size());
    int result_format = format == Format::binary ? 1 : 0;
    if (statement.prepared)
      return PQsendQueryPrepared(conn, statement.sql.c_str(), count, values.data(), lengths.data(),
                                 formats.data(), result_format) != 0;
    return PQsendQueryParams(conn, statement.sql.c_str(), count, nullptr, values.data(), lengths.data(),
                             formats.data(), result_format) != 0;
  }

  Task<void> connect(const ConnectionSettings& settings) {
    auto deadline = Clock::now() + settings.connect_max;
    auto user_options = options_in(settings.url);
    if (!user_options)
      co_return Err(
          ErrorCode::spec_invalid,
          "a database's connection string cannot be parsed; write postgresql://user@host:port/database, with "
          "special characters in a user or password as percent codes: @ is %40, / is %2F, # is %23");
    silence_max = settings.connect_max;
    conn = start_connect(settings, *user_options);
    OXBOW_ASSERT(conn, "out of memory");
    PQsetErrorVerbosity(conn, PQERRORS_VERBOSE);  // the only way to the SQLSTATE of a refused login
    PQsetNoticeReceiver(conn, ignore_notice, nullptr);
    auto next = PGRES_POLLING_WRITING;
    while (true) {
      endpoint = {or_default(PQhost(conn), "localhost"), or_default(PQport(conn), "5432"),
                  or_default(PQdb(conn), "?")};
      if (PQstatus(conn) == CONNECTION_BAD || next == PGRES_POLLING_FAILED) {
        Error error = connect_error(PQerrorMessage(conn), endpoint);
        close();
        co_return std::unexpected(std::move(error));
      }
      if (next == PGRES_POLLING_OK) break;
      dog->socket.assign(PQsocket(conn));  // libpq may take another socket with every step
      auto waited =
          co_await wait(next == PGRES_POLLING_READING ? WaitFor::wait_read : WaitFor::wait_write, deadline);
      if (!waited && waited.error().code == ErrorCode::timeout)
        co_return Err(ErrorCode::unreachable, "{} does not answer", to_string(endpoint));
      if (!waited) co_return waited;
      dog->socket.release();
      next = PQconnectPoll(conn);
    }
    dog->socket.assign(PQsocket(conn));
    PQsetErrorVerbosity(conn, PQERRORS_DEFAULT);
    PQsetnonblocking(conn, 1);
    silence_max = settings.silence_max;
    if (PQserverVersion(conn) < kOldestServer)
      co_return Err(ErrorCode::unsupported, "{} is PostgreSQL {}; oxbow needs 14 or newer",
                    to_string(endpoint), PQserverVersion(conn) / 10000);
    co_return Status{};
  }
};

Connection::Connection(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Connection::~Connection() = default;

Task<std::unique_ptr<Connection>> Connection::open(ConnectionSettings settings) {
  co_await asio::this_coro::throw_if_cancelled(false);
  auto impl = std::make_unique<Impl>();
  impl->dog = std::make_shared<Watchdog>(co_await asio::this_coro::executor);
  CO_TRY(co_await impl->connect(settings));
  co_return std::unique_ptr<Connection>(new Connection(std::move(impl)));
}

bool Connection::is_open() const {
  return impl_->conn != nullptr;
}

bool Connection::is_still_open() {
  while (impl_->conn && impl_->is_told_something_at_rest()) {
    if (!impl_->consume()) {
      impl_->close();
    } else {
      PQisBusy(impl_->conn);  // takes in what was said, as a setting that has changed
    }
  }
  return is_open();
}

const Endpoint& Connection::endpoint() const {
  return impl_->endpoint;
}
void Connection::close() {
  impl_->close();
}
void Connection::set_silence_max(Duration duration) {
  impl_->silence_max = duration;
}

Task<Rows> Connection::exec(std::string sql) {
  if (!impl_->conn) co_return impl_->closed();
  if (!PQsendQuery(impl_->conn, sql.c_str())) co_return impl_->broken();
  co_return co_await impl_->finish();
}

Task<Rows> Connection::exec_params(std::string sql, std::vector<Param> params, Format format) {
  if (!impl_->conn) co_return impl_->closed();
  Statement statement{std::move(sql), std::move(params)};
  if (!impl_->send(statement, format)) co_return impl_->broken();
  co_return co_await impl_->finish();
}

Task<void> Connection::prepare(std::string name, std::string sql) {
  if (!impl_->conn) co_return impl_->closed();
  if (!PQsendPrepare(impl_->conn, name.c_str(), sql.c_str(), 0, nullptr)) co_return impl_->broken();
  CO_TRY(co_await impl_->finish());
  co_return Status{};
}

Task<std::vector<Rows>> Connection::pipeline(std::vector<Statement> statements) {
  co_return co_await pipeline([&, i = std::size_t{0}]() mutable {
    return i < statements.size() ? std::optional(std::move(statements[i++])) : std::nullopt;
  });
}

Task<std::vector<Rows>> Connection::pipeline(std::function<std::optional<Statement>()> next) {
  if (!impl_->conn) co_return impl_->closed();
  PQenterPipelineMode(impl_->conn);
  while (auto statement = next()) {
    if (!impl_->send(*statement, Format::text)) co_return impl_->broken();
    if (PQflush(impl_->conn) < 0) co_return impl_->broken();
  }
  if (!PQpipelineSync(impl_->conn)) co_return impl_->broken();
  CO_TRY(co_await impl_->flush());
  std::vector<Rows> results;
  std::optional<Error> error;
  while (true) {
    Rows result = CO_TRY(co_await impl_->next_result());
    if (!result.get()) {
      if (PQstatus(impl_->conn) == CONNECTION_BAD) break;
      continue;  // stands between the results of two statements
    }
    auto status = PQresultStatus(result.get());
    if (status == PGRES_PIPELINE_SYNC) break;
    if (status == PGRES_FATAL_ERROR && !error) error = statement_error(result.get(), impl_->endpoint);
    results.push_back(std::move(result));
  }
  if (PQstatus(impl_->conn) == CONNECTION_BAD) {
    if (!error) co_return impl_->broken();
    impl_->close();
  } else {
    PQexitPipelineMode(impl_->conn);
  }
  if (error) co_return std::unexpected(std::move(*error));
  co_return std::move(results);
}

Task<void> Connection::copy_out_begin(std::string sql) {
  return impl_->begin_copy(std::move(sql), PGRES_COPY_OUT);
}
Task<void> Connection::copy_in_begin(std::string sql) {
  return impl_->begin_copy(std::move(sql), PGRES_COPY_IN);
}
Task<void> Connection::copy_both_begin(std::string sql) {
  return impl_->begin_copy(std::move(sql), PGRES_COPY_BOTH);
}

Task<std::optional<std::string_view>> Connection::copy_out_next() {
  if (!impl_->conn) co_return impl_->closed();
  while (true) {
    bool ended = false;
    auto message = CO_TRY(impl_->take_copied(ended));
    if (message) co_return message;
    if (ended) {
      CO_TRY(co_await impl_->finish());
      co_return std::optional<std::string_view>();
    }
    CO_TRY(co_await impl_->wait_readable());
    if (impl_->consume()) continue;
    message = CO_TRY(impl_->take_copied(ended));
    if (message) co_return message;
    if (!ended) co_return impl_->broken();
  }
}

Task<void> Connection::copy_in_write(std::string_view bytes) {
  if (!impl_->conn) co_return impl_->closed();
  while (true) {
    int taken = PQputCopyData(impl_->conn, bytes.data(), static_cast<int>(bytes.size()));
    if (taken < 0) co_return impl_->broken();
    if (taken > 0) co_return co_await impl_->flush();
    CO_TRY(co_await impl_->flush());
  }
}

Task<std::uint64_t> Connection::copy_in_end() {
  if (!impl_->conn) co_return impl_->closed();
  while (true) {
    int taken = PQputCopyEnd(impl_->conn, nullptr);
    if (taken < 0) co_return impl_->broken();
    if (taken > 0) break;
    CO_TRY(co_await impl_->flush());
  }
  Rows result = CO_TRY(co_await impl_->finish());
  co_return result.affected();
}

Task<std::string_view> Connection::copy_both_receive() {
  if (!impl_->conn) co_return impl_->closed();
  while (true) {
    bool ended = false;
    auto message = CO_TRY(impl_->take_copied(ended));
    if (message) co_return *message;
    if (ended) {
      Rows result = CO_TRY(co_await impl_->next_result());
      if (result.get() && PQresultStatus(result.get()) == PGRES_FATAL_ERROR) {
        auto error = impl_->failed(result);
        impl_->close();
        co_return error;
      }
      impl_->close();
      co_return std::unexpected(broken_error("the server ended the stream", impl_->endpoint));
    }
    CO_TRY(co_await impl_->flush());
    CO_TRY(co_await impl_->wait_readable(OnCancel::stay_open));
    if (impl_->consume()) continue;
    message = CO_TRY(impl_->take_copied(ended));
    if (message) co_return *message;
    if (!ended) co_return impl_->broken();
  }
}

Result<std::optional<std::string_view>> Connection::copy_both_poll() {
  if (!impl_->conn) return std::nullopt;
  bool ended = false;
  auto message = TRY(impl_->take_copied(ended));
  if (message || ended) return message;
  if (!impl_->consume()) return std::nullopt;
  return impl_->take_copied(ended);
}

Status Connection::copy_both_send(std::string_view bytes) {
  if (!impl_->conn) return impl_->closed();
  if (PQputCopyData(impl_->conn, bytes.data(), static_cast<int>(bytes.size())) < 0) return impl_->broken();
  if (PQflush(impl_->conn) < 0) return impl_->broken();
  return {};
}

}  // namespace oxbow::postgres
