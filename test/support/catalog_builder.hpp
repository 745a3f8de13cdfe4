// Short ways to write down types, tables and catalogs in tests.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/catalog.hpp"

namespace oxbow::build {

inline Type builtin(std::uint32_t oid, std::string name, std::string sql, std::int32_t modifier = -1) {
  return {.oid = oid,
          .modifier = modifier,
          .schema = "pg_catalog",
          .name = std::move(name),
          .sql = std::move(sql)};
}
inline Type int4() {
  return builtin(23, "int4", "integer");
}
inline Type int8() {
  return builtin(20, "int8", "bigint");
}
inline Type text() {
  return builtin(25, "text", "text");
}
inline Type json() {
  return builtin(114, "json", "json");
}
inline Type jsonb() {
  return builtin(3802, "jsonb", "jsonb");
}
inline Type varchar(int length) {
  return builtin(1043, "varchar", "character varying(" + std::to_string(length) + ")", length + 4);
}
inline Type enumeration(std::string schema, std::string name, std::vector<std::string> labels) {
  return {.oid = 90'000,
          .schema = schema,
          .name = name,
          .sql = schema + "." + name,
          .kind = TypeKind::enumeration,
          .labels = std::move(labels)};
}

inline Column column(std::string name, Type type) {
  return {.name = std::move(name), .type = std::move(type)};
}
inline Column not_null(std::string name, Type type) {
  return {.name = std::move(name), .type = std::move(type), .nullable = false};
}

inline Table table(std::string schema, std::string name, std::vector<Column> columns) {
  return {.name = {std::move(schema), std::move(name)}, .columns = std::move(columns)};
}
inline Table with_primary_key(Table made, std::vector<std::string> columns) {
  made.indexes.push_back(
      {.name = made.name.name + "_pkey", .columns = std::move(columns), .unique = true, .primary = true});
  return made;
}

inline Catalog catalog(std::string database, std::vector<Table> tables) {
  Catalog made{.server_version = 150'000, .database = std::move(database), .encoding = "UTF8"};
  for (auto& each : tables) made.tables.emplace(each.name, std::move(each));
  return made;
}

}  // namespace oxbow::build
