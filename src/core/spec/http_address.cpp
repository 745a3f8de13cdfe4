#include "core/spec/http_address.hpp"

#include <algorithm>

#include "core/spec/scalars.hpp"

namespace oxbow {
namespace {

constexpr std::size_t kUnixPathMax = 107;  // what a socket address holds

bool is_ipv6_text(std::string_view text) {
  return text.contains(':') && text.find_first_not_of("0123456789abcdefABCDEF:.%") == std::string_view::npos;
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  auto port = parse_count(text);
  return port && *port <= 65'535 ? std::optional(static_cast<std::uint16_t>(*port)) : std::nullopt;
}

std::optional<HttpAddress> parse_unix(std::string_view text) {
  auto path = text.substr(std::string_view("unix:").size());
  if (!path.starts_with('/') || path.size() < 2 || path.size() > kUnixPathMax) return std::nullopt;
  return HttpAddress{.host = {}, .port = 0, .unix_path = std::string(path)};
}

// "host:port" and "[::1]:port"; without a port, `default_port` if there is one.
std::optional<HttpAddress> parse_host_and_port(std::string_view text,
                                               std::optional<std::uint16_t> default_port) {
  HttpAddress address;
  std::string_view rest;
  if (text.starts_with('[')) {
    auto end = text.find(']');
    if (end == std::string_view::npos || !is_ipv6_text(text.substr(1, end - 1))) return std::nullopt;
    address.host = text.substr(1, end - 1);
    rest = text.substr(end + 1);
  } else {
    auto end = std::min(text.find(':'), text.size());
    if (!is_host_name(text.substr(0, end))) return std::nullopt;
    address.host = text.substr(0, end);
    rest = text.substr(end);
  }
  auto port = rest.empty() ? default_port : rest[0] == ':' ? parse_port(rest.substr(1)) : std::nullopt;
  if (!port) return std::nullopt;
  address.port = *port;
  return address;
}

}  // namespace

std::optional<ServiceAddress> parse_service_address(std::string_view text) {
  if (text.starts_with("unix:")) {
    auto at = parse_unix(text);
    return at ? std::optional(ServiceAddress{.at = *at}) : std::nullopt;
  }
  bool tls = text.starts_with("https://");
  if (!tls && !text.starts_with("http://")) return std::nullopt;
  text.remove_prefix(std::string_view(tls ? "https://" : "http://").size());
  if (text.ends_with('/')) text.remove_suffix(1);
  auto at = parse_host_and_port(text, tls ? 443 : 80);
  if (!at || at->port == 0) return std::nullopt;
  return ServiceAddress{.at = *at, .tls = tls};
}

std::vector<ServiceAddress> service_addresses(const SystemSpec& system) {
  std::vector<ServiceAddress> addresses;
  for (const auto& text : system.services) {
    addresses.push_back(*parse_service_address(text));
    addresses.back().ca = system.service_ca;
  }
  return addresses;
}

std::optional<HttpAddress> parse_listen_address(std::string_view text) {
  return text.starts_with("unix:") ? parse_unix(text) : parse_host_and_port(text, std::nullopt);
}

bool is_host_name(std::string_view text) {
  return !text.empty() && text.size() <= 253 && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
  });
}

}  // namespace oxbow
