#include "apps/daemon_client.hpp"

#include <pwd.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <cstdlib>

#include "adapters/http/http_client.hpp"
#include "runtime/real_clock.hpp"

namespace oxbow {
namespace {

namespace json = boost::json;

constexpr Duration kAnswerWithin = std::chrono::seconds(30);
constexpr Duration kDiesWithin =
    std::chrono::milliseconds(200);  // until then its socket may still take questions

std::string who_asks() {
  if (const char* user = std::getenv("SUDO_USER")) return user;
  if (const auto* entry = ::getpwuid(::geteuid())) return entry->pw_name;
  return std::to_string(::geteuid());
}

// The daemon's error if the response is one, so that exit codes are the same on both ends of the socket.
Result<std::string> body_of(Result<HttpResponse> response) {
  if (!response) return std::unexpected(response.error());
  if (response->status == 200) return std::move(response->body);
  boost::system::error_code parse_error;
  auto value = json::parse(response->body, parse_error);
  if (parse_error || !value.is_object() || !value.as_object().contains("error")) {
    return Err(ErrorCode::malformed, "the running oxbow answers with status {}: {}", response->status,
               response->body);
  }
  const auto& error = value.at("error");
  auto code = parse_error_code(error.at("code").as_string());
  return std::unexpected(
      Error{code.value_or(ErrorCode::internal), std::string(error.at("detail").as_string())});
}

}  // namespace

// Whoever asks an oxbow that dies just then learns from a second question that none runs.
Result<std::string> DaemonClient::get(const std::string& what,
                                      std::map<std::string, std::string> query) const {
  HttpRequest request{"GET", "/v1/" + what, std::move(query), ""};
  auto answer = http_call(socket_path_, request, kAnswerWithin);
  auto give_up_at = monotonic_now() + kDiesWithin;
  while (!answer && answer.error().code == ErrorCode::connection_lost && monotonic_now() < give_up_at)
    answer = http_call(socket_path_, request, kAnswerWithin);
  return body_of(std::move(answer));
}

// An order is never sent twice.
Result<std::string> DaemonClient::post(const std::string& operation, json::object fields) const {
  fields["who"] = who_asks();
  auto answer =
      http_call(socket_path_, {"POST", "/v1/" + operation, {}, json::serialize(fields)}, kAnswerWithin);
  if (!answer && answer.error().code == ErrorCode::connection_lost) {
    auto alive = get("ready");
    if (!alive && alive.error().code == ErrorCode::not_running)
      return Err(ErrorCode::not_running,
                 "it ended before it answered; {}. `oxbow audit` then shows whether the order counts",
                 alive.error().detail);
  }
  return body_of(std::move(answer));
}

}  // namespace oxbow
