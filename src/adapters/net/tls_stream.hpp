// A connected socket with TLS around it as a ByteStream. OpenSSL reads and writes the socket itself, without
// waiting; what it lacks is waited for here. So a write can be tried without waiting, and an idle connection
// holds no buffers. The program ignores SIGPIPE.
#pragma once

#include <string>

#include "adapters/net/socket_stream.hpp"
#include "adapters/net/tls_context.hpp"

namespace oxbow::net {

class TlsStream final : public ByteStream {
 public:
  TlsStream(Socket socket, std::string peer_address, Tls tls);
  ~TlsStream() override;

  Task<void> shake_hands() override;
  Task<std::size_t> read_some(std::span<char> into) override;
  Task<void> write(std::string_view bytes) override;
  std::size_t write_now(std::string_view bytes) override;
  Task<void> shutdown_write() override;
  bool is_quiet() override;
  void close(bool reset) override;
  std::string_view peer_address() const override { return peer_address_; }
  bool is_encrypted() const override { return true; }
  std::string_view application_protocol() const override;

 private:
  enum class Outcome { done, wants_read, wants_write, ended, broken };

  bool is_usable() const { return socket_.is_open() && failure_.empty(); }
  Outcome outcome_of(int result);
  Outcome write_records(std::string_view& bytes);
  Task<void> wait_for(Outcome what);
  std::unexpected<Error> lost() const;

  Socket socket_;
  std::string peer_address_;
  Tls tls_;
  std::string failure_;  // nothing may be asked of `tls_` any more
  int reads_without_waiting_ = 0;
};

}  // namespace oxbow::net
