// Bytes to and from a peer, in order: a TCP or unix socket, with TLS around it or without.
// A stream belongs to one executor. One task may read while another writes; never two of a kind.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "model/http_address.hpp"
#include "runtime/task.hpp"

namespace oxbow {

class ByteStream {
 public:
  virtual ~ByteStream() = default;

  // Agrees with the peer on what must be known before the first byte: the handshake of TLS. Once, before
  // anything else; a stream of a Dialer has done it.
  virtual Task<void> shake_hands() = 0;

  // At least one byte, or 0 when the peer has ended its side. `connection_lost` otherwise.
  virtual Task<std::size_t> read_some(std::span<char> into) = 0;

  // All of it.
  virtual Task<void> write(std::string_view bytes) = 0;

  // Writes what the kernel takes at once, without waiting. How many bytes that was.
  virtual std::size_t write_now(std::string_view bytes) = 0;

  // The peer reads the end of our side; it may still write.
  virtual Task<void> shutdown_write() = 0;

  // Whether the peer has, as far as is known here, neither ended nor sent anything.
  virtual bool is_quiet() = 0;

  // Ends whatever waits here with `connection_lost`. With `reset` the peer sees an error, not an end.
  virtual void close(bool reset = false) = 0;

  // Of the peer, without its port; "unix" for a unix socket.
  virtual std::string_view peer_address() const = 0;
  virtual bool is_encrypted() const = 0;
  virtual std::string_view application_protocol() const = 0;  // by ALPN; empty: none was agreed
};

class Dialer {
 public:
  virtual ~Dialer() = default;

  virtual Task<std::unique_ptr<ByteStream>> connect(const ServiceAddress& address) = 0;
};

class Listener {
 public:
  virtual ~Listener() = default;

  // The next client, whose stream has not shaken hands. One that fails while it is accepted is passed over.
  virtual Task<std::unique_ptr<ByteStream>> accept() = 0;

  virtual void close() = 0;
  virtual std::string address() const = 0;  // as bound: with the port that was found for port 0
};

}  // namespace oxbow
