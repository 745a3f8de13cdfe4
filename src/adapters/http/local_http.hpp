// The words that client and server share for HTTP over a unix socket. Included by these two alone: Beast
// takes long to compile.
#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/url.hpp>

namespace oxbow {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;

using Local = asio::local::stream_protocol;
using LocalStream = beast::basic_stream<Local>;

inline constexpr auto kToken = asio::as_tuple(asio::use_awaitable);

}  // namespace oxbow
