// The small language of addresses.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "model/http_address.hpp"
#include "model/spec.hpp"

namespace oxbow {

// "http://127.0.0.1:8081", "https://pay.internal" (port 443), "unix:/run/pay.sock". A path has no place in
// it: requests are passed on under their own.
std::optional<ServiceAddress> parse_service_address(std::string_view text);

// Of a system as it was parsed.
std::vector<ServiceAddress> service_addresses(const SystemSpec& system);

// "127.0.0.1:8080", "[::1]:8443", "unix:/run/oxbow/gateway.sock". Port 0 lets the system choose.
std::optional<HttpAddress> parse_listen_address(std::string_view text);

// Letters, digits, dots and hyphens.
bool is_host_name(std::string_view text);

}  // namespace oxbow
