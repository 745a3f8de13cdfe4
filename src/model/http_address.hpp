// Addresses of HTTP services and of the gateway's own listeners, taken apart. Nothing is resolved here.
#pragma once

#include <cstdint>
#include <string>

namespace oxbow {

struct HttpAddress {
  std::string host;  // a name or an address, an IPv6 one without its brackets; empty: a unix socket
  std::uint16_t port = 0;
  std::string unix_path;

  bool is_unix() const { return !unix_path.empty(); }
  friend bool operator==(const HttpAddress&, const HttpAddress&) = default;
};

struct ServiceAddress {
  HttpAddress at;
  bool tls = false;
  std::string ca;  // the file with the authorities its certificate must come from; empty: those of the system

  friend bool operator==(const ServiceAddress&, const ServiceAddress&) = default;
};

std::string to_string(const HttpAddress& address);     // "[::1]:8443", "unix:/run/pay.sock"
std::string to_string(const ServiceAddress& address);  // "https://pay.internal:443"

}  // namespace oxbow
