// One request of a client and the way to answer it, whatever version of HTTP it speaks. Belongs to the task
// that forwards it, and lives as long.
#pragma once

#include <span>

#include "ports/byte_stream.hpp"
#include "protocol/http1/forwarding.hpp"
#include "services/gateway/message_reader.hpp"

namespace oxbow {

class ClientExchange {
 public:
  virtual ~ClientExchange() = default;

  virtual const RequestHead& request() const = 0;
  virtual http1::Requester requester() const = 0;

  // Kind::none: there is no body. Kind::chunked: of unknown length.
  virtual const http1::Framing& body_framing() const = 0;
  virtual Task<BodyPart> read_body() = 0;
  virtual const HeaderFields& trailers() const = 0;
  // What has come of the body is not wanted: a connection on which all has come can go on.
  virtual void pass_over_body() = 0;

  // The answer is put together in memory; flush() sends what there is, and waits for a slow client.
  // flush_now() does not wait: true if all is sent.
  virtual void add_interim(const ResponseHead& head) = 0;  // 1xx
  virtual void begin_answer(const ResponseHead& head, const http1::Framing& framing,
                            std::span<const http1::OwnField> own) = 0;
  virtual void add_body(std::string_view bytes) = 0;
  virtual void end_answer(const HeaderFields& trailers) = 0;
  virtual void add_raw(std::string_view bytes) = 0;  // behind an upgrade
  virtual bool flush_now() = 0;
  virtual Task<void> flush() = 0;
  virtual std::size_t bytes_unsent() const = 0;

  virtual bool answer_has_begun() const = 0;

  // Ends the answer so that the client sees that it is not whole.
  virtual void cut_off() = 0;

  // The stream behind a request that upgrades, for bytes of another protocol; none where that cannot be.
  virtual ByteStream* stream() = 0;
  virtual std::string_view bytes_behind_head() = 0;
};

}  // namespace oxbow
