// A connected socket as a ByteStream.
#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <string>

#include "ports/byte_stream.hpp"

namespace oxbow::net {

using Socket = boost::asio::generic::stream_protocol::socket;

inline constexpr auto kToken = boost::asio::as_tuple(boost::asio::use_awaitable);

// Small messages must not wait for the peer's acknowledgement. Of a TCP socket.
void send_at_once(Socket& socket);

class SocketStream final : public ByteStream {
 public:
  SocketStream(Socket socket, std::string peer_address);

  Task<void> shake_hands() override { co_return Status{}; }
  Task<std::size_t> read_some(std::span<char> into) override;
  Task<void> write(std::string_view bytes) override;
  std::size_t write_now(std::string_view bytes) override;
  Task<void> shutdown_write() override;
  bool is_quiet() override;
  void close(bool reset) override;
  std::string_view peer_address() const override { return peer_address_; }
  bool is_encrypted() const override { return false; }
  std::string_view application_protocol() const override { return {}; }

 private:
  Socket socket_;
  std::string peer_address_;
};

}  // namespace oxbow::net
