// The input is what a client sends on one connection. Taken at once or byte by byte, it must come apart in
// the same way; what is passed on must be taken by the same reader again, with the same framing.
#include <cstdint>
#include <string>
#include <tuple>

#include "base/assert.hpp"
#include "protocol/http1/forwarding.hpp"

namespace {

using namespace oxbow;

struct Found {
  std::optional<std::size_t> end;
  bool refused = false;

  friend bool operator==(const Found&, const Found&) = default;
};

Found find_end(std::string_view bytes, std::size_t step) {
  http1::HeadScanner scanner({.line_bytes_max = 200, .head_bytes_max = 1000});
  std::optional<http1::Refusal> refusal;
  for (std::size_t size = std::min(step, bytes.size());; size = std::min(size + step, bytes.size())) {
    if (auto end = scanner.find_end(bytes.substr(0, size), refusal)) return {end, false};
    if (refusal) return {std::nullopt, true};
    if (size == bytes.size()) return {};
  }
}

struct Chunks {
  std::string data;
  bool done = false;
  bool malformed = false;
  std::size_t consumed = 0;

  friend bool operator==(const Chunks&, const Chunks&) = default;
};

Chunks read_chunks(std::string_view bytes, std::size_t step) {
  Chunks chunks;
  http1::ChunkedReader reader;
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    auto rest = bytes.substr(at, step);
    while (!rest.empty()) {
      auto taken = reader.read(rest);
      rest.remove_prefix(taken.consumed);
      chunks.consumed += taken.consumed;
      chunks.data += taken.data;
      chunks.done = taken.done;
      chunks.malformed = taken.is_malformed;
      if (taken.done || taken.is_malformed) return chunks;
    }
  }
  return chunks;
}

void check_forwarded(const RequestHead& head, const http1::Framing& framing) {
  std::string out;
  http1::append_request_head(out, head, framing, {.requester = {"127.0.0.1", false}});
  http1::HeadLimits limits{.line_bytes_max = out.size(), .head_bytes_max = out.size(), .fields_max = 1000};
  http1::HeadScanner scanner(limits);
  std::optional<http1::Refusal> refusal;
  auto end = scanner.find_end(out, refusal);
  OXBOW_ASSERT(end && *end == out.size(), "what is passed on does not end where it should:\n{}", out);
  RequestHead again;
  refusal = http1::parse_request_head(out, limits, again);
  OXBOW_ASSERT(!refusal, "what is passed on is refused, {}:\n{}", refusal->sentence, out);
  http1::Framing framed;
  refusal = http1::request_framing(again, framed);
  OXBOW_ASSERT(!refusal && framed == framing, "what is passed on has another framing:\n{}", out);
  OXBOW_ASSERT(again.method == head.method && again.target == head.target && again.host == head.host,
               "what is passed on is another request:\n{}", out);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  auto found = find_end(bytes, size + 1);
  OXBOW_ASSERT(found == find_end(bytes, 1), "a head ends elsewhere when it comes byte by byte");
  OXBOW_ASSERT(read_chunks(bytes, size + 1) == read_chunks(bytes, 1),
               "chunks differ when they come byte by byte");
  if (!found.end) return 0;
  RequestHead head;
  http1::Framing framing;
  if (!http1::parse_request_head(bytes.substr(0, *found.end), {}, head) &&
      !http1::request_framing(head, framing))
    check_forwarded(head, framing);
  ResponseHead response;
  if (!http1::parse_response_head(bytes.substr(0, *found.end), {}, response))
    std::ignore = http1::response_framing("GET", response, framing);
  return 0;
}
