#include "core/routing/request_key.hpp"

#include <fmt/core.h>
#include <gtest/gtest.h>

namespace oxbow {
namespace {

std::string shown(const RequestKey& key) {
  return key.found == KeyFound::yes ? fmt::format("={}", key.text) : std::string(name(key.found));
}

std::string in_query(std::string_view query) {
  std::string buffer;
  return shown(find_in_query(query, "id", buffer));
}

TEST(QueryKey, IsTheValueOfItsParameter) {
  EXPECT_EQ(in_query("id=4711"), "=4711");
  EXPECT_EQ(in_query("a=1&id=4711&b"), "=4711");
  EXPECT_EQ(in_query("i%64=a%20b"), "=a b");
  EXPECT_EQ(in_query("id=a+b"), "=a b");
  EXPECT_EQ(in_query("id=a=b"), "=a=b");
  EXPECT_EQ(in_query(""), "absent");
  EXPECT_EQ(in_query("idx=1&xid=2"), "absent");
}

TEST(QueryKey, IsNotTakenWhereServicesCouldDisagree) {
  EXPECT_EQ(in_query("id=1&id=2"), "twice");
  EXPECT_EQ(in_query("id=1&i%64=1"), "twice");
  EXPECT_EQ(in_query("id=1&ID=2"), "not-plain");
  EXPECT_EQ(in_query("ID=2"), "not-plain");
  EXPECT_EQ(in_query("a=1;id=2"), "not-plain");
  EXPECT_EQ(in_query("id=%zz"), "malformed");
  EXPECT_EQ(in_query("%=1&id=2"), "malformed");
}

TEST(HeaderKey, IsTheOneValueOfItsField) {
  EXPECT_EQ(shown(find_in_header({{"X-Id", " 4711\t"}}, "x-id")), "=4711");
  EXPECT_EQ(shown(find_in_header({{"X-Id", "1"}, {"x-id", "1"}}, "x-id")), "twice");
  EXPECT_EQ(shown(find_in_header({{"X-Other", "1"}}, "x-id")), "absent");
}

TEST(CookieKey, IsTheOneValueOfItsCookie) {
  EXPECT_EQ(shown(find_in_cookies({{"Cookie", "a=1; id=4711; b=2"}}, "id")), "=4711");
  EXPECT_EQ(shown(find_in_cookies({{"cookie", "a=1"}, {"Cookie", "id=4711"}}, "id")), "=4711");
  EXPECT_EQ(shown(find_in_cookies({{"Cookie", "a=1;ID=2"}}, "id")), "absent") << "cookies have a case";
  EXPECT_EQ(shown(find_in_cookies({{"Cookie", "id=1; id=2"}}, "id")), "twice");
  EXPECT_EQ(shown(find_in_cookies({{"Cookie", "id=\"1\""}}, "id")), "not-plain");
  EXPECT_EQ(shown(find_in_cookies({{"Cookie", "id=%31"}}, "id")), "not-plain");
}

TEST(KeyText, IsWhatTheDatabasePrints) {
  for (const auto* text : {"0", "-1", "4711", "9223372036854775807"}) {
    EXPECT_TRUE(is_key_text(KeyKind::integer, text)) << text;
    EXPECT_TRUE(is_key_text(KeyKind::unknown, text)) << text;
  }
  for (const auto* text : {"04711", "+1", "-0", "00"}) {
    EXPECT_FALSE(is_key_text(KeyKind::integer, text)) << text;
    EXPECT_FALSE(is_key_text(KeyKind::unknown, text)) << text;
    EXPECT_TRUE(is_key_text(KeyKind::text, text)) << text;
  }
  EXPECT_FALSE(is_key_text(KeyKind::integer, "x"));
  EXPECT_FALSE(is_key_text(KeyKind::integer, "1.0"));
  EXPECT_TRUE(is_key_text(KeyKind::unknown, "A-4711"));
  constexpr std::string_view lower = "5f0c1c6e-7f1e-4f1e-8a1e-0123456789ab",
                             upper = "5F0C1C6E-7f1e-4f1e-8a1e-0123456789ab";
  EXPECT_TRUE(is_key_text(KeyKind::uuid, lower));
  EXPECT_TRUE(is_key_text(KeyKind::unknown, lower));
  EXPECT_FALSE(is_key_text(KeyKind::uuid, upper));
  EXPECT_FALSE(is_key_text(KeyKind::unknown, upper));
  EXPECT_FALSE(is_key_text(KeyKind::uuid, "5f0c1c6e7f1e4f1e8a1e0123456789ab"));
  EXPECT_FALSE(is_key_text(KeyKind::decimal, "1.50"));
}

TEST(KeyText, BlanksAtTheEndOfAPaddedTextMeanNothingAndAreNoKey) {
  EXPECT_EQ(key_kind({.oid = 1042, .modifier = 14, .name = "bpchar"}), KeyKind::padded);
  EXPECT_TRUE(is_key_text(KeyKind::padded, "4711"));
  EXPECT_FALSE(is_key_text(KeyKind::padded, "4711 "));
  EXPECT_TRUE(is_key_text(KeyKind::text, "4711 "));
}

TEST(KeyText, CanBeStored) {
  EXPECT_TRUE(is_key_text(KeyKind::text,
                          "Gr\xc3\xb6\xc3\x9f"
                          "e \xf0\x9f\xa6\x86"));
  for (std::string_view text :
       {std::string_view(""), std::string_view("a\0b", 3), std::string_view("\n"), std::string_view("\xff"),
        std::string_view("\xc3"), std::string_view("\xc0\xaf"), std::string_view("\xed\xa0\x80"),
        std::string_view("\xf4\x90\x80\x80")})
    EXPECT_FALSE(is_key_text(KeyKind::text, text)) << text;
  EXPECT_FALSE(is_key_text(KeyKind::text, std::string(1025, 'x')));
}

TEST(KeyText, KindIsThatOfTheType) {
  auto type = [](std::string name, std::int32_t modifier = -1) {
    return Type{.modifier = modifier, .schema = "pg_catalog", .name = name, .sql = name};
  };
  EXPECT_EQ(key_kind(type("int8")), KeyKind::integer);
  EXPECT_EQ(key_kind(type("uuid")), KeyKind::uuid);
  EXPECT_EQ(key_kind(type("varchar")), KeyKind::text);
  EXPECT_EQ(key_kind(type("numeric", (10 << 16 | 0) + 4)), KeyKind::integer);
  EXPECT_EQ(key_kind(type("numeric", (10 << 16 | 2) + 4)), KeyKind::decimal);
}

// A table with one route whose key is at `source`.
RouteTable table_with(std::string path, KeySource source) {
  Route route;
  route.method = "POST";
  route.path = std::move(path);
  route.key = std::move(source);
  route.write = true;
  EntitySpec entity;
  entity.cohorts = {{.name = "all", .keys = {}, .buckets = std::nullopt, .rest = true, .mark = {}}};
  entity.routes = {route};
  Spec spec;
  spec.entities = {entity};
  return RouteTable::compile(spec);
}

std::string key_of(const RouteTable& table, std::string_view target, HeaderFields fields = {}) {
  RequestHead head{
      .method = "POST", .target = target, .host = {}, .minor_version = 1, .fields = std::move(fields)};
  std::string buffer;
  return shown(find_key(table, table.match(head), head, buffer));
}

TEST(RequestKey, ComesFromWhereTheRouteSays) {
  auto in_path = table_with("/a/{x}/b/{id}", {RequestPart::path, "id"});
  EXPECT_EQ(key_of(in_path, "/a/1/b/4711"), "=4711");
  EXPECT_EQ(key_of(in_path, "/a/1/b/4%37%31+1"), "=471+1") << "a plus is a plus in a path";
  EXPECT_EQ(key_of(in_path, "/a/1/b/04711"), "not-plain");
  EXPECT_EQ(key_of(table_with("/a", {RequestPart::query, "id"}), "/a?id=4711"), "=4711");
  EXPECT_EQ(key_of(table_with("/a", {RequestPart::query, "id"}), "/a?id="), "absent");
  EXPECT_EQ(key_of(table_with("/a", {RequestPart::header, "x-id"}), "/a", {{"X-Id", "7"}}), "=7");
  EXPECT_EQ(key_of(table_with("/a", {RequestPart::cookie, "id"}), "/a", {{"Cookie", "id=7"}}), "=7");
  EXPECT_EQ(key_of(table_with("/a", {RequestPart::body, "a.b"}), "/a"), "in-body");
  EXPECT_EQ(key_of(table_with("/a", {}), "/a"), "none-declared");
}

}  // namespace
}  // namespace oxbow
