#include "core/routing/key_kinds.hpp"

#include <gtest/gtest.h>

#include "core/routing/request_key.hpp"
#include "core/routing/route_table.hpp"

namespace oxbow {
namespace {

Table table_with_key(std::string name, std::string type) {
  Table table{.name = {"public", std::move(name)}};
  table.columns.push_back({.name = "id", .type = {.schema = "pg_catalog", .name = std::move(type)}});
  return table;
}

Spec spec_of_payments() {
  EntitySpec entity{.name = "payment", .key = "id", .cohorts = {{.name = "all", .rest = true}}};
  entity.tables = {{.legacy = {"public", "payments"}}, {.legacy = {"public", "lines"}}};
  Route route;
  route.method = "GET";
  route.path = "/payments/{id}";
  route.key = KeySource{RequestPart::path, "id"};
  route.write = true;
  entity.routes = {route};
  Spec spec;
  spec.migration = "billing";
  spec.entities = {entity};
  return spec;
}

Catalog catalog_of(std::vector<Table> tables) {
  Catalog catalog;
  for (auto& table : tables) catalog.tables.emplace(table.name, table);
  return catalog;
}

KeyFound found_in(const RouteTable& table, std::string_view target) {
  RequestHead head{.method = "GET", .target = target, .host = {}, .minor_version = 1, .fields = {}};
  std::string buffer;
  return find_key(table, table.match(head), head, buffer).found;
}

TEST(KeyKinds, AreThoseOfTheLegacyColumns) {
  auto spec = spec_of_payments();
  auto kinds = [&](std::vector<Table> tables) { return key_kinds(spec, catalog_of(std::move(tables))); };
  EXPECT_EQ(kinds({table_with_key("payments", "text"), table_with_key("lines", "varchar")}),
            (KeyKinds{{"payment", KeyKind::text}}));
  EXPECT_EQ(kinds({table_with_key("payments", "text"), table_with_key("lines", "int8")}), KeyKinds());
  EXPECT_EQ(kinds({table_with_key("payments", "text")}), KeyKinds()) << "a table is missing";
  EXPECT_EQ(kinds({table_with_key("payments", "point"), table_with_key("lines", "point")}), KeyKinds());
}

TEST(KeyKinds, DecideWhichTextsAreKeys) {
  auto spec = spec_of_payments();
  auto unknown = RouteTable::compile(spec);
  auto text = RouteTable::compile(spec, {{"payment", KeyKind::text}});
  EXPECT_EQ(found_in(unknown, "/payments/007"), KeyFound::not_plain);
  EXPECT_EQ(found_in(text, "/payments/007"), KeyFound::yes);
  EXPECT_EQ(found_in(text, "/payments/7"), KeyFound::yes);
}

}  // namespace
}  // namespace oxbow
