#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <map>

#include "adapters/net/net.hpp"
#include "adapters/net/socket_stream.hpp"
#include "adapters/net/tls_stream.hpp"
#include "runtime/cancellation.hpp"
#include "runtime/real_clock.hpp"

namespace oxbow::net {

namespace asio = boost::asio;
using asio::ip::tcp;
using Local = asio::local::stream_protocol;

namespace {

class SocketDialer final : public Dialer {
 public:
  SocketDialer(asio::any_io_executor executor, std::map<std::string, FollowedContext> contexts)
      : executor_(std::move(executor)), resolver_(executor_), contexts_(std::move(contexts)) {}

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
    if (!address.at.is_unix()) send_at_once(socket);
    if (address.tls) co_return co_await shake_hands(address, std::move(socket));
    co_return std::make_unique<SocketStream>(std::move(socket),
                                             address.at.is_unix() ? "unix" : address.at.host);
  }

  Task<std::unique_ptr<ByteStream>> shake_hands(const ServiceAddress& address, Socket socket) {
    auto& context = contexts_.at(address.ca).at(monotonic_now());
    auto stream = std::make_unique<TlsStream>(std::move(socket), address.at.host,
                                              make_client_part(context, address.at.host));
    auto agreed = co_await stream->shake_hands();
    if (co_await is_cancelled()) co_return Err(ErrorCode::cancelled);
    if (!agreed) co_return Err(ErrorCode::unreachable, "{}: {}", to_string(address), agreed.error().detail);
    co_return std::move(stream);
  }

  asio::any_io_executor executor_;
  tcp::resolver resolver_;
  std::map<std::string, FollowedContext> contexts_;  // by the file of authorities
};

}  // namespace

Result<std::unique_ptr<Dialer>> make_dialer(asio::any_io_executor executor,
                                            std::span<const ServiceAddress> services) {
  std::map<std::string, FollowedContext> contexts;
  for (const auto& service : services) {
    if (!service.tls || contexts.contains(service.ca)) continue;
    auto files = service.ca.empty() ? std::vector<std::string>{} : std::vector{service.ca};
    auto make = [ca = service.ca] { return make_client_context(ca); };
    contexts.emplace(service.ca, TRY(FollowedContext::open(std::move(files), make)));
  }
  return std::make_unique<SocketDialer>(std::move(executor), std::move(contexts));
}

}  // namespace oxbow::net
