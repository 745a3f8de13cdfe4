#include "core/routing/route_table.hpp"

#include <fmt/core.h>
#include <gtest/gtest.h>

namespace oxbow {
namespace {

Route route(std::string method, std::string path) {
  Route route;
  route.method = std::move(method);
  route.path = std::move(path);
  route.key = KeySource{};
  route.read = ReadClass::latency;
  return route;
}

Route with(Route route, std::string host, std::vector<std::pair<std::string, std::string>> headers) {
  route.host = std::move(host);
  route.headers = std::move(headers);
  return route;
}

RouteTable table_of(std::vector<Route> routes) {
  EntitySpec entity;
  entity.name = "payment";
  entity.cohorts = {{.name = "all", .keys = {}, .buckets = std::nullopt, .rest = true, .mark = {}}};
  entity.reads = {{ReadClass::latency, State::new_read}};
  entity.routes = std::move(routes);
  Spec spec;
  spec.migration = "billing";
  spec.entities = {entity};
  return RouteTable::compile(spec);
}

RequestHead head_of(std::string_view method, std::string_view target) {
  return {.method = method, .target = target, .host = {}, .minor_version = 1, .fields = {}};
}

// "/a/{x} 4711", or why there is no route.
std::string taken(const RouteTable& table, const RequestHead& head) {
  auto match = table.match(head);
  if (match.fault != PathFault::none) return std::string(name(match.fault));
  if (!match.route) return std::string(name(match.unlisted));
  const auto& routed = table.routes()[*match.route];
  auto text = routed.route.path;
  std::size_t parameter = 0;
  for (const auto& segment : routed.segments)
    if (segment.is_parameter) text += fmt::format(" {}", match.parameters[parameter++]);
  return text;
}

std::string taken(const RouteTable& table, std::string_view method, std::string_view target) {
  return taken(table, head_of(method, target));
}

TEST(RouteTable, FindsTheRouteOfAPath) {
  auto table = table_of({route("GET", "/"), route("GET", "/payments"), route("GET", "/payments/{id}"),
                         route("GET", "/payments/{id}/lines/{line}"), route("POST", "/payments")});
  EXPECT_EQ(taken(table, "GET", "/"), "/");
  EXPECT_EQ(taken(table, "GET", "/payments"), "/payments");
  EXPECT_EQ(taken(table, "GET", "/payments?full=1"), "/payments");
  EXPECT_EQ(taken(table, "GET", "/payments/4711"), "/payments/{id} 4711");
  EXPECT_EQ(taken(table, "GET", "/payments/a%20b/lines/2"), "/payments/{id}/lines/{line} a%20b 2");
  EXPECT_EQ(taken(table, "GET", "/payments/4711/lines"), "no-route");
  EXPECT_EQ(taken(table, "DELETE", "/payments"), "other-method");
  EXPECT_EQ(taken(table, "GET", "/other"), "no-route");
}

TEST(RouteTable, PrefersWhatIsWrittenOutFromTheLeft) {
  auto table = table_of({route("GET", "/{a}/list"), route("GET", "/p/{b}"), route("GET", "/p/open"),
                         route("POST", "/p/sum"), route("GET", "/{a}/{b}/x")});
  EXPECT_EQ(taken(table, "GET", "/p/list"), "/p/{b} list");
  EXPECT_EQ(taken(table, "GET", "/p/open"), "/p/open");
  EXPECT_EQ(taken(table, "GET", "/q/list"), "/{a}/list q");
  EXPECT_EQ(taken(table, "GET", "/p/open/x"), "/{a}/{b}/x p open")
      << "it goes back where the written part ends";
  EXPECT_EQ(taken(table, "GET", "/p/sum"), "/p/{b} sum") << "a path of another method is none";
}

TEST(RouteTable, GivesAHeadTheRouteOfItsGet) {
  auto table = table_of({route("GET", "/a"), route("GET", "/b"), route("HEAD", "/b"), route("POST", "/c")});
  EXPECT_EQ(taken(table, "HEAD", "/a"), "/a");
  EXPECT_EQ(table.routes()[*table.match(head_of("HEAD", "/b")).route].route.method, "HEAD");
  EXPECT_EQ(taken(table, "HEAD", "/c"), "other-method");
  EXPECT_EQ(taken(table, "get", "/a"), "other-method") << "methods have a case";
}

TEST(RouteTable, ReadsEscapesAsAServiceDoes) {
  auto table = table_of({route("GET", "/payments/{id}"), route("GET", "/caf\xc3\xa9")});
  EXPECT_EQ(taken(table, "GET", "/p%61yments/1"), "/payments/{id} 1");
  EXPECT_EQ(taken(table, "GET", "/caf%C3%A9"), "/caf\xc3\xa9");
  EXPECT_EQ(taken(table, "GET", "/Payments/1"), "no-route");
}

TEST(RouteTable, TakesNoPathThatAServiceCouldReadInAnotherWay) {
  auto table = table_of({route("GET", "/a/{id}"), route("GET", "/{x}/{y}/{z}"), route("GET", "/{x}")});
  for (auto [target, fault] : {std::pair("/a/1%2f2", "hidden-separator"),
                               {"/a/1%5C2", "hidden-separator"},
                               {"/a/1\\2", "hidden-separator"},
                               {"/a/1%00", "hidden-separator"},
                               {"/a/1%0a", "hidden-separator"},
                               {"/a//1", "empty-segment"},
                               {"//a", "empty-segment"},
                               {"/a/.", "dot-segment"},
                               {"/a/../b", "dot-segment"},
                               {"/a/%2e%2E/b", "dot-segment"},
                               {"/a/.%2e", "dot-segment"},
                               {"/a/1;v=2", "semicolon"},
                               {"/a/1%3bv", "semicolon"},
                               {"/a/1%252f", "double-escape"},
                               {"/a/1%", "bad-escape"},
                               {"/a/1%2", "bad-escape"},
                               {"/a/1%zz", "bad-escape"},
                               {"/a/caf\xc3\xa9", "odd-character"},
                               {"/a/1#x", "odd-character"},
                               {"/a/1 2", "odd-character"},
                               {"/a/<1>", "odd-character"},
                               {"*", "not-a-path"},
                               {"", "not-a-path"},
                               {"http://h/a/1", "not-a-path"}})
    EXPECT_EQ(taken(table, "GET", target), fault) << target;
  EXPECT_EQ(taken(table, "GET", "/a/...."), "/a/{id} ....") << "more than two dots mean nothing";
  std::string deep;
  for (std::size_t i = 0; i <= kPathSegmentsMax; ++i) deep += "/x";
  EXPECT_EQ(taken(table, "GET", deep), "too-many-segments");
}

TEST(RouteTable, TakesASlashAtTheEndForAnotherPath) {
  auto table = table_of({route("GET", "/a"), route("GET", "/b/"), route("GET", "/c/{id}")});
  EXPECT_EQ(taken(table, "GET", "/a/"), "no-route");
  EXPECT_EQ(taken(table, "GET", "/b/"), "/b/");
  EXPECT_EQ(taken(table, "GET", "/b"), "no-route");
  EXPECT_EQ(taken(table, "GET", "/c/"), "no-route") << "a parameter is never empty";
  EXPECT_EQ(taken(table, "GET", "/c/1/"), "no-route");
}

TEST(RouteTable, PrefersTheRouteWithMoreConditions) {
  auto table = table_of({route("GET", "/a"), with(route("GET", "/a"), "", {{"x-v", "2"}}),
                         with(route("GET", "/a"), "h.example.com", {{"x-v", "2"}}),
                         with(route("GET", "/only"), "h.example.com", {})});
  auto which = [&](std::string_view host, HeaderFields fields, std::string_view target) {
    RequestHead head{
        .method = "GET", .target = target, .host = host, .minor_version = 1, .fields = std::move(fields)};
    auto match = table.match(head);
    return match.route ? std::to_string(*match.route) : std::string(name(match.unlisted));
  };
  EXPECT_EQ(which("h.example.com", {}, "/a"), "0");
  EXPECT_EQ(which("other", {{"X-V", "2"}}, "/a"), "1");
  EXPECT_EQ(which("H.Example.COM.:8080", {{"x-v", "2"}}, "/a"), "2");
  EXPECT_EQ(which("h.example.com", {{"x-v", "3"}}, "/a"), "0");
  EXPECT_EQ(which("other", {}, "/only"), "other-conditions");
  EXPECT_EQ(which("[::1]:80", {}, "/only"), "other-conditions");
}

TEST(RouteTable, TakesNoRequestThatFulfilsAConditionTwiceDifferently) {
  auto table = table_of({route("GET", "/a"), with(route("GET", "/a"), "", {{"x-v", "2"}})});
  RequestHead head = head_of("GET", "/a");
  head.fields = {{"X-V", "2"}, {"x-v", "3"}};
  EXPECT_EQ(taken(table, head), "two-values");
  head.fields = {{"X-V", "2"}, {"x-v", "2"}};
  EXPECT_EQ(table.match(head).route, 1u);
}

}  // namespace
}  // namespace oxbow
