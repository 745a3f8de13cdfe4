#include "adapters/net/tls_stream.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <csignal>

namespace oxbow::net {
namespace {

namespace asio = boost::asio;

constexpr int kRecords = 200;

// Two ends that trust each other without certificates.
Tls make_part(bool is_server) {
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context(SSL_CTX_new(TLS_method()), SSL_CTX_free);
  SSL_CTX_set_max_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_cipher_list(context.get(), "aNULL:@SECLEVEL=0");
  Tls part(SSL_new(context.get()));
  is_server ? SSL_set_accept_state(part.get()) : SSL_set_connect_state(part.get());
  return part;
}

class TlsStreamTest : public testing::Test {
 protected:
  TlsStreamTest() {
    std::signal(SIGPIPE, SIG_IGN);  // as the program does
    std::array<int, 2> ends{};
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()), 0);
    asio::generic::stream_protocol protocol(AF_UNIX, 0);
    server = std::make_unique<TlsStream>(Socket(io, protocol, ends[0]), "server", make_part(true));
    client = std::make_unique<TlsStream>(Socket(io, protocol, ends[1]), "client", make_part(false));
  }

  void run(asio::awaitable<void> task) {
    asio::co_spawn(io, std::move(task), [](std::exception_ptr thrown) {
      if (thrown) std::rethrow_exception(thrown);
    });
  }

  asio::awaitable<void> shake_hands(TlsStream& stream) {
    auto done = co_await stream.shake_hands();
    EXPECT_TRUE(done) << to_string(done.error());
  }

  asio::awaitable<void> write_records() {
    for (int i = 0; i < kRecords; ++i) EXPECT_TRUE(co_await client->write("0123456789"));
  }

  asio::awaitable<void> read_records() {
    asio::post(io, [this] { read_before_others = read; });
    std::array<char, 100> buffer{};
    while (read < kRecords) {
      auto bytes = co_await server->read_some(buffer);
      EXPECT_TRUE(bytes && *bytes == 10);
      if (!bytes) co_return;
      ++read;
    }
  }

  asio::io_context io;
  std::unique_ptr<TlsStream> server, client;
  int read = 0;
  int read_before_others = -1;
};

TEST_F(TlsStreamTest, LetsOthersGoFirstAtTimesWhileThereIsAlwaysMoreToRead) {
  run(shake_hands(*server));
  run(shake_hands(*client));
  io.run();
  io.restart();
  run(write_records());
  io.run();
  io.restart();
  run(read_records());
  io.run();
  EXPECT_EQ(read, kRecords);
  EXPECT_GE(read_before_others, 1);
  EXPECT_LE(read_before_others, 16);
}

}  // namespace
}  // namespace oxbow::net
