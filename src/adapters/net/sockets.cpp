#include <netinet/tcp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>

#include "adapters/net/net.hpp"
#include "adapters/net/socket_stream.hpp"
#include "base/log.hpp"
#include "runtime/cancellation.hpp"
#include "runtime/sleep.hpp"

namespace oxbow::net {

namespace asio = boost::asio;
using asio::ip::tcp;
using Local = asio::local::stream_protocol;

namespace {

constexpr int kBacklog = 4096;
constexpr Duration kAcceptPause = std::chrono::milliseconds(20);  // no descriptor is free

// Small messages must not wait for the peer's acknowledgement.
void send_at_once(int socket) {
  int on = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

std::string text_of(const tcp::endpoint& endpoint) {
  auto host = endpoint.address().to_string();
  return fmt::format("{}:{}", endpoint.address().is_v6() ? "[" + host + "]" : host, endpoint.port());
}

class TcpListener final : public Listener {
 public:
  explicit TcpListener(tcp::acceptor acceptor) : acceptor_(std::move(acceptor)) {}

  Task<std::unique_ptr<ByteStream>> accept() override {
    while (true) {
      tcp::endpoint peer;
      auto [error, socket] = co_await acceptor_.async_accept(peer, kToken);
      if (error == asio::error::operation_aborted || !acceptor_.is_open())
        co_return Err(ErrorCode::cancelled);
      if (error) {
        log_warn("{}: {}", address(), error.message());
        CO_TRY(co_await sleep_for(kAcceptPause));
        continue;
      }
      send_at_once(socket.native_handle());
      co_return std::make_unique<SocketStream>(Socket(std::move(socket)), peer.address().to_string());
    }
  }

  void close() override {
    boost::system::error_code ignored;
    acceptor_.close(ignored);
  }

  std::string address() const override {
    boost::system::error_code ignored;
    return text_of(acceptor_.local_endpoint(ignored));
  }

 private:
  tcp::acceptor acceptor_;
};

class LocalListener final : public Listener {
 public:
  LocalListener(Local::acceptor acceptor, std::string path)
      : acceptor_(std::move(acceptor)), path_(std::move(path)) {}
  ~LocalListener() override { LocalListener::close(); }

  Task<std::unique_ptr<ByteStream>> accept() override {
    while (true) {
      auto [error, socket] = co_await acceptor_.async_accept(kToken);
      if (error == asio::error::operation_aborted || !acceptor_.is_open())
        co_return Err(ErrorCode::cancelled);
      if (error) {
        log_warn("{}: {}", address(), error.message());
        CO_TRY(co_await sleep_for(kAcceptPause));
        continue;
      }
      co_return std::make_unique<SocketStream>(Socket(std::move(socket)), "unix");
    }
  }

  void close() override {
    if (!acceptor_.is_open()) return;
    boost::system::error_code ignored;
    acceptor_.close(ignored);
    ::unlink(path_.c_str());
  }

  std::string address() const override { return "unix:" + path_; }

 private:
  Local::acceptor acceptor_;
  std::string path_;
};

std::unexpected<Error> cannot_listen(const HttpAddress& address, const boost::system::error_code& error) {
  auto code = error == asio::error::access_denied ? ErrorCode::access_denied : ErrorCode::already_running;
  return Err(code, "the gateway cannot listen on {}: {}", to_string(address), error.message());
}

template <class Protocol>
boost::system::error_code open(asio::basic_socket_acceptor<Protocol>& acceptor,
                               const typename Protocol::endpoint& endpoint) {
  boost::system::error_code error;
  acceptor.open(endpoint.protocol(), error);
  if constexpr (std::is_same_v<Protocol, tcp>)
    if (!error) acceptor.set_option(asio::socket_base::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(kBacklog, error);
  return error;
}

bool somebody_listens(asio::any_io_executor executor, const std::string& path) {
  Local::socket probe(executor);
  boost::system::error_code error;
  probe.connect(Local::endpoint(path), error);
  return !error;
}

Result<std::unique_ptr<Listener>> listen_locally(asio::any_io_executor executor, const HttpAddress& address) {
  struct stat info{};
  bool exists = ::lstat(address.unix_path.c_str(), &info) == 0;
  if (exists && !S_ISSOCK(info.st_mode))
    return Err(ErrorCode::usage, "{} is in the way and is no socket; move it away", address.unix_path);
  if (exists && somebody_listens(executor, address.unix_path))
    return Err(ErrorCode::already_running, "somebody answers on {} already", to_string(address));
  ::unlink(address.unix_path.c_str());
  Local::acceptor acceptor(executor);
  if (auto error = open<Local>(acceptor, Local::endpoint(address.unix_path)))
    return cannot_listen(address, error);
  return std::make_unique<LocalListener>(std::move(acceptor), address.unix_path);
}

class SocketDialer final : public Dialer {
 public:
  explicit SocketDialer(asio::any_io_executor executor)
      : executor_(std::move(executor)), resolver_(executor_) {}

  Task<std::unique_ptr<ByteStream>> connect(const ServiceAddress& address) override {
    const auto& at = address.at;
    if (at.is_unix()) co_return co_await connect_to(address, Local::endpoint(at.unix_path));
    boost::system::error_code not_numeric;
    auto numeric = asio::ip::make_address(at.host, not_numeric);
    if (!not_numeric) co_return co_await connect_to(address, tcp::endpoint(numeric, at.port));
    auto [error, found] = co_await resolver_.async_resolve(at.host, std::to_string(at.port), kToken);
    if (error) co_return unreachable(address, error);
    Result<std::unique_ptr<ByteStream>> last =
        Err(ErrorCode::unreachable, "{} has no address", to_string(address));
    for (const auto& entry : found) {
      last = co_await connect_to(address, entry.endpoint());
      if (last) break;
    }
    co_return last;
  }

 private:
  static std::unexpected<Error> unreachable(const ServiceAddress& address,
                                            const boost::system::error_code& error) {
    return Err(ErrorCode::unreachable, "{}: {}", to_string(address), error.message());
  }

  Task<std::unique_ptr<ByteStream>> connect_to(const ServiceAddress& address,
                                               asio::generic::stream_protocol::endpoint endpoint) {
    Socket socket(executor_);
    auto [error] = co_await socket.async_connect(endpoint, kToken);
    if (error) co_return unreachable(address, error);
    if (!address.at.is_unix()) send_at_once(socket.native_handle());
    co_return std::make_unique<SocketStream>(std::move(socket),
                                             address.at.is_unix() ? "unix" : address.at.host);
  }

  asio::any_io_executor executor_;
  tcp::resolver resolver_;
};

}  // namespace

Result<std::unique_ptr<Listener>> listen(asio::any_io_executor executor, const HttpAddress& address) {
  if (address.is_unix()) return listen_locally(std::move(executor), address);
  boost::system::error_code error;
  auto host = asio::ip::make_address(address.host == "localhost" ? "127.0.0.1" : address.host, error);
  if (error)
    return Err(ErrorCode::usage,
               "the gateway listens on addresses, and `{}` is none; write for example 127.0.0.1:{}",
               address.host, address.port);
  tcp::acceptor acceptor(executor);
  tcp::endpoint endpoint(host, address.port);
  if (auto failure = open<tcp>(acceptor, endpoint)) return cannot_listen(address, failure);
  return std::make_unique<TcpListener>(std::move(acceptor));
}

std::unique_ptr<Dialer> make_dialer(asio::any_io_executor executor) {
  return std::make_unique<SocketDialer>(std::move(executor));
}

}  // namespace oxbow::net
