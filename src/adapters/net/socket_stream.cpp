#include "adapters/net/socket_stream.hpp"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <boost/asio/buffer.hpp>

namespace oxbow::net {

namespace asio = boost::asio;

namespace {

std::unexpected<Error> lost(const boost::system::error_code& error) {
  return Err(ErrorCode::connection_lost, "{}", error.message());
}

}  // namespace

void send_at_once(Socket& socket) {
  int on = 1;
  ::setsockopt(socket.native_handle(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

SocketStream::SocketStream(Socket socket, std::string peer_address)
    : socket_(std::move(socket)), peer_address_(std::move(peer_address)) {
  boost::system::error_code ignored;
  socket_.native_non_blocking(true, ignored);
}

Task<std::size_t> SocketStream::read_some(std::span<char> into) {
  auto [error, bytes] = co_await socket_.async_read_some(asio::buffer(into.data(), into.size()), kToken);
  if (error == asio::error::eof) co_return 0;
  if (error) co_return lost(error);
  co_return bytes;
}

Task<void> SocketStream::write(std::string_view bytes) {
  bytes.remove_prefix(write_now(bytes));
  while (!bytes.empty()) {
    auto [error, written] =
        co_await socket_.async_write_some(asio::buffer(bytes.data(), bytes.size()), kToken);
    if (error) co_return lost(error);
    bytes.remove_prefix(written);
  }
  co_return Status{};
}

// An error is left to the next write, which reports it.
std::size_t SocketStream::write_now(std::string_view bytes) {
  auto written = ::send(socket_.native_handle(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  return written < 0 ? 0 : static_cast<std::size_t>(written);
}

Task<void> SocketStream::shutdown_write() {
  boost::system::error_code error;
  socket_.shutdown(Socket::shutdown_send, error);
  if (error) co_return lost(error);
  co_return Status{};
}

bool SocketStream::is_quiet() {
  char byte = 0;
  auto peeked = ::recv(socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return peeked < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

void SocketStream::close(bool reset) {
  boost::system::error_code ignored;
  if (reset) socket_.set_option(asio::socket_base::linger(true, 0), ignored);
  socket_.close(ignored);
}

}  // namespace oxbow::net
