#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <filesystem>
#include <fstream>
#include <thread>

#include "adapters/http/http_client.hpp"
#include "adapters/http/http_server.hpp"
#include "runtime/sleep.hpp"
#include "runtime/task_group.hpp"

namespace oxbow {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::StartsWith;

// A server on a thread of its own, which tells what it was asked.
class Http : public testing::Test {
 protected:
  Http() {
    std::string name = "/tmp/oxbow_http_XXXXXX";
    directory_ = ::mkdtemp(name.data());
    path = directory_ + "/oxbow.sock";
  }
  ~Http() override {
    stop();
    std::filesystem::remove_all(directory_);
  }

  void start(HttpHandler handler, HttpLimits limits = {}) {
    auto listening = HttpServer::listen(context_.get_executor(), path, std::move(handler), limits);
    ASSERT_TRUE(listening) << to_string(listening.error());
    server_ = std::move(*listening);
    group_.emplace(context_.get_executor());
    group_->spawn(server_->run());
    thread_ = std::thread([this] { context_.run(); });
  }

  void ask_to_stop() {
    boost::asio::post(context_, [this] { group_->cancel(); });
  }

  void stop() {
    if (!thread_.joinable()) return;
    ask_to_stop();
    thread_.join();
    server_.reset();
  }

  // What the server answers to these very bytes, until it closes the connection.
  std::string raw(std::string_view bytes) {
    int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(::connect(socket, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    // A server that refuses may have closed already; what it said can still be read.
    [[maybe_unused]] auto sent = ::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    std::string answer(4096, '\0');
    std::size_t length = 0;
    for (ssize_t got;
         length < answer.size() && (got = ::recv(socket, &answer[length], answer.size() - length, 0)) > 0;)
      length += static_cast<std::size_t>(got);
    ::close(socket);
    answer.resize(length);
    return answer;
  }

  static HttpHandler echo() {
    return [](HttpRequest request) -> Task<HttpResponse> {
      std::string text = request.method + " " + request.path;
      for (const auto& [key, value] : request.query) text += " " + key + "=" + value;
      co_return HttpResponse{200, "text/plain", text + "\n" + request.body};
    };
  }

  std::string directory_;
  std::string path;
  boost::asio::io_context context_{1};
  std::unique_ptr<HttpServer> server_;
  std::optional<TaskGroup> group_;
  std::thread thread_;
};

TEST_F(Http, CarriesMethodPathQueryAndBodyAsTheyAre) {
  start(echo());
  HttpRequest request{"POST", "/v1/why", {{"key", "a b/c&d=ü"}, {"x", ""}}, "the\nbody"};
  auto response = http_call(path, request, 5s);
  ASSERT_TRUE(response) << to_string(response.error());
  EXPECT_EQ(response->body, "POST /v1/why key=a b/c&d=ü x=\nthe\nbody");
  EXPECT_EQ(response->content_type, "text/plain");
}

TEST_F(Http, AnErrorOfTheHandlerHasItsStatusAndSentence) {
  start([](HttpRequest) -> Task<HttpResponse> { co_return Err(ErrorCode::not_found, "no entity x"); });
  auto response = http_call(path, {}, 5s);
  ASSERT_TRUE(response);
  EXPECT_EQ(response->status, 404);
  EXPECT_EQ(response->body, "There is no such thing: no entity x\n");
}

TEST_F(Http, OnlyTheOwnerMayOpenTheSocket) {
  start(echo());
  struct stat info{};
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(Http, WithoutAServerTheCallSaysHowToStartOne) {
  auto response = http_call(path, {}, 5s);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, ErrorCode::not_running);
  EXPECT_THAT(response.error().detail, HasSubstr("start it with `oxbow up`"));
}

TEST_F(Http, AStaleSocketIsReplacedAndALiveOneIsNot) {
  start(echo());
  auto second = HttpServer::listen(context_.get_executor(), path, echo());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::already_running);
  EXPECT_TRUE(http_call(path, {}, 5s)) << "the refused one left the first in peace";
  stop();
  EXPECT_FALSE(std::filesystem::exists(path));

  int dead = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(dead, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ::close(dead);
  ASSERT_TRUE(std::filesystem::exists(path));
  context_.restart();
  start(echo());
  EXPECT_TRUE(http_call(path, {}, 5s));
}

TEST_F(Http, AFileThatIsNoSocketIsNeverRemoved) {
  std::ofstream(path) << "precious";
  auto listening = HttpServer::listen(context_.get_executor(), path, echo());
  ASSERT_FALSE(listening);
  EXPECT_THAT(listening.error().detail, HasSubstr("is no socket"));
  EXPECT_TRUE(std::filesystem::exists(path));
}

TEST_F(Http, APathTooLongForASocketIsExplained) {
  auto listening = HttpServer::listen(context_.get_executor(), "/tmp/" + std::string(120, 'x'), echo());
  ASSERT_FALSE(listening);
  EXPECT_THAT(listening.error().detail, HasSubstr("--state"));
}

TEST_F(Http, SizesAreBounded) {
  start(echo(), {.body_bytes_max = 10});
  HttpRequest request{"POST", "/", {}, "12345678901"};
  EXPECT_EQ(http_call(path, request, 5s)->status, 413);
  EXPECT_THAT(raw("no HTTP at all\r\n\r\n"), StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(raw("GET / HTTP/1.1\r\nX: " + std::string(20'000, 'x')), StartsWith("HTTP/1.1 400"));
  EXPECT_TRUE(http_call(path, {}, 5s)) << "and the server goes on";
}

TEST_F(Http, AClientThatStallsIsLetGo) {
  start(echo(), {.request_time_max = 50ms, .idle_time_max = 50ms});
  EXPECT_EQ(raw(""), "") << "says nothing";
  EXPECT_EQ(raw("POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nab"), "") << "stops in the middle";
}

TEST_F(Http, TooManyConnectionsAreToldSo) {
  std::atomic<bool> asked = false;
  std::atomic<bool> release = false;
  auto hold = [&](HttpRequest) -> Task<HttpResponse> {
    asked = true;
    asked.notify_one();
    while (!release) CO_TRY(co_await sleep_for(1ms));
    co_return HttpResponse{};
  };
  start(hold, {.connections_max = 1});
  std::thread first([&] { EXPECT_EQ(http_call(path, {}, 10s)->status, 200); });
  asked.wait(false);
  EXPECT_THAT(raw("GET / HTTP/1.1\r\n\r\n"), StartsWith("HTTP/1.1 503"));
  release = true;
  first.join();
}

TEST_F(Http, ACallThatTakesTooLongIsATimeoutAndNotAFailure) {
  start([](HttpRequest) -> Task<HttpResponse> {
    CO_TRY(co_await sleep_for(1h));
    co_return HttpResponse{};
  });
  auto response = http_call(path, {}, 30ms);
  ASSERT_FALSE(response);
  EXPECT_EQ(response.error().code, ErrorCode::timeout);
}

TEST_F(Http, StoppingAnswersWhatIsUnderWay) {
  std::atomic<bool> asked = false;
  start([&](HttpRequest) -> Task<HttpResponse> {
    asked = true;
    asked.notify_one();
    auto slept = co_await sleep_for(1h);
    if (!slept) co_return HttpResponse{503, "text/plain", "stopping"};
    co_return HttpResponse{};
  });
  std::thread client([&] {
    auto response = http_call(path, {}, 10s);
    ASSERT_TRUE(response) << to_string(response.error());
    EXPECT_EQ(response->body, "stopping");
  });
  asked.wait(false);
  ask_to_stop();
  client.join();
  thread_.join();
}

}  // namespace
}  // namespace oxbow
