#include "model/http_address.hpp"

#include <fmt/core.h>

namespace oxbow {

std::string to_string(const HttpAddress& address) {
  if (address.is_unix()) return "unix:" + address.unix_path;
  bool is_ipv6 = address.host.find(':') != std::string::npos;
  return fmt::format("{}{}{}:{}", is_ipv6 ? "[" : "", address.host, is_ipv6 ? "]" : "", address.port);
}

std::string to_string(const ServiceAddress& address) {
  if (address.at.is_unix()) return to_string(address.at);
  return (address.tls ? "https://" : "http://") + to_string(address.at);
}

}  // namespace oxbow
