// Reads HTTP/1 messages from a stream, one behind the other: head, body in parts, trailers.
// Belongs to one task. What it returns are views of its own buffers: a head until the next read_head(), a
// part of a body until the next read_body().
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "ports/byte_stream.hpp"
#include "protocol/http1/framing.hpp"

namespace oxbow {

// Services are trusted with more fields than clients: every cookie that is set is one.
inline constexpr http1::HeadLimits kAnswerHead{.fields_max = 1000};

struct BodyPart {
  std::string_view bytes;
  bool is_last = false;
};

class MessageReader {
 public:
  MessageReader(ByteStream& stream, http1::HeadLimits limits);

  // False if the peer ended before another message began.
  Task<bool> wait_for_message();

  // The bytes of the head. `malformed` if it cannot be taken, for the reason in refusal(); `connection_lost`
  // if it breaks off.
  Task<std::string_view> read_head();

  // The same without waiting: nothing if more has to come first.
  Result<std::optional<std::string_view>> head_now();

  const http1::Refusal& refusal() const { return *refusal_; }

  void begin_body(http1::Framing framing);

  // An empty part only as the last one. `malformed` or `connection_lost` if the body does not end as it
  // should.
  Task<BodyPart> read_body();

  // The same without waiting: nothing if more has to come first.
  Result<std::optional<BodyPart>> body_now();

  bool body_is_done() const { return done_; }
  const http1::Framing& framing() const { return framing_; }
  const HeaderFields& trailers() const { return chunks_.trailers(); }

  // What has come and was not read yet.
  std::string_view unread() const;
  void consume(std::size_t bytes);

  // Gives the memory of a long message back.
  void rest();

 private:
  Task<std::size_t> fill();
  void gather();
  Result<std::optional<BodyPart>> take_part();

  ByteStream& stream_;
  http1::HeadLimits limits_;
  http1::HeadScanner scanner_;
  // The head with what came behind it; untouched while a body is read, because others look into it.
  std::string head_;
  std::size_t head_read_ = 0;
  std::size_t head_filled_ = 0;
  std::string body_;
  std::size_t body_read_ = 0;
  std::size_t body_filled_ = 0;
  std::optional<http1::Refusal> refusal_;
  http1::Framing framing_;
  http1::ChunkedReader chunks_;
  std::uint64_t left_ = 0;
  bool done_ = true;
};

}  // namespace oxbow
