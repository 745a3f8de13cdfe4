#include "adapters/http/http_server.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/write.hpp>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string_view>

#include "adapters/http/local_http.hpp"
#include "base/log.hpp"
#include "runtime/cancellation.hpp"
#include "runtime/task_group.hpp"

namespace oxbow {
namespace {

constexpr std::string_view kTooBusy =
    "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

HttpResponse as_text(const Error& error) {
  return {http_status(error.code), "text/plain; charset=utf-8", to_string(error) + "\n"};
}

Result<HttpRequest> to_request(http::request<http::string_body>&& message) {
  auto target = boost::urls::parse_origin_form(message.target());
  if (!target)
    return Err(ErrorCode::malformed, "the request's target is no path: {}", std::string(message.target()));
  HttpRequest request;
  request.method = message.method_string();
  request.path = target->encoded_path().decode();
  for (auto parameter : target->encoded_params()) {
    request.query[parameter.key.decode()] = parameter.has_value ? parameter.value.decode() : "";
  }
  request.body = std::move(message.body());
  return request;
}

// Whether a process answers on the socket file, which decides if the file may be replaced.
Result<bool> somebody_listens(const Local::endpoint& endpoint) {
  auto path = endpoint.path();
  struct stat info{};
  if (::lstat(path.c_str(), &info) != 0) return false;
  if (!S_ISSOCK(info.st_mode)) {
    return Err(ErrorCode::usage, "{} is in the way and is no socket; move it away", path);
  }
  asio::io_context context;
  Local::socket probe(context);
  boost::system::error_code error;
  probe.connect(endpoint, error);
  return !error;
}

Status bind_privately(Local::acceptor& acceptor, const Local::endpoint& endpoint) {
  boost::system::error_code error;
  acceptor.open(Local(), error);
  // Linux gives the file the mode of the socket, so that there is no moment at which others could open it.
  if (!error && ::fchmod(acceptor.native_handle(), 0600) != 0)
    error.assign(errno, boost::system::system_category());
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) return Err(ErrorCode::store_full, "cannot listen on {}: {}", endpoint.path(), error.message());
  return {};
}

}  // namespace

struct HttpServer::Impl {
  std::string path;
  HttpHandler handler;
  HttpLimits limits;
  Local::acceptor acceptor;
  TaskGroup connections;

  Impl(asio::any_io_executor executor, std::string socket_path, HttpHandler answer, HttpLimits bounds)
      : path(std::move(socket_path)),
        handler(std::move(answer)),
        limits(bounds),
        acceptor(executor),
        connections(executor) {}

  ~Impl() {
    if (acceptor.is_open()) ::unlink(path.c_str());
  }

  Task<void> accept() {
    while (!co_await is_cancelled()) {
      auto [error, socket] = co_await acceptor.async_accept(kToken);
      if (error == asio::error::operation_aborted) break;
      if (error) {
        log_warn("control socket: {}", error.message());
        continue;
      }
      if (connections.running() >= limits.connections_max) {
        boost::system::error_code ignored;
        asio::write(socket, asio::buffer(kTooBusy), ignored);
        continue;
      }
      connections.spawn(serve(LocalStream(std::move(socket))));
    }
    co_return Status{};
  }

  // One connection until the client closes it, breaks a limit or the server stops. Its failures are its own.
  Task<void> serve(LocalStream stream) {
    beast::flat_buffer buffer;
    bool keep_alive = true;
    while (keep_alive && !co_await is_cancelled()) {
      http::request_parser<http::string_body> parser;
      parser.body_limit(limits.body_bytes_max);
      stream.expires_after(limits.idle_time_max);
      auto [first_error, first_bytes] = co_await http::async_read_some(stream, buffer, parser, kToken);
      auto error = first_error;
      if (!error && !parser.is_done()) {
        stream.expires_after(limits.request_time_max);
        auto [rest_error, rest_bytes] = co_await http::async_read(stream, buffer, parser, kToken);
        error = rest_error;
      }
      if (error == http::error::end_of_stream || error == asio::error::operation_aborted ||
          error == beast::error::timeout || error == http::error::partial_message)
        break;
      unsigned version = error ? 11 : parser.get().version();
      keep_alive = !error && parser.keep_alive();
      HttpResponse response = error ? refused(error) : co_await answer(parser.release());
      bool sent = co_await send(stream, std::move(response), version, keep_alive);
      if (!sent) break;
    }
    boost::system::error_code ignored;
    stream.socket().shutdown(Local::socket::shutdown_both, ignored);
    co_return Status{};
  }

  HttpResponse refused(beast::error_code error) const {
    if (error == http::error::body_limit) {
      return {413, "text/plain; charset=utf-8",
              fmt::format("the body is larger than {} bytes\n", limits.body_bytes_max)};
    }
    return as_text({ErrorCode::malformed, "this is no HTTP request: " + error.message()});
  }

  asio::awaitable<HttpResponse> answer(http::request<http::string_body> message) {
    auto request = to_request(std::move(message));
    if (!request) co_return as_text(request.error());
    auto response = co_await handler(std::move(*request));
    if (!response) co_return as_text(response.error());
    co_return std::move(*response);
  }

  asio::awaitable<bool> send(LocalStream& stream, HttpResponse response, unsigned version, bool keep_alive) {
    http::response<http::string_body> message(static_cast<http::status>(response.status), version);
    message.set(http::field::content_type, response.content_type);
    message.keep_alive(keep_alive);
    message.body() = std::move(response.body);
    message.prepare_payload();
    stream.expires_after(limits.request_time_max);
    auto [error, bytes] = co_await http::async_write(stream, message, kToken);
    co_return !error;
  }
};

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpServer::~HttpServer() = default;

Result<std::unique_ptr<HttpServer>> HttpServer::listen(asio::any_io_executor executor,
                                                       std::string socket_path, HttpHandler handler,
                                                       HttpLimits limits) {
  auto endpoint = TRY(endpoint_at(socket_path));
  if (TRY(somebody_listens(endpoint))) {
    return Err(ErrorCode::already_running,
               "somebody answers on {}; talk to it with `oxbow status`, or stop it first", socket_path);
  }
  ::unlink(socket_path.c_str());
  auto impl = std::make_unique<Impl>(std::move(executor), std::move(socket_path), std::move(handler), limits);
  auto bound = bind_privately(impl->acceptor, endpoint);
  if (!bound) return std::unexpected(bound.error());
  return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
}

Task<void> HttpServer::run() {
  co_await asio::this_coro::throw_if_cancelled(false);
  auto accepted = co_await impl_->accept();
  impl_->connections.cancel();
  auto ended = co_await impl_->connections.wait();
  if (!ended && ended.error().code != ErrorCode::cancelled) co_return ended;
  co_return accepted;
}

}  // namespace oxbow
