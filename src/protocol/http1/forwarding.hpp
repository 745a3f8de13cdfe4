// What a proxy changes in a head that it passes on (RFC 9110, 7.6; RFC 9112): hop-by-hop fields end here, the
// framing is said anew, and who asked is written down.
// Pure functions; they append to `out`.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "protocol/http1/framing.hpp"

namespace oxbow::http1 {

// Who asked, and how.
struct Requester {
  std::string_view address;  // without its port; "unix" for a unix socket
  bool over_tls = false;
  bool over_http2 = false;
};

// A field of ours, put behind those that are passed on. Fields of the same name do not pass, but for cookies:
// each of them is a thing of its own.
struct OwnField {
  std::string_view name;
  std::string_view value;
};

struct RequestChanges {
  Requester requester;
  std::string_view target;                      // empty: as it is
  std::string_view traceparent;                 // sent if the request has no valid one
  bool wants_upgrade = false;                   // Connection and Upgrade pass
  std::span<const OwnField> own;                // for example X-Shadow
  std::span<const std::string_view> without{};  // names of fields that end here
};

// How many more hops an OPTIONS or TRACE may take (RFC 9110, 7.6.2); at 0 it is answered here. None: any.
std::optional<std::uint64_t> max_forwards(const RequestHead& head);

void append_request_head(std::string& out, const RequestHead& head, const Framing& framing,
                         const RequestChanges& changes);

struct ResponseChanges {
  bool close = false;             // the connection ends behind this response
  bool says_keep_alive = false;   // an HTTP/1.0 client has to hear it
  bool upgrades = false;          // 101: Connection and Upgrade pass
  std::span<const OwnField> own;  // for example X-Oxbow-Side
};

// `framing` is how the body goes out. A Content-Length without a body (HEAD, 304) passes as it is.
void append_response_head(std::string& out, const ResponseHead& head, const Framing& framing,
                          const ResponseChanges& changes);

// The fields of such a head alone, without the length of a body that follows, for a version of HTTP that
// frames bodies by itself. They are views of `head` and `own`.
HeaderFields passing_fields(const ResponseHead& head, const Framing& framing, std::span<const OwnField> own);

// Trailers without what may not stand there, and the empty line.
void append_trailers(std::string& out, const HeaderFields& trailers);

// Version, trace, parent, flags as W3C Trace Context has them; `random` is 24 bytes.
std::string make_traceparent(std::span<const unsigned char, 24> random);
bool is_traceparent(std::string_view text);

}  // namespace oxbow::http1
