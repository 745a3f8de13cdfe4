// What the owners of a migration say about its HTTP gateway. Addresses are texts, checked by
// core/spec/http_address.hpp, which takes them apart.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "base/time.hpp"
#include "model/mark.hpp"

namespace oxbow {

struct ListenSpec {
  std::string address;      // "127.0.0.1:8080", "[::1]:8443", "unix:/run/oxbow/gateway.sock"
  std::string certificate;  // files in PEM; both empty: no TLS
  std::string key;
  Mark mark;

  bool tls() const { return !certificate.empty(); }
};

struct GatewayLimits {
  std::uint64_t connections_max = 20'000;  // of users, open at once; more are turned away
  std::uint64_t requests_max = 2'000;      // that the services are asked at once; more are refused
  std::uint64_t header_bytes_max = 32ull << 10;
  Duration header_time_max = std::chrono::seconds(10);  // from the first byte of a head to its last
  Duration idle_time_max = std::chrono::seconds(75);    // of a connection between two requests
  Duration connect_time_max = std::chrono::seconds(2);  // to a service
  Duration answer_time_max = std::chrono::seconds(60);  // until a service's head is there
  Duration body_time_max = std::chrono::seconds(60);    // between two pieces of a body, either way
  Duration drain_time_max = std::chrono::seconds(30);   // for requests under way when the gateway stops
};

struct ShadowLimits {
  std::uint64_t memory_bytes_max = 64ull << 20;  // of all shadows together: requests and answers
  std::uint64_t body_bytes_max = 1ull << 20;     // a larger body is not shadowed
  Duration time_max = std::chrono::seconds(10);
  std::uint64_t connections_max = 32;  // to each side
  std::uint32_t twin_buckets = 500;    // of kBucketCount: shadowed reads with a second answer of their side
};

struct HealthRule {
  Duration every = std::chrono::seconds(2);
  std::uint64_t failures = 3;  // in a row: then the address is left alone until it answers again
};

// Clients carry along how far they have seen, in a cookie or in a header field of this name.
struct ReadYourWrites {
  std::string cookie, header;                         // one of them; both empty: nobody does
  Duration wait_max = std::chrono::milliseconds(50);  // for a stream, until the authority answers instead

  bool is_on() const { return !cookie.empty() || !header.empty(); }
};

struct GatewaySpec {
  std::vector<ListenSpec> listen;
  bool state_headers = false;  // X-Oxbow-Side and X-Oxbow-State on answers
  std::string version_header;  // the field of an answer that names its service's version; empty: none does
  std::string access_log;      // a file, "-" for standard output; empty: none
  GatewayLimits limits;
  ShadowLimits shadow;
  HealthRule health;
  ReadYourWrites read_your_writes;
  std::vector<std::string> redact;  // of every route, as in Route
  Mark mark;
};

}  // namespace oxbow
