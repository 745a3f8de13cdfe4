// The words that client and server share for HTTP over a unix socket. Included by these two alone: Beast
// takes long to compile.
#pragma once

#include <sys/un.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/url.hpp>
#include <string>

#include "base/result.hpp"

namespace oxbow {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;

using Local = asio::local::stream_protocol;
using LocalStream = beast::basic_stream<Local>;

inline constexpr auto kToken = asio::as_tuple(asio::use_awaitable);

inline Result<Local::endpoint> endpoint_at(const std::string& socket_path) {
  constexpr auto kBytesMax = sizeof(sockaddr_un::sun_path) - 1;
  if (socket_path.size() <= kBytesMax) return Local::endpoint(socket_path);
  return Err(ErrorCode::usage,
             "the socket path {} is longer than {} bytes; name a shorter directory with --state", socket_path,
             kBytesMax);
}

}  // namespace oxbow
