// Byte streams over TCP and unix sockets, with TLS where the address or the listener asks for it.
// Everything belongs to the executor it was made with.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <memory>
#include <string>

#include "ports/byte_stream.hpp"

namespace oxbow::net {

// Certificate and key that a listener shows. Both are files in PEM form.
struct Identity {
  std::string certificate_path;
  std::string key_path;
};

// `address`: "127.0.0.1:8080", "[::1]:0" or "unix:/path".
Result<std::unique_ptr<Listener>> listen(boost::asio::any_io_executor executor,
                                         const HttpAddress& address);

std::unique_ptr<Dialer> make_dialer(boost::asio::any_io_executor executor);

}  // namespace oxbow::net
