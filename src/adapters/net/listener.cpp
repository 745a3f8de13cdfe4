#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>

#include "adapters/net/net.hpp"
#include "adapters/net/socket_stream.hpp"
#include "adapters/net/tls_stream.hpp"
#include "base/log.hpp"
#include "runtime/real_clock.hpp"
#include "runtime/sleep.hpp"

namespace oxbow::net {

namespace asio = boost::asio;
using asio::ip::tcp;
using Local = asio::local::stream_protocol;

namespace {

constexpr int kBacklog = 4096;
constexpr Duration kAcceptPause = std::chrono::milliseconds(20);  // no descriptor is free

std::string text_of(const tcp::endpoint& endpoint) {
  auto host = endpoint.address().to_string();
  return fmt::format("{}:{}", endpoint.address().is_v6() ? "[" + host + "]" : host, endpoint.port());
}

// Streams of one listener: plain, or with TLS around them.
class StreamMaker {
 public:
  explicit StreamMaker(std::optional<FollowedContext> context) : context_(std::move(context)) {}

  std::unique_ptr<ByteStream> make(Socket socket, std::string peer_address) {
    if (!context_) return std::make_unique<SocketStream>(std::move(socket), std::move(peer_address));
    return std::make_unique<TlsStream>(std::move(socket), std::move(peer_address),
                                       make_server_part(context_->at(monotonic_now())));
  }

 private:
  std::optional<FollowedContext> context_;
};

// What keeps a listener from taking connections lasts, and is met again fifty times a second.
class AcceptTrouble {
 public:
  bool is_told() const { return is_told_; }

  void met(const std::string& address, const boost::system::error_code& error) {
    last_ = monotonic_now();
    if (last_ < silent_until_) return;
    silent_until_ = last_ + kSilentFor;
    is_told_ = true;
    log_warn("{}: {}; connections wait until that is over", address, error.message());
  }

  void accepted(const std::string& address) {
    if (monotonic_now() - last_ < kOverAfter) return;
    is_told_ = false;
    log_info("{}: connections are taken again", address);
  }

 private:
  static constexpr Duration kSilentFor = std::chrono::seconds(10);
  static constexpr Duration kOverAfter = std::chrono::seconds(1);

  Instant last_{};
  Instant silent_until_{};
  bool is_told_ = false;
};

class TcpListener final : public Listener {
 public:
  TcpListener(tcp::acceptor acceptor, StreamMaker streams)
      : acceptor_(std::move(acceptor)), streams_(std::move(streams)) {}

  Task<std::unique_ptr<ByteStream>> accept() override {
    while (true) {
      tcp::endpoint peer;
      auto [error, accepted] = co_await acceptor_.async_accept(peer, kToken);
      if (error == asio::error::operation_aborted || !acceptor_.is_open())
        co_return Err(ErrorCode::cancelled);
      if (error) {
        trouble_.met(address(), error);
        CO_TRY(co_await sleep_for(kAcceptPause));
        continue;
      }
      if (trouble_.is_told()) trouble_.accepted(address());
      Socket socket(std::move(accepted));
      send_at_once(socket);
      co_return streams_.make(std::move(socket), peer.address().to_string());
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
  StreamMaker streams_;
  AcceptTrouble trouble_;
};

class LocalListener final : public Listener {
 public:
  LocalListener(Local::acceptor acceptor, std::string path, StreamMaker streams)
      : acceptor_(std::move(acceptor)), path_(std::move(path)), streams_(std::move(streams)) {}
  ~LocalListener() override { LocalListener::close(); }

  Task<std::unique_ptr<ByteStream>> accept() override {
    while (true) {
      auto [error, socket] = co_await acceptor_.async_accept(kToken);
      if (error == asio::error::operation_aborted || !acceptor_.is_open())
        co_return Err(ErrorCode::cancelled);
      if (error) {
        trouble_.met(address(), error);
        CO_TRY(co_await sleep_for(kAcceptPause));
        continue;
      }
      if (trouble_.is_told()) trouble_.accepted(address());
      co_return streams_.make(Socket(std::move(socket)), "unix");
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
  StreamMaker streams_;
  AcceptTrouble trouble_;
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

Result<std::unique_ptr<Listener>> listen_locally(asio::any_io_executor executor, const HttpAddress& address,
                                                 StreamMaker streams) {
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
  return std::make_unique<LocalListener>(std::move(acceptor), address.unix_path, std::move(streams));
}

Result<std::optional<FollowedContext>> follow(const std::optional<Identity>& identity) {
  if (!identity) return std::nullopt;
  return TRY(FollowedContext::open({identity->certificate_path, identity->key_path},
                                   [identity = *identity] { return make_server_context(identity); }));
}

}  // namespace

Result<std::unique_ptr<Listener>> listen(asio::any_io_executor executor, const HttpAddress& address,
                                         const std::optional<Identity>& identity) {
  StreamMaker streams(TRY(follow(identity)));
  if (address.is_unix()) return listen_locally(std::move(executor), address, std::move(streams));
  boost::system::error_code error;
  auto host = asio::ip::make_address(address.host == "localhost" ? "127.0.0.1" : address.host, error);
  if (error)
    return Err(ErrorCode::usage,
               "the gateway listens on addresses, and `{}` is none; write for example 127.0.0.1:{}",
               address.host, address.port);
  tcp::acceptor acceptor(executor);
  tcp::endpoint endpoint(host, address.port);
  if (auto failure = open<tcp>(acceptor, endpoint)) return cannot_listen(address, failure);
  return std::make_unique<TcpListener>(std::move(acceptor), std::move(streams));
}

}  // namespace oxbow::net
