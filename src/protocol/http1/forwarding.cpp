#include "protocol/http1/forwarding.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

namespace oxbow::http1 {
namespace {

// Fields that belong to one connection, whether Connection lists them or not.
constexpr std::array<std::string_view, 9> kHopByHop = {"Connection",
                                                       "Keep-Alive",
                                                       "Proxy-Connection",
                                                       "Proxy-Authenticate",
                                                       "Proxy-Authorization",
                                                       "TE",
                                                       "Transfer-Encoding",
                                                       "Upgrade",
                                                       "Expect"};

// What a sender may not take away by listing it in Connection.
constexpr std::array<std::string_view, 4> kNeverListed = {"Host", "Content-Length", "Cookie",
                                                          "Authorization"};

bool is_one_of(std::string_view name, std::span<const std::string_view> names) {
  return std::ranges::any_of(names, [&](std::string_view each) { return same_field_name(each, name); });
}

void append_field(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append(": ").append(value).append("\r\n");
}

void append_framing(std::string& out, const Framing& framing) {
  if (framing.kind == Framing::Kind::length)
    fmt::format_to(std::back_inserter(out), "Content-Length: {}\r\n", framing.length);
  if (framing.kind == Framing::Kind::chunked) append_field(out, "Transfer-Encoding", "chunked");
}

// Tells which fields of a head go on to the next hop.
class Passing {
 public:
  Passing(const HeaderFields& fields, std::span<const OwnField> own) : fields_(fields), own_(own) {
    has_connection_ = find_field(fields, "Connection").has_value();
  }

  bool passes(const HeaderField& field) const {
    if (is_one_of(field.name, kHopByHop) || same_field_name(field.name, "Content-Length")) return false;
    if (is_replaced(field.name)) return false;
    return !has_connection_ || is_one_of(field.name, kNeverListed) ||
           !lists_token(fields_, "Connection", field.name);
  }

 private:
  bool is_replaced(std::string_view name) const {
    auto has_name = [&](const OwnField& own) { return same_field_name(own.name, name); };
    return std::ranges::any_of(own_, has_name) && !same_field_name(name, "Set-Cookie");
  }

  const HeaderFields& fields_;
  std::span<const OwnField> own_;
  bool has_connection_;
};

void append_forwarded(std::string& out, const RequestHead& head, const Requester& requester) {
  out += "X-Forwarded-For: ";
  for (const auto& field : head.fields)
    if (same_field_name(field.name, "X-Forwarded-For") && !field.value.empty())
      out.append(field.value).append(", ");
  out.append(requester.address).append("\r\n");
  append_field(out, "X-Forwarded-Proto", requester.over_tls ? "https" : "http");
  append_field(out, "X-Forwarded-Host", head.host);
}

// The version in which the request came here.
std::string_view via(const RequestHead& head, const Requester& requester) {
  if (requester.over_http2) return "2.0 oxbow";
  return head.minor_version == 0 ? "1.0 oxbow" : "1.1 oxbow";
}

// What only the gateway may say: a client that called its own request a shadow would have it pass without
// effect.
bool is_ours(std::string_view name) {
  return name.size() > 2 && (name.front() == 'X' || name.front() == 'x') &&
         (same_field_name(name, "X-Forwarded-For") || same_field_name(name, "X-Forwarded-Proto") ||
          same_field_name(name, "X-Forwarded-Host") || same_field_name(name, "X-Shadow"));
}

// Programs behind CGI see X_Forwarded_For and X-Forwarded-For as one variable.
bool looks_like_ours(std::string_view name) {
  if (name.find('_') == std::string_view::npos) return false;
  std::string as_read(name);
  std::ranges::replace(as_read, '_', '-');
  return is_ours(as_read) || is_one_of(as_read, kHopByHop) || same_field_name(as_read, "Content-Length");
}

// What a tracing system says beside its trace has no meaning without it.
bool has_valid_trace(const RequestHead& head) {
  return std::ranges::any_of(head.fields, [](const auto& field) {
    return same_field_name(field.name, "traceparent") && is_traceparent(field.value);
  });
}

// Of the answer to a HEAD, or a 304.
std::optional<std::string_view> length_without_body(const ResponseHead& head, const Framing& framing) {
  bool may_have = framing.kind == Framing::Kind::none && head.status >= 200 && head.status != 204;
  return may_have ? find_field(head.fields, "Content-Length") : std::nullopt;
}

}  // namespace

std::optional<std::uint64_t> max_forwards(const RequestHead& head) {
  if (head.method != "OPTIONS" && head.method != "TRACE") return std::nullopt;
  auto text = find_field(head.fields, "Max-Forwards");
  std::uint64_t hops = 0;
  if (!text) return std::nullopt;
  auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), hops);
  if (error == std::errc::result_out_of_range) return std::numeric_limits<std::uint64_t>::max();
  if (error != std::errc() || end != text->data() + text->size()) return std::nullopt;
  return hops;
}

