// Addresses of HTTP services and of the gateway's own listeners, taken apart. Nothing is resolved here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

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

  friend bool operator==(const ServiceAddress&, const ServiceAddress&) = default;
};

// "http://127.0.0.1:8081", "https://pay.internal" (port 443), "unix:/run/pay.sock". A path has no place in
// it: requests are passed on under their own.
std::optional<ServiceAddress> parse_service_address(std::string_view text);

// "127.0.0.1:8080", "[::1]:8443", "unix:/run/oxbow/gateway.sock". Port 0 lets the system choose.
std::optional<HttpAddress> parse_listen_address(std::string_view text);

// Letters, digits, dots and hyphens.
bool is_host_name(std::string_view text);

}  // namespace oxbow
