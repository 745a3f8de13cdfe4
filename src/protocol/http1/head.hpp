// The head of an HTTP/1 message: the bytes up to and with the empty line, strictly as RFC 9112 has them.
// What two readers could understand in two ways is refused here, before anything is forwarded: a bare LF, a
// folded line, a space before a colon, a control character, a name that is no token.
// Pure functions; the views of a head point into the bytes that were parsed.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "model/http_message.hpp"

namespace oxbow::http1 {

struct HeadLimits {
  std::size_t line_bytes_max = 16 << 10;  // of the first line
  std::size_t head_bytes_max = 64 << 10;
  std::size_t fields_max = 100;
};

// Why a message cannot be taken, with the status that its sender gets.
struct Refusal {
  int status = 400;
  std::string sentence;

  friend bool operator==(const Refusal&, const Refusal&) = default;
};

// Finds the end of a head in bytes that arrive piece by piece, looking at each byte once.
class HeadScanner {
 public:
  explicit HeadScanner(HeadLimits limits) : limits_(limits) {}

  // Bytes of the head that `bytes` begins with, its empty line included; none if that has not come yet.
  // `bytes` is what it was at the last call with more behind it. A refusal as soon as no end could help.
  std::optional<std::size_t> find_end(std::string_view bytes, std::optional<Refusal>& refusal);

 private:
  std::optional<Refusal> too_long(std::size_t bytes) const;

  HeadLimits limits_;
  std::size_t line_begin_ = 0;
  std::size_t seen_ = 0;
};

// REQUIRES: `bytes` is a whole head, as HeadScanner found it. Clears `head`, and keeps its storage.
std::optional<Refusal> parse_request_head(std::string_view bytes, const HeadLimits& limits,
                                          RequestHead& head);
std::optional<Refusal> parse_response_head(std::string_view bytes, const HeadLimits& limits,
                                           ResponseHead& head);

bool is_token(std::string_view text);
bool is_field_value(std::string_view text);  // no control character but tabs

// Whether the list that fields of this name make up together names `token`, in any case.
bool lists_token(const HeaderFields& fields, std::string_view name, std::string_view token);

// Whether the connection is to be upgraded. Not to another version of HTTP (RFC 9113, 3.1): its requests
// would pass through the tunnel undecided.
bool wants_upgrade(const RequestHead& head);

// Calls `visit` with every member of a comma-separated list, trimmed; empty members are passed over.
template <class Visit>
void for_each_member(std::string_view list, Visit visit) {
  while (!list.empty()) {
    auto comma = list.find(',');
    auto member = list.substr(0, comma);
    list = comma == std::string_view::npos ? std::string_view() : list.substr(comma + 1);
    auto first = member.find_first_not_of(" \t");
    if (first == std::string_view::npos) continue;
    visit(member.substr(first, member.find_last_not_of(" \t") - first + 1));
  }
}

}  // namespace oxbow::http1
