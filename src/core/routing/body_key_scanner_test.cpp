#include "core/routing/body_key_scanner.hpp"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include "core/spec/scalars.hpp"

namespace oxbow {
namespace {

std::string shown(const RequestKey& key) {
  return key.found == KeyFound::yes ? fmt::format("={}", key.text) : std::string(name(key.found));
}

// The result for a body that comes in pieces of this size.
std::string scan_in_pieces(std::string_view body, std::string_view path, std::size_t piece, KeyKind kind) {
  auto names = *parse_dotted(path);
  BodyKeyScanner scanner(names, kind);
  for (std::size_t at = 0; at < body.size(); at += piece) scanner.feed(body.substr(at, piece));
  scanner.finish();
  EXPECT_FALSE(scanner.wants_more());
  return shown(scanner.result());
}

// The same however it is cut.
std::string scan(std::string_view body, std::string_view path = "id", KeyKind kind = KeyKind::unknown) {
  auto whole = scan_in_pieces(body, path, body.size() + 1, kind);
  for (std::size_t piece : {1u, 2u, 3u, 7u})
    EXPECT_EQ(scan_in_pieces(body, path, piece, kind), whole) << body;
  return whole;
}

TEST(BodyKey, IsTheTextOrTheNumberAtItsPath) {
  EXPECT_EQ(scan(R"({"id": 4711})"), "=4711");
  EXPECT_EQ(scan(R"({"id": "4711"})"), "=4711");
  EXPECT_EQ(scan(R"({"a": {"id": 1}, "b": ["id", {"id": 2}], "id": 3})"), "=3");
  EXPECT_EQ(scan(R"({"customer": {"x": [[], {}, {"key": 1}], "key": "k-1"}, "key": 2})", "customer.key"),
            "=k-1");
  EXPECT_EQ(scan(" {\r\n\t\"id\" : -5 , \"b\" : [ ] } \n"), "=-5");
  EXPECT_EQ(scan(R"({"a b": {"c.d": 7}})", "\"a b\".\"c.d\""), "=7");
}

TEST(BodyKey, IsReadWithItsEscapes) {
  EXPECT_EQ(scan(R"({"i\u0064": "a\u00e9\ud83e\udd86\/\"b"})", "id"), "=a\xc3\xa9\xf0\x9f\xa6\x86/\"b");
  EXPECT_EQ(scan(R"({"id": "a\u0000"})"), "not-plain");
  EXPECT_EQ(scan(R"({"id": "\ud83e"})"), "not-json");
  EXPECT_EQ(scan(R"({"id": "\udd86"})"), "not-json");
  EXPECT_EQ(scan(R"({"id": "\ud83ex"})"), "not-json");
  EXPECT_EQ(scan(R"({"id": "\x"})"), "not-json");
}

TEST(BodyKey, IsAbsentWhereNothingIsThere) {
  EXPECT_EQ(scan("{}"), "absent");
  EXPECT_EQ(scan(R"({"id": null})"), "absent");
  EXPECT_EQ(scan(R"({"id": ""})"), "absent");
  EXPECT_EQ(scan(R"([{"id": 1}])"), "absent");
  EXPECT_EQ(scan(R"("id")"), "absent");
  EXPECT_EQ(scan("4711"), "absent");
  EXPECT_EQ(scan(R"({"a": [{"id": 1}]})", "a.id"), "absent");
  EXPECT_EQ(scan(R"({"a": 1})", "a.id"), "absent");
}

TEST(BodyKey, IsNotTakenWhereServicesCouldDisagree) {
  EXPECT_EQ(scan(R"({"id": 1, "id": 2})"), "twice");
  EXPECT_EQ(scan(R"({"id": 1, "\u0069d": 1})"), "twice");
  EXPECT_EQ(scan(R"({"id": 1, "Id": 2})"), "not-plain") << "some services ignore the case of names";
  EXPECT_EQ(scan(R"({"a": {"id": 1}, "a": {}})", "a.id"), "twice");
  EXPECT_EQ(scan(R"({"id": 1.0})"), "not-plain");
  EXPECT_EQ(scan(R"({"id": 1e3})"), "not-plain");
  EXPECT_EQ(scan(R"({"id": -0})"), "not-plain");
  EXPECT_EQ(scan(R"({"id": "007"})"), "not-plain");
  EXPECT_EQ(scan(R"({"id": "007"})", "id", KeyKind::text), "=007");
  EXPECT_EQ(scan(R"({"id": true})"), "not-plain");
  EXPECT_EQ(scan(R"({"id": {"id": 1}})"), "not-plain");
  EXPECT_EQ(scan(R"({"id": [1]})"), "not-plain");
}

TEST(BodyKey, IsNotTakenFromWhatIsNoJson) {
  for (const auto* body : {"",
                           " ",
                           "{",
                           "}",
                           "[}",
                           "{]",
                           "id=4711",
                           "{\"id\": 1",
                           "{\"id\" 1}",
                           "{\"id\": 1,}",
                           "{\"id\": 1}{\"id\": 2}",
                           "{\"id\": 1} x",
                           "{id: 1}",
                           "{'id': 1}",
                           "{\"id\": 1 \"b\": 2}",
                           "[1,]",
                           "[,1]",
                           "{\"id\": tru}",
                           "{\"id\": \"a\nb\"}",
                           "\xef\xbb\xbf{\"id\": 1}",
                           "{\"id\": \"4711",
                           "{\"a\":",
                           "{\"id\":1},"})
    EXPECT_EQ(scan(body), "not-json") << body;
}

TEST(BodyKey, IsLookedForOnlySoFar) {
  std::vector<std::string> path = {"id"};
  auto padding = fmt::format("{{\"pad\": \"{}\", \"id\": 1", std::string(100, 'x'));
  BodyKeyScanner scanner(path, KeyKind::unknown, 50);
  EXPECT_FALSE(scanner.feed(padding));
  EXPECT_EQ(shown(scanner.result()), "too-far");

  BodyKeyScanner found(path, KeyKind::unknown, 50);
  EXPECT_TRUE(found.feed("{\"id\": 1, \"pad\": \""));
  EXPECT_FALSE(found.feed(std::string(100, 'x')));
  EXPECT_EQ(shown(found.result()), "=1") << "what stands before is taken";

  BodyKeyScanner whole(path, KeyKind::unknown, 9);
  EXPECT_TRUE(whole.feed("{\"id\": 1}")) << "the end of the body may still follow";
  whole.finish();
  EXPECT_EQ(shown(whole.result()), "=1");
}

TEST(BodyKey, IsNotLookedForInWhatIsNestedTooDeep) {
  std::string deep(300, '[');
  EXPECT_EQ(scan(deep), "too-far");
  std::string fair = std::string(200, '[') + std::string(200, ']');
  EXPECT_EQ(scan(fmt::format("{{\"a\": {}, \"id\": 1}}", fair)), "=1");
}

TEST(BodyKey, MayNotBeLongerThanAKeyCanBe) {
  EXPECT_EQ(scan(fmt::format("{{\"id\": \"{}\"}}", std::string(1024, 'x'))), "=" + std::string(1024, 'x'));
  EXPECT_EQ(scan(fmt::format("{{\"id\": \"{}\"}}", std::string(5000, 'x'))), "not-plain");
  EXPECT_EQ(scan(fmt::format("{{\"id\": {}}}", std::string(5000, '1'))), "not-plain");
  EXPECT_EQ(scan(fmt::format("{{\"{}\": 1, \"id\": 2}}", std::string(5000, 'x'))), "=2");
}

}  // namespace
}  // namespace oxbow
