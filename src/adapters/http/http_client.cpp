#include "adapters/http/http_client.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <optional>

#include "adapters/http/local_http.hpp"

namespace oxbow {
namespace {

std::string target_of(const HttpRequest& request) {
  boost::urls::url url;
  url.set_path(request.path);
  for (const auto& [key, value] : request.query) url.params().append({key, value});
  return std::string(url.buffer());
}

http::request<http::string_body> to_message(const HttpRequest& request) {
  http::request<http::string_body> message(http::string_to_verb(request.method), target_of(request), 11);
  message.set(http::field::host, "oxbow");
  message.set(http::field::content_type, "application/json");
  message.keep_alive(false);
  message.body() = request.body;
  message.prepare_payload();
  return message;
}

Error failure(beast::error_code error, Duration limit) {
  if (error == beast::error::timeout) {
    return {ErrorCode::timeout,
            "no answer within " + human_duration(limit) + "; ask `oxbow status` what became of it"};
  }
  return {ErrorCode::connection_lost, "the daemon ended the connection: " + error.message()};
}

Task<HttpResponse> call(std::string socket_path, HttpRequest request, Duration limit) {
  auto endpoint = CO_TRY(endpoint_at(socket_path));
  LocalStream stream(co_await asio::this_coro::executor);
  stream.expires_after(limit);
  auto [connect_error] = co_await stream.async_connect(endpoint, kToken);
  if (connect_error) {
    co_return Err(ErrorCode::not_running, "nobody answers on {} ({}); start it with `oxbow up`", socket_path,
                  connect_error.message());
  }
  auto message = to_message(request);
  auto [write_error, written] = co_await http::async_write(stream, message, kToken);
  beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.body_limit(boost::none);
  auto [read_error, read] = co_await http::async_read(stream, buffer, parser, kToken);
  // A server that refuses may close before it has read everything; its answer is there all the same.
  if (read_error) co_return std::unexpected(failure(write_error ? write_error : read_error, limit));
  auto response = parser.release();
  co_return HttpResponse{static_cast<int>(response.result_int()),
                         std::string(response[http::field::content_type]), std::move(response.body())};
}

}  // namespace

Result<HttpResponse> http_call(const std::string& socket_path, const HttpRequest& request, Duration limit) {
  asio::io_context context(1);
  std::optional<Result<HttpResponse>> result;
  auto keep = [&](std::exception_ptr exception, Result<HttpResponse> answer) {
    if (exception) answer = Err(ErrorCode::internal, "an exception left the HTTP client");
    result = std::move(answer);
  };
  asio::co_spawn(context, call(socket_path, request, limit), keep);
  context.run();
  return std::move(*result);
}

}  // namespace oxbow
