// Where the body of an HTTP/1 message ends (RFC 9112, 6), and the chunked coding. Where two readers could
// disagree, the message is refused: that is what request smuggling lives on.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "protocol/http1/head.hpp"

namespace oxbow::http1 {

struct Framing {
  enum class Kind { none, length, chunked, until_close };

  Kind kind = Kind::none;
  std::uint64_t length = 0;  // for Kind::length; above 0

  friend bool operator==(const Framing&, const Framing&) = default;
};

std::optional<Refusal> request_framing(const RequestHead& head, Framing& framing);

// `method` is that of the request. Interim responses (1xx) have no body.
std::optional<Refusal> response_framing(std::string_view method, const ResponseHead& head, Framing& framing);

// Whether the sender lets the connection go on behind this message.
bool keeps_alive(int minor_version, const HeaderFields& fields);

// Takes a chunked body apart, as its bytes come. Chunk extensions are dropped; trailers are kept.
class ChunkedReader {
 public:
  struct Step {
    std::size_t consumed = 0;   // of the bytes that were given
    std::string_view data;      // a part of the body inside them
    bool done = false;          // the body and its trailers are over
    bool is_malformed = false;  // nothing that follows can be trusted
  };

  // Takes bytes until it has data, or needs more, or is done.
  Step read(std::string_view bytes);

  // Valid until the next body. REQUIRES: done
  const HeaderFields& trailers() const { return trailers_; }

 private:
  enum class At { size, extension, size_lf, data, data_cr, data_lf, trailers };

  bool take_size_digit(char c);
  bool parse_trailers();

  At at_ = At::size;
  std::uint64_t left_ = 0;
  int digits_ = 0;
  std::size_t extension_bytes_ = 0;
  std::string trailer_bytes_;
  HeaderFields trailers_;
};

// The bytes as one chunk. Nothing for none: an empty chunk would be the end of the body.
void append_chunk(std::string& out, std::string_view bytes);

}  // namespace oxbow::http1
