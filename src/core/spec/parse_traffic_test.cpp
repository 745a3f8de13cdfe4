// What a spec says of requests: routes, rules of comparison, services and the gateway.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/spec/http_address.hpp"
#include "core/spec/parse.hpp"
#include "support/spec_text.hpp"

namespace oxbow {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using namespace std::chrono_literals;

// A spec with these routes, one to a line, and `more` at the end. The first route stands in line 16.
std::string with_routes(std::string_view routes, std::string_view more = "") {
  return fmt::format(R"(migration: m
owners: {{legacy: a, new: b, coexistence: c}}
systems:
  legacy: {{database: "postgresql:///a", service: "http://127.0.0.1:8081"}}
  new: {{database: "postgresql:///b", service: ["http://127.0.0.1:8082", "unix:/run/pay.sock"], health: /healthz}}
entities:
  payment:
    key: payment_id
    reads: {{latency: new-read, bulk: fully-cutover}}
    tables:
      - legacy: public.payments
        new: ledger.payment
        columns:
          amount: {{to: amount_minor, scale: 100}}
    routes:
{}
{})",
                     routes, more);
}

constexpr std::string_view kGateway = "gateway: {listen: [\"127.0.0.1:8080\"]}\n";

std::vector<std::string> mistakes_in(std::string_view text) {
  return lines_of(parse_spec_text(text).mistakes);
}

std::vector<std::string> mistakes_in_route(std::string_view route) {
  return mistakes_in(with_routes("      - " + std::string(route)));
}

Spec spec_of(std::string_view text) {
  auto parsed = parse_spec_text(text);
  EXPECT_THAT(lines_of(parsed.mistakes), IsEmpty());
  return parsed.spec.value_or(Spec{});
}

Route route_of(std::string_view route) {
  auto spec = spec_of(with_routes("      - " + std::string(route)));
  return spec.entities.empty() || spec.entities[0].routes.empty() ? Route{} : spec.entities[0].routes[0];
}

TEST(SpecRoutes, FindTheKeyInThePathWhereItHasItsName) {
  EXPECT_EQ(route_of("{route: 'GET /payments/{payment_id}', read: latency}").key,
            (KeySource{RequestPart::path, "payment_id"}));
  EXPECT_EQ(route_of("{route: 'GET /pay/{id}', read: latency, key: path.id}").key,
            (KeySource{RequestPart::path, "id"}));
  EXPECT_EQ(route_of("{route: POST /p, write: true, operation_key: [body.x], key: body.payment.id}").key,
            (KeySource{RequestPart::body, "payment.id"}));
  EXPECT_EQ(route_of("{route: GET /p, read: bulk, key: none}").key, KeySource());
  EXPECT_EQ(route_of("{route: GET /p, read: bulk}").key, std::nullopt);
}

