// The first line is taken for a target and for a query, the second one for cookies, the rest for a body. A
// path with a route is read in the same way by a service that resolves escapes before it looks for slashes; a
// key that was found once is not found where it stands twice; a body gives the same key however it is cut,
// and the one that a reader of whole documents finds.
#include <cstdint>

#include "base/assert.hpp"
#include "core/mapping/json_text.hpp"
#include "core/routing/body_key_scanner.hpp"
#include "core/routing/decision.hpp"
#include "core/routing/explain.hpp"

namespace {

using namespace oxbow;

Route route(std::string method, std::string path, KeySource key) {
  Route route;
  route.method = std::move(method);
  route.path = std::move(path);
  route.key = std::move(key);
  route.read = ReadClass::latency;
  route.shadow.buckets = 5000;
  return route;
}

RouteTable make_table() {
  EntitySpec entity;
  entity.name = "payment";
  entity.key = "id";
  entity.cohorts.resize(2);
  entity.cohorts[0].name = "half";
  entity.cohorts[0].buckets = 5000;
  entity.cohorts[1].name = "rest";
  entity.cohorts[1].rest = true;
  entity.reads = {{ReadClass::latency, State::new_read}};
  entity.routes = {route("GET", "/", {}),
                   route("GET", "/{id}", {RequestPart::path, "id"}),
                   route("GET", "/a/{id}", {RequestPart::path, "id"}),
                   route("GET", "/a/{x}/{id}/", {RequestPart::path, "id"}),
                   route("GET", "/{x}/b/{id}", {RequestPart::path, "id"}),
                   route("GET", "/q", {RequestPart::query, "id"}),
                   route("GET", "/c", {RequestPart::cookie, "id"})};
  Spec spec;
  spec.migration = "m";
  spec.entities = {entity};
  return RouteTable::compile(spec);
}

// As a service might do it: escapes first, then slashes, none of them twice.
std::vector<std::string> read_leniently(std::string_view path) {
  std::string decoded;
  OXBOW_ASSERT(append_decoded(path, false, decoded), "{} has a route and no meaning", path);
  std::vector<std::string> parts;
  for (std::size_t begin = 1; begin <= decoded.size();) {
    auto end = std::min(decoded.find('/', begin), decoded.size());
    auto part = decoded.substr(begin, end - begin);
    if (part == "..") {
      if (!parts.empty()) parts.pop_back();
    } else if (part != "." && (!part.empty() || end == decoded.size())) {
      parts.push_back(part);
    }
    begin = end + 1;
  }
  return parts;
}

void check_parts(const RouteTable& table, const RouteMatch& match, const RequestHead& head) {
  const auto& segments = table.routes()[*match.route].segments;
  auto parts = read_leniently(head.path());
  OXBOW_ASSERT(parts.size() == segments.size(), "{} has {} parts for a service", head.target, parts.size());
  std::size_t parameter = 0;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    auto expected = segments[i].text;
    if (segments[i].is_parameter) {
      expected.clear();
      append_decoded(match.parameters[parameter++], false, expected);
    }
    OXBOW_ASSERT(parts[i] == expected, "{}: a service reads {} where the gateway reads {}", head.target,
                 parts[i], expected);
  }
}

void check_request(std::string_view target, std::string_view cookies) {
  static const RouteTable table = make_table();
  static const RoutingState state = all_in(State::mirrored, table);
  RequestHead head{
      .method = "GET", .target = target, .host = {}, .minor_version = 1, .fields = {{"Cookie", cookies}}};
  auto match = table.match(head);
  std::string buffer;
  RequestKey key;
  if (match.route) {
    check_parts(table, match, head);
    key = find_key(table, match, head, buffer);
  }
  auto decision = decide(table, state, match, key, target);
  OXBOW_ASSERT(match.route || decision.side == Side::legacy, "an unlisted request leaves legacy");
  OXBOW_ASSERT(decision.shadow != decision.side, "a side is its own shadow");
  OXBOW_ASSERT(key.found != KeyFound::yes || is_key_text(KeyKind::unknown, key.text),
               "a key that nobody prints");
  OXBOW_ASSERT(explain(table, head, match, key, decision).size() >= 4, "an explanation without steps");
}

void check_twice(std::string_view query, std::string_view cookies) {
  std::string buffer;
  auto more_query = std::string(query) + "&id=x";
  if (find_in_query(query, "id", buffer).found == KeyFound::yes)
    OXBOW_ASSERT(find_in_query(more_query, "id", buffer).found == KeyFound::twice, "{} has two ids",
                 more_query);
  HeaderFields fields = {{"cookie", cookies}};
  if (find_in_cookies(fields, "id").found != KeyFound::yes) return;
  fields.push_back({"Cookie", "a=b; id=x"});
  OXBOW_ASSERT(find_in_cookies(fields, "id").found == KeyFound::twice, "{} has two ids", cookies);
}

void check_body(std::string_view body) {
  static const std::vector<std::string> path = {"a", "id"};
  BodyKeyScanner whole(path);
  whole.feed(body);
  whole.finish();
  BodyKeyScanner cut(path);
  for (std::size_t at = 0; at < body.size(); at += 3) cut.feed(body.substr(at, 3));
  cut.finish();
  auto key = whole.result();
  OXBOW_ASSERT(key == cut.result(), "{}: another key in pieces", body);
  OXBOW_ASSERT(!whole.wants_more(), "a body that ended is not enough");
  if (key.found != KeyFound::yes || body.size() > kBodyLookAheadBytes) return;
  auto known = find_json_text(body, path);
  OXBOW_ASSERT(known && *known == key.text, "{}: the key is not {}", body, key.text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  auto take_line = [&] {
    auto end = std::min(text.find('\n'), text.size());
    auto line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    return line;
  };
  auto target = take_line();
  auto cookies = take_line();
  check_request(target, cookies);
  check_twice(target, cookies);
  check_body(text);
  return 0;
}
