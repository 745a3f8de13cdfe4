#include "protocol/http1/framing.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace oxbow::http1 {
namespace {

constexpr int kSizeDigitsMax = 16;  // leading zeros included: nobody needs more
constexpr std::size_t kExtensionBytesMax = 256;
constexpr std::size_t kTrailerBytesMax = 8 << 10;

std::optional<std::uint64_t> parse_length(std::string_view text) {
  if (text.empty() || text.size() > 18) return std::nullopt;
  std::uint64_t value = 0;
  for (char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return value;
}

struct Declared {
  std::size_t lengths = 0;
  std::size_t codings = 0;
  std::string_view length;
  std::string_view coding;
};

Declared declared_by(const HeaderFields& fields) {
  Declared declared;
  for (const auto& field : fields) {
    if (same_field_name(field.name, "Content-Length")) {
      ++declared.lengths;
      declared.length = field.value;
    } else if (same_field_name(field.name, "Transfer-Encoding")) {
      ++declared.codings;
      declared.coding = field.value;
    }
  }
  return declared;
}

// What is the same for both directions.
std::optional<Refusal> declared_framing(const Declared& declared, int minor_version, Framing& framing) {
  if (declared.codings > 0 && declared.lengths > 0)
    return Refusal{400, "there are both a Content-Length and a Transfer-Encoding"};
  if (declared.lengths > 1) return Refusal{400, "there is more than one Content-Length"};
  if (declared.codings > 0) {
    if (minor_version == 0) return Refusal{400, "HTTP/1.0 has no Transfer-Encoding"};
    if (declared.codings > 1 || !same_field_name(declared.coding, "chunked"))
      return Refusal{501, "the only Transfer-Encoding understood here is chunked"};
    framing.kind = Framing::Kind::chunked;
    return std::nullopt;
  }
  if (declared.lengths == 0) return std::nullopt;
  auto length = parse_length(declared.length);
  if (!length) return Refusal{400, "Content-Length is no length"};
  if (*length > 0) framing = {Framing::Kind::length, *length};
  return std::nullopt;
}

}  // namespace

std::optional<Refusal> request_framing(const RequestHead& head, Framing& framing) {
  framing = {};
  return declared_framing(declared_by(head.fields), head.minor_version, framing);
}

std::optional<Refusal> response_framing(std::string_view method, const ResponseHead& head, Framing& framing) {
  framing = {};
  auto declared = declared_by(head.fields);
  bool has_none = head.status < 200 || head.status == 204 || head.status == 304 || method == "HEAD";
  Framing said;
  if (auto refusal = declared_framing(declared, head.minor_version, said)) return refusal;
  if (has_none) return std::nullopt;
  framing = said;
  if (declared.lengths == 0 && declared.codings == 0) framing.kind = Framing::Kind::until_close;
  return std::nullopt;
}

bool keeps_alive(int minor_version, const HeaderFields& fields) {
  if (lists_token(fields, "Connection", "close")) return false;
  return minor_version > 0 || lists_token(fields, "Connection", "keep-alive");
}

bool ChunkedReader::take_size_digit(char c) {
  int digit = c >= '0' && c <= '9'   ? c - '0'
              : c >= 'a' && c <= 'f' ? c - 'a' + 10
              : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                     : -1;
  if (digit < 0 || ++digits_ > kSizeDigitsMax || left_ >> 60 != 0) return false;
  left_ = left_ * 16 + static_cast<std::uint64_t>(digit);
  return true;
}

ChunkedReader::Step ChunkedReader::read(std::string_view bytes) {
  Step step;
  auto malformed = [&] {
    step.is_malformed = true;
    return step;
  };
  while (step.consumed < bytes.size()) {
    char c = bytes[step.consumed];
    switch (at_) {
      case At::size:
        if ((c == '\r' || c == ';' || c == ' ' || c == '\t') && digits_ == 0) return malformed();
        if (c == '\r') {
          at_ = At::size_lf;
        } else if (c == ';' || c == ' ' || c == '\t') {
          at_ = At::extension;
        } else if (!take_size_digit(c)) {
          return malformed();
        }
        break;
      case At::extension:
        if (++extension_bytes_ > kExtensionBytesMax) return malformed();
        if (c == '\r') {
          at_ = At::size_lf;
        } else if (!is_field_value({&c, 1})) {
          return malformed();
        }
        break;
      case At::size_lf:
        if (c != '\n') return malformed();
        digits_ = 0;
        extension_bytes_ = 0;
        at_ = left_ == 0 ? At::trailers : At::data;
        break;
      case At::data: {
        auto part = std::min<std::uint64_t>(left_, bytes.size() - step.consumed);
        step.data = bytes.substr(step.consumed, part);
        step.consumed += part;
        left_ -= part;
        if (left_ == 0) at_ = At::data_cr;
        return step;
      }
      case At::data_cr:
        if (c != '\r') return malformed();
        at_ = At::data_lf;
        break;
      case At::data_lf:
        if (c != '\n') return malformed();
        at_ = At::size;
        break;
      case At::trailers:
        if (c == '\n' && !trailer_bytes_.ends_with('\r')) return malformed();
        trailer_bytes_ += c;
        if (trailer_bytes_.size() > kTrailerBytesMax) return malformed();
        if (trailer_bytes_ == "\r\n" || trailer_bytes_.ends_with("\r\n\r\n")) {
          ++step.consumed;
          step.done = true;
          step.is_malformed = !parse_trailers();
          return step;
        }
        break;
    }
    ++step.consumed;
  }
  return step;
}

// A trailer section is a head without its first line.
bool ChunkedReader::parse_trailers() {
  std::optional<Refusal> refusal;
  HeadScanner scanner({});
  if (!scanner.find_end(trailer_bytes_, refusal) || refusal) return false;
  std::string head = "HTTP/1.1 200 OK\r\n" + trailer_bytes_;
  trailer_bytes_ = std::move(head);
  ResponseHead parsed;
  if (parse_response_head(trailer_bytes_, {}, parsed)) return false;
  trailers_ = std::move(parsed.fields);
  return true;
}

void append_chunk(std::string& out, std::string_view bytes) {
  if (bytes.empty()) return;
  fmt::format_to(std::back_inserter(out), "{:x}\r\n", bytes.size());
  out.append(bytes).append("\r\n");
}

}  // namespace oxbow::http1
