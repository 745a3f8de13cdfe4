// The server's side of an HTTP/2 connection as a state machine: bytes go in, requests come out at a Handler;
// answers go in, bytes come out. Frames, header compression, flow control and the bounds on what a client may
// ask of us are nghttp2's work. Belongs to one task at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "model/http_message.hpp"

namespace oxbow::http2 {

using StreamId = std::int32_t;

// By which a client without TLS says that it speaks HTTP/2: as an HTTP/1 reader sees it, a head.
inline constexpr std::string_view kPrefaceHead = "PRI * HTTP/2.0\r\n\r\n";

struct SessionLimits {
  std::uint32_t streams_max = 100;
  std::uint32_t stream_window_bytes = 64 << 10;       // of a body that was not read yet
  std::uint32_t connection_window_bytes = 512 << 10;  // of all such bodies together; at least 64 KiB
  std::size_t head_bytes_max = 64 << 10;
};

enum class Reset { no_error, internal, refused, cancel };

// Called out of take() and bytes_to_send(), which must not be called from here; the rest of a Session may be.
class Handler {
 public:
  virtual ~Handler() = default;

  // `head` is the request as the head of an HTTP/1.1 message would say it, its fields not checked beyond what
  // a line is. Empty: it was longer than allowed, or cannot be said so.
  virtual void on_request(StreamId stream, std::string head, bool has_body) = 0;
  virtual void on_body(StreamId stream, std::string_view bytes) = 0;
  virtual void on_body_end(StreamId stream, std::string trailers) = 0;  // lines, as in HTTP/1.1
  virtual void on_closed(StreamId stream) = 0;

  struct Piece {
    std::size_t bytes = 0;
    bool is_last = false;
    HeaderFields trailers;  // behind the last
  };

  // More of an answer's body. No bytes and not the last: wait for resume().
  virtual Piece next_piece(StreamId stream, std::span<char> into) = 0;
};

class Session {
 public:
  Session(Handler& handler, const SessionLimits& limits);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // False if the connection cannot go on; what is to be sent still says why.
  bool take(std::string_view bytes);

  // Some bytes, valid until the next call; none if there is nothing to send now.
  std::string_view bytes_to_send();

  // Interim ones are followed by another; `has_body`: pieces are asked for.
  void respond(StreamId stream, int status, const HeaderFields& fields, bool has_body);
  void resume(StreamId stream);
  void consumed(StreamId stream, std::size_t bytes);  // of a body: the client may send as many again
  void reset(StreamId stream, Reset why);

  // No stream begins any more; those that have begun go on.
  void go_away();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace oxbow::http2