void append_request_head(std::string& out, const RequestHead& head, const Framing& framing,
                         const RequestChanges& changes) {
  out.append(head.method).append(" ").append(changes.target.empty() ? head.target : changes.target);
  out += " HTTP/1.1\r\n";
  append_field(out, "Host", head.host);
  Passing passing(head.fields, changes.own);
  bool has_trace = false;
  bool goes_on_with_trace = has_valid_trace(head);
  auto hops_left = max_forwards(head);
  for (const auto& field : head.fields) {
    if (same_field_name(field.name, "Host") || is_ours(field.name)) continue;
    if (same_field_name(field.name, "tracestate") && !goes_on_with_trace) continue;
    if (hops_left && same_field_name(field.name, "Max-Forwards")) continue;
    if (is_one_of(field.name, changes.without) || looks_like_ours(field.name)) continue;
    if (same_field_name(field.name, "traceparent")) {
      if (has_trace || !is_traceparent(field.value)) continue;
      has_trace = true;
    }
    bool expects = same_field_name(field.name, "Expect") && framing.kind != Framing::Kind::none;
    if (expects || passing.passes(field)) append_field(out, field.name, field.value);
  }
  if (lists_token(head.fields, "TE", "trailers")) out += "TE: trailers\r\nConnection: TE\r\n";
  if (changes.wants_upgrade) {
    out += "Connection: Upgrade\r\n";
    for (const auto& field : head.fields)
      if (same_field_name(field.name, "Upgrade")) append_field(out, "Upgrade", field.value);
  }
  bool says_empty = framing.kind == Framing::Kind::none && find_field(head.fields, "Content-Length");
  if (says_empty) append_field(out, "Content-Length", "0");
  append_framing(out, framing);
  if (hops_left && *hops_left > 0) append_field(out, "Max-Forwards", std::to_string(*hops_left - 1));
  append_forwarded(out, head, changes.requester);
  if (!has_trace && !changes.traceparent.empty()) append_field(out, "traceparent", changes.traceparent);
  append_field(out, "Via", via(head, changes.requester));
  for (const auto& own : changes.own) append_field(out, own.name, own.value);
  out += "\r\n";
}

void append_response_head(std::string& out, const ResponseHead& head, const Framing& framing,
                          const ResponseChanges& changes) {
  fmt::format_to(std::back_inserter(out), "HTTP/1.1 {} {}\r\n", head.status, head.reason);
  Passing passing(head.fields, changes.own);
  for (const auto& field : head.fields) {
    bool upgrade = changes.upgrades && same_field_name(field.name, "Upgrade");
    if (upgrade || passing.passes(field)) append_field(out, field.name, field.value);
  }
  if (auto length = length_without_body(head, framing)) append_field(out, "Content-Length", *length);
  append_framing(out, framing);
  for (const auto& own : changes.own) append_field(out, own.name, own.value);
  if (changes.upgrades)
    append_field(out, "Connection", "Upgrade");
  else if (changes.close)
    append_field(out, "Connection", "close");
  else if (changes.says_keep_alive)
    append_field(out, "Connection", "keep-alive");
  out += "\r\n";
}

HeaderFields passing_fields(const ResponseHead& head, const Framing& framing, std::span<const OwnField> own) {
  HeaderFields fields;
  Passing passing(head.fields, own);
  for (const auto& field : head.fields)
    if (passing.passes(field)) fields.push_back(field);
  if (auto length = length_without_body(head, framing)) fields.push_back({"Content-Length", *length});
  for (const auto& each : own) fields.push_back({each.name, each.value});
  return fields;
}

// RFC 9110, 6.5.1: nothing that frames, routes, authenticates or changes what is asked. Nor what only the
// gateway may say: many programs read trailers as if they had stood in the head.
void append_trailers(std::string& out, const HeaderFields& trailers) {
  constexpr std::array<std::string_view, 12> kForbidden = {
      "Host",          "Content-Length", "Content-Encoding", "Content-Type",
      "Content-Range", "Authorization",  "Set-Cookie",       "Cookie",
      "Range",         "Max-Forwards",   "Trailer",          "traceparent"};
  auto is_allowed = [&](std::string_view name) {
    return !is_one_of(name, kHopByHop) && !is_one_of(name, kForbidden) && !is_ours(name) &&
           !looks_like_ours(name);
  };
  for (const auto& field : trailers)
    if (is_allowed(field.name)) append_field(out, field.name, field.value);
  out += "\r\n";
}

std::string make_traceparent(std::span<const unsigned char, 24> random) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text = "00-";
  for (std::size_t i = 0; i < random.size(); ++i) {
    if (i == 16) text += '-';
    text += kDigits[random[i] >> 4];
    text += kDigits[random[i] & 15];
  }
  return text + "-00";
}

bool is_traceparent(std::string_view text) {
  if (text.size() < 55 || text.starts_with("ff") || (text.starts_with("00") && text.size() != 55))
    return false;
  auto is_hex = [](std::string_view part) {
    return part.find_first_not_of("0123456789abcdef") == std::string_view::npos;
  };
  auto is_zero = [](std::string_view part) { return part.find_first_not_of('0') == std::string_view::npos; };
  auto trace = text.substr(3, 32), parent = text.substr(36, 16);
  return text[2] == '-' && text[35] == '-' && text[52] == '-' && is_hex(text.substr(0, 2)) && is_hex(trace) &&
         is_hex(parent) && is_hex(text.substr(53, 2)) && !is_zero(trace) && !is_zero(parent);
}

}  // namespace oxbow::http1