TEST(SpecRoutes, ShadowEveryReadAndNoWriteUnlessToldOtherwise) {
  EXPECT_EQ(route_of("{route: GET /p, read: bulk}").shadow, (ShadowRule{10'000, ""}));
  EXPECT_EQ(route_of("{route: GET /p, read: bulk, shadow: 12.5%}").shadow, (ShadowRule{1250, ""}));
  EXPECT_EQ(route_of("{route: GET /p, read: bulk, shadow: off}").shadow, ShadowRule());
  EXPECT_EQ(route_of("{route: POST /p, write: true, operation_key: [body.x]}").shadow, ShadowRule());
  EXPECT_EQ(
      route_of("{route: 'PUT /p/{payment_id}', write: true, operation_key: [body.x], shadow: {percent: 1, "
               "path: '/dry-run/{payment_id}'}}")
          .shadow,
      (ShadowRule{100, "/dry-run/{payment_id}"}));
}

TEST(SpecRoutes, CarryConditionsWithoutCase) {
  auto route =
      route_of("{route: GET /p, read: bulk, host: API.example.com, headers: {X-Version: 2, Accept: a/b}}");
  EXPECT_EQ(route.host, "api.example.com");
  EXPECT_THAT(route.headers, ElementsAre(Pair("accept", "a/b"), Pair("x-version", "2")));
  EXPECT_EQ(route.recheck_after, 500ms);
  EXPECT_EQ(route_of("{route: GET /p, read: bulk, recheck_after: 0s}").recheck_after, 0s);
}

std::string shown(const CompareRule& rule) {
  std::string text = fmt::format("{} {}{}", static_cast<int>(rule.kind), rule.path, rule.header);
  for (const auto& key : rule.keys) text += " by " + key;
  for (const auto& text_class : rule.classes) text += " class " + text_class;
  for (const auto& [from, to] : rule.map) text += " " + from + "=" + to;
  text += rule.absolute + rule.relative + rule.to + rule.factor;
  if (rule.skew != Duration::zero()) text += " " + human_duration(rule.skew);
  return text;
}

std::vector<std::string> rules_of(std::string_view rules) {
  std::vector<std::string> out;
  auto route = route_of(fmt::format("{{route: GET /p, read: bulk, compare: [{}]}}", rules));
  for (const auto& rule : route.compare) out.push_back(shown(rule));
  return out;
}

TEST(SpecCompare, ReadsEveryRule) {
  EXPECT_THAT(rules_of("{ignore: $.updated_at, why: w}, {ignore_header: X-Request-Id}, {unordered: $.tags}, "
                       "{keyed: $.items, by: [id, no]}, {tolerance: $.total, absolute: 0.01}, "
                       "{time_skew: $.at, by: 2s}, {same_class: $.error, classes: [a, b]}, "
                       "{map: $.status, values: {A: auth}}, {rename: $.amount, to: minor}, "
                       "{scale: $.amount, factor: 100}"),
              ElementsAre("0 $.updated_at", "0 X-Request-Id", "1 $.tags", "2 $.items by id by no",
                          "3 $.total0.01", "4 $.at 2.0 s", "5 $.error class a class b", "6 $.status A=auth",
                          "7 $.amountminor", "8 $.amount100"));
}

TEST(SpecCompare, ARuleMayHoldForAHeaderField) {
  EXPECT_THAT(
      rules_of("{tolerance: header.X-Total, absolute: 0.01}, {time_skew: header.Last-Modified, by: 2s}, "
               "{same_class: header.Location, classes: [a]}, {map: header.X-State, values: {A: auth}}"),
      ElementsAre("3 X-Total0.01", "4 Last-Modified 2.0 s", "5 Location class a", "6 X-State A=auth"));
  EXPECT_THAT(mistakes_in_route("{route: GET /p, read: bulk, compare: [{ignore: header.X-A, why: w}]}"),
              ElementsAre(HasSubstr("must be a path into legacy's answer")));
  EXPECT_THAT(mistakes_in_route("{route: GET /p, read: bulk, compare: [{time_skew: header.a b, by: 2s}]}"),
              ElementsAre(HasSubstr("or a header field, such as header.Last-Modified")));
}

TEST(SpecCompare, ListsTheHeaderFieldsThatAreCompared) {
  EXPECT_THAT(
      route_of("{route: GET /p, read: bulk, compare_headers: [Set-Cookie, ETag, etag]}").compare_headers,
      ElementsAre("etag", "set-cookie"));
  EXPECT_THAT(route_of("{route: GET /p, read: bulk}").compare_headers, IsEmpty());
  EXPECT_THAT(mistakes_in_route("{route: GET /p, read: bulk, compare_headers: [a b]}"),
              ElementsAre(HasSubstr("the name of a header field")));
}

TEST(SpecCompare, TakesTheShapeOfATable) {
  auto route =
      route_of("{route: GET /p, read: bulk, compare: [{shape: payments, at: '$.items[*]'}, {unordered: $}]}");
  EXPECT_EQ(route.compare.size(), 1u);
  ASSERT_EQ(route.shapes.size(), 1u);
  EXPECT_EQ(route.shapes[0].table, (TableName{"public", "payments"}));
  EXPECT_EQ(route.shapes[0].at, "$.items[*]");
}

TEST(SpecCompare, RefusesRulesThatSayNothing) {
  auto mistakes = [](std::string_view rules) {
    return mistakes_in_route(fmt::format("{{route: GET /p, read: bulk, compare: [{}]}}", rules));
  };
  EXPECT_THAT(mistakes("{tolerance: $.a}"),
              ElementsAre(HasSubstr("a tolerance needs 'absolute' or 'relative'")));
  EXPECT_THAT(mistakes("{ignore: updated_at, why: w}"),
              ElementsAre(HasSubstr("must be a path into legacy's answer")));
  EXPECT_THAT(mistakes("{ignore: $.a}"), ElementsAre(HasSubstr("lacks the key 'why'")));
  EXPECT_THAT(mistakes("{unorderd: $.a}"), ElementsAre(HasSubstr("did you mean 'unordered'?")));
  EXPECT_THAT(mistakes("{shape: public.payment, at: $}"),
              ElementsAre(HasSubstr("entity 'payment' has no legacy table public.payment; did you mean "
                                    "'public.payments'?")));
}

TEST(SpecRouteMistakes, AMethodThatWritesIsNoRead) {
  EXPECT_THAT(
      mistakes_in_route("{route: PUT /p, read: latency}"),
      ElementsAre(
          "oxbow.yaml:16:17: 'route' must be a method and a path, such as GET /payments/{payment_id}, "
          "where the method reads: GET, HEAD, OPTIONS, or POST for a search (what writes says write: "
          "true), not 'PUT /p'"));
  EXPECT_THAT(mistakes_in_route("{route: PATCH /p, read: bulk}"), ElementsAre(HasSubstr("not 'PATCH /p'")));
  EXPECT_THAT(mistakes_in_route("{route: DELETE /p, read: bulk}"), ElementsAre(HasSubstr("not 'DELETE /p'")));
  EXPECT_THAT(mistakes_in_route("{route: POST /search, read: bulk}"), IsEmpty());
  EXPECT_THAT(mistakes_in_route("{route: PUT /p, write: true, operation_key: [body.x]}"), IsEmpty());
}

TEST(SpecRouteMistakes, NameWhatTheyMean) {
  EXPECT_THAT(
      mistakes_in_route("{route: 'GET /p/{payment_id}', read: latency, key: path.paymnt_id}"),
      ElementsAre("oxbow.yaml:16:60: the path /p/{payment_id} has no parameter 'paymnt_id'; did you mean "
                  "'payment_id'?"));
  EXPECT_THAT(mistakes_in_route("{route: GET /p, read: latency, key: body.id}"),
              ElementsAre(HasSubstr("a GET has no body, so its key cannot be there")));
  EXPECT_THAT(mistakes_in_route("{route: GET /p, read: latency, key: payment_id}"),
              ElementsAre(HasSubstr("'key' must be where the key is: path.x, query.x")));
  EXPECT_THAT(
      mistakes_in_route("{route: 'GET /p//{payment_id}', read: latency}"),
      ElementsAre(
          "oxbow.yaml:16:17: the path /p//{payment_id} has two slashes in a row, with which no request "
          "is taken"));
  EXPECT_THAT(mistakes_in_route("{route: GET /p, read: bulk, headers: {X-A: 1, x-a: 2}}"),
              ElementsAre(HasSubstr("the header 'x-a' stands twice")));
  EXPECT_THAT(mistakes_in_route("{route: GET /p, read: bulk, headers: {Host: x}}"),
              ElementsAre(HasSubstr("a condition of its own: host: x")));
  EXPECT_THAT(mistakes_in_route("{route: POST /p, write: true, operation_key: [body.x], shadow: 10%}"),
              ElementsAre(HasSubstr("'shadow' must be")));
  EXPECT_THAT(
      mistakes_in_route("{route: POST /p, write: true, operation_key: [body.x], shadow: {percent: 1, path: "
                        "'/dry/{id}'}}"),
      ElementsAre(HasSubstr("the path /p has no parameter 'id'")));
}

std::vector<std::string> mistakes_in_two(std::string_view one, std::string_view other) {
  return mistakes_in(with_routes(
      fmt::format("      - {{route: {}, read: bulk}}\n      - {{route: {}, read: bulk}}", one, other)));
}

TEST(SpecRouteMistakes, RefuseTwoRoutesForTheSameRequest) {
  EXPECT_THAT(
      mistakes_in_two("'GET /p/{a}'", "'GET /p/{b}'"),
      ElementsAre("oxbow.yaml:17:9: route GET /p/{b} takes the same requests as GET /p/{a} in line 16"));
  EXPECT_THAT(mistakes_in_two("GET /p, headers: {A: 1}", "GET /p, host: h"),
              ElementsAre(HasSubstr("a request can be both GET /p and GET /p (line 16)")));
  EXPECT_THAT(mistakes_in_two("GET /p, headers: {A: 1}, host: h", "GET /p, host: H, headers: {a: 1}"),
              ElementsAre(HasSubstr("route GET /p is listed twice; first in line 16")));
}

TEST(SpecRoutes, MayDifferByWhatTheyAskFor) {
  EXPECT_THAT(mistakes_in_two("'GET /p/{a}'", "GET /p/list"), IsEmpty());
  EXPECT_THAT(mistakes_in_two("GET /p", "HEAD /p"), IsEmpty());
  EXPECT_THAT(mistakes_in_two("GET /p", "GET /p/"), IsEmpty());
  EXPECT_THAT(mistakes_in_two("GET /p", "GET /p, headers: {A: 1}"), IsEmpty());
  EXPECT_THAT(mistakes_in_two("GET /p, headers: {A: 1}", "GET /p, headers: {A: 2}"), IsEmpty());
  EXPECT_THAT(mistakes_in_two("GET /p, host: a", "GET /p, host: b, headers: {A: 2}"), IsEmpty());
  EXPECT_THAT(mistakes_in_two("GET /p, host: a", "GET /p, host: a, headers: {A: 2}"), IsEmpty());
}

TEST(SpecGateway, HasDefaultsForAllButWhereItListens) {
  auto spec = spec_of(with_routes("      - {route: 'GET /p/{payment_id}', read: latency}", kGateway));
  ASSERT_TRUE(spec.gateway);
  ASSERT_EQ(spec.gateway->listen.size(), 1u);
  EXPECT_EQ(spec.gateway->listen[0].address, "127.0.0.1:8080");
  EXPECT_FALSE(spec.gateway->listen[0].tls());
  EXPECT_FALSE(spec.gateway->state_headers);
  EXPECT_EQ(spec.gateway->limits.connections_max, 20'000u);
  EXPECT_EQ(spec.gateway->limits.requests_max, 2'000u);
  EXPECT_EQ(spec.gateway->shadow.memory_bytes_max, 64ull << 20);
  EXPECT_EQ(spec.gateway->shadow.twin_buckets, 500u);
  EXPECT_THAT(spec.new_side.services, ElementsAre("http://127.0.0.1:8082", "unix:/run/pay.sock"));
  EXPECT_EQ(spec.new_side.health_path, "/healthz");
}

TEST(SpecGateway, ReadsEverythingThatItIsTold) {
  auto spec = spec_of(with_routes("      - {route: 'GET /p/{payment_id}', read: latency}", R"(gateway:
  listen: ["unix:/run/g.sock", {address: "[::1]:8443", certificate: c.pem, key: k.pem}]
  state_headers: true
  version_header: X-Version
  access_log: "-"
  limits: {connections: 100, requests: 50, header_bytes: 16kB, header_time: 5s, idle_time: 60s,
    connect_time: 1s, answer_time: 30s, body_time: 11s, drain_time: 6s}
  shadow: {memory: 32MB, body: 512kB, time: 3s, connections: 8, twin: 12.5%}
  health: {every: 1s, failures: 2}
  read_your_writes: {cookie: seen, wait: 20ms}
)"));
  const auto& gateway = *spec.gateway;
  EXPECT_EQ(gateway.listen[0].address, "unix:/run/g.sock");
  EXPECT_TRUE(gateway.listen[1].tls());
  EXPECT_EQ(gateway.listen[1].key, "k.pem");
  EXPECT_TRUE(gateway.state_headers);
  EXPECT_EQ(gateway.version_header, "X-Version");
  EXPECT_EQ(gateway.access_log, "-");
  const auto& limits = gateway.limits;
  EXPECT_EQ(limits.connections_max, 100u);
  EXPECT_EQ(limits.requests_max, 50u);
  EXPECT_EQ(limits.header_bytes_max, 16u << 10);
  EXPECT_EQ(limits.header_time_max, 5s);
  EXPECT_EQ(limits.idle_time_max, 60s);
  EXPECT_EQ(limits.connect_time_max, 1s);
  EXPECT_EQ(limits.answer_time_max, 30s);
  EXPECT_EQ(limits.body_time_max, 11s);
  EXPECT_EQ(limits.drain_time_max, 6s);
  EXPECT_EQ(gateway.shadow.memory_bytes_max, 32u << 20);
  EXPECT_EQ(gateway.shadow.body_bytes_max, 512u << 10);
  EXPECT_EQ(gateway.shadow.time_max, 3s);
  EXPECT_EQ(gateway.shadow.connections_max, 8u);
  EXPECT_EQ(gateway.shadow.twin_buckets, 1250u);
  EXPECT_EQ(gateway.health.every, 1s);
  EXPECT_EQ(gateway.health.failures, 2u);
  EXPECT_EQ(gateway.read_your_writes.cookie, "seen");
  EXPECT_EQ(gateway.read_your_writes.wait_max, 20ms);
}

TEST(SpecGateway, AClientCarriesAlongWhatItHasSeenInOnePlace) {
  auto with = [](const std::string& rule) {
    return with_routes("      - {route: 'GET /p/{payment_id}', read: latency}",
                       "gateway:\n  listen: [\"127.0.0.1:8080\"]\n  read_your_writes: " + rule + "\n");
  };
  EXPECT_EQ(spec_of(with("{header: X-Seen}")).gateway->read_your_writes.header, "X-Seen");
  for (auto rule : {"{header: X-Seen, cookie: seen}", "{wait: 20ms}"})
    EXPECT_THAT(mistakes_in(with(rule)), ElementsAre(HasSubstr("needs one place where clients carry along")));
}

TEST(SpecRedaction, NamesWhatIsNeverKept) {
  auto spec = spec_of(with_routes(
      "      - {route: 'GET /p/{payment_id}', read: latency, redact: [\"$.holder.*\", path.payment_id]}",
      "gateway: {listen: [\"a:1\"], redact: [$..iban, header.X-Account, query.iban]}\n"));
  EXPECT_THAT(spec.gateway->redact, ElementsAre("$..iban", "header.x-account", "query.iban"));
  EXPECT_THAT(spec.entities[0].routes[0].redact, ElementsAre("$.holder.*", "path.payment_id"));
}

TEST(SpecRedaction, RefusesWhatIsNowhere) {
  auto mistakes = [](std::string_view what) {
    return mistakes_in_route(
        fmt::format("{{route: 'GET /p/{{payment_id}}', read: latency, redact: [{}]}}", what));
  };
  EXPECT_THAT(mistakes("iban"), ElementsAre(HasSubstr("must be what is never kept: a path into an answer")));
  EXPECT_THAT(mistakes("body.iban"), ElementsAre(HasSubstr("must be what is never kept")));
  EXPECT_THAT(mistakes("\"header.X Y\""), ElementsAre(HasSubstr("must be what is never kept")));
  EXPECT_THAT(mistakes("path.paymentid"),
              ElementsAre(HasSubstr("has no parameter 'paymentid'; did you mean")));
}

TEST(SpecGateway, NeedsToKnowWhomARequestTouches) {
  EXPECT_THAT(
      mistakes_in(with_routes("      - {route: GET /p, read: bulk}", kGateway)),
      ElementsAre(
          "oxbow.yaml:16:9: the gateway does not find the key of 'payment' in GET /p: name a part of "
          "the path {payment_id}, or say where it is with key: path.x, query.x, header.x, cookie.x or "
          "body.x, or key: none"));
  EXPECT_THAT(mistakes_in(with_routes("      - {route: GET /p, read: bulk, key: DECIDE}", kGateway)),
              ElementsAre(HasSubstr("'key' is undecided")));
  EXPECT_THAT(mistakes_in(with_routes("      - {route: GET /p, read: bulk}")), IsEmpty());
}

TEST(SpecGateway, NeedsTheServicesBehindIt) {
  auto text = with_routes("      - {route: 'GET /p/{payment_id}', read: latency}", kGateway);
  auto without = [&](std::string_view part) {
    auto shorter = text;
    return shorter.erase(shorter.find(part), part.size());
  };
  EXPECT_THAT(mistakes_in(without(", service: \"http://127.0.0.1:8081\"")),
              ElementsAre(HasSubstr("needs the address of the legacy service: systems.legacy.service")));
  EXPECT_THAT(mistakes_in(without(", service: [\"http://127.0.0.1:8082\", \"unix:/run/pay.sock\"]")),
              ElementsAre(HasSubstr("'health' is asked of a service"),
                          HasSubstr("the new service, because there are routes: systems.new.service")));
}

TEST(SpecGateway, TakesAuthoritiesForServicesWithTlsAndNoOthers) {
  auto with_legacy = [](std::string_view service) {
    auto text = with_routes("      - {route: 'GET /p/{payment_id}', read: latency}", kGateway);
    constexpr std::string_view kPlain = "\"http://127.0.0.1:8081\"";
    return text.replace(text.find(kPlain), kPlain.size(), service);
  };
  EXPECT_THAT(mistakes_in(with_legacy("\"http://127.0.0.1:8081\", ca: ca.pem")),
              ElementsAre(HasSubstr("'ca' is for services with TLS")));
  auto spec = spec_of(with_legacy("\"https://pay.internal\", ca: ca.pem"));
  EXPECT_EQ(spec.legacy.service_ca, "ca.pem");
  EXPECT_EQ(service_addresses(spec.legacy).front().ca, "ca.pem");
  EXPECT_EQ(service_addresses(spec.new_side).front().ca, "");
}

TEST(SpecGateway, RefusesAddressesAndLimitsThatCannotBe) {
  auto mistakes = [](std::string_view gateway) {
    return mistakes_in(with_routes("      - {route: 'GET /p/{payment_id}', read: latency}",
                                   fmt::format("gateway: {{{}}}\n", gateway)));
  };
  EXPECT_THAT(mistakes("listen: [\"8080\"]"), ElementsAre(HasSubstr("must be an address")));
  EXPECT_THAT(mistakes("listen: [\"a:1\", \"a:1\"]"),
              ElementsAre(HasSubstr("the gateway listens on a:1 already; first in line 17")));
  EXPECT_THAT(mistakes("listen: [{address: \"a:1\", certificate: c}]"),
              ElementsAre(HasSubstr("lacks the key 'key'")));
  EXPECT_THAT(mistakes("listen: [\"a:1\"], limits: {idle_time: 0s}"),
              ElementsAre(HasSubstr("must be a duration above 0")));
  EXPECT_THAT(mistakes("listen: [\"a:1\"], shadow: {memory: 1MB, body: 2MB}"),
              ElementsAre(HasSubstr("may be larger than the memory of all shadows together")));
  EXPECT_THAT(mistakes("listen: [\"a:1\"], shadow: {twin: 0}"), IsEmpty());
  EXPECT_THAT(mistakes("listen: [\"a:1\"], shadow: {twin: 101%}"),
              ElementsAre(HasSubstr("must be a percentage such as 5%, or 0 for none")));
  EXPECT_THAT(mistakes("lisen: [\"a:1\"]"),
              ElementsAre(HasSubstr("lacks the key 'listen'"), HasSubstr("did you mean 'listen'?")));
}

}  // namespace
}  // namespace oxbow
