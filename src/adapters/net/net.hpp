// Byte streams over TCP and unix sockets, with TLS where the address or the listener asks for it.
// Everything belongs to the executor it was made with. Files of TLS are read when they are named, and again
// when they have changed; `spec_invalid` if they cannot be used at the first time.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "ports/byte_stream.hpp"

namespace oxbow::net {

// Certificate and key that a listener shows. Both are files in PEM form.
struct Identity {
  std::string certificate_path;
  std::string key_path;
};

// `address`: "127.0.0.1:8080", "[::1]:0" or "unix:/path". Without an identity there is no TLS.
Result<std::unique_ptr<Listener>> listen(boost::asio::any_io_executor executor, const HttpAddress& address,
                                         const std::optional<Identity>& identity);

// For these services and no others. A service with TLS must show a certificate for its host.
Result<std::unique_ptr<Dialer>> make_dialer(boost::asio::any_io_executor executor,
                                            std::span<const ServiceAddress> services);

}  // namespace oxbow::net
