// One table with an integer key, a number and a large text, mirrored into a table of the same shape: what
// tests of the flows work on.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/assert.hpp"
#include "core/mapping/mapping.hpp"
#include "flow/apply/applier.hpp"
#include "model/tuple.hpp"

namespace oxbow::test {

inline constexpr RelationId kTableRelation(16384);

inline Type builtin(std::string name, std::uint32_t oid) {
  return {.oid = oid, .schema = "pg_catalog", .name = name, .sql = name};
}

inline std::string int8_bytes(std::int64_t value) {
  std::string bytes;
  append_big_endian(bytes, value);
  return bytes;
}

inline std::string key_of(std::int64_t key) {
  auto bytes = int8_bytes(key);
  return make_tuple_bytes(std::vector{Field::value(bytes)});
}

// No `large`: the log does not carry it.
inline std::string row_of(std::int64_t key, std::int64_t value, std::optional<std::string_view> large) {
  auto key_bytes = int8_bytes(key), value_bytes = int8_bytes(value);
  return make_tuple_bytes(std::vector{Field::value(key_bytes), Field::value(value_bytes),
                                      large ? Field::value(*large) : Field::unsent()});
}

inline std::string old_key_of(std::int64_t key) {
  auto bytes = int8_bytes(key);
  return make_tuple_bytes(std::vector{Field::value(bytes), Field::unsent(), Field::unsent()});
}

// With `unique_values`, no two rows of the new side have the same number.
inline TableMapping one_table_mapping(bool unique_values = false) {
  Table table;
  table.name = {"public", "t"};
  table.columns = {{.name = "key", .type = builtin("int8", 20), .nullable = false},
                   {.name = "value", .type = builtin("int8", 20)},
                   {.name = "large", .type = builtin("text", 25)}};
  table.indexes = {{.name = "t_pkey", .columns = {"key"}, .unique = true, .primary = true}};
  if (unique_values) table.indexes.push_back({.name = "t_value_key", .columns = {"value"}, .unique = true});
  TableSpec spec{.legacy = table.name, .new_side = table.name};
  EntitySpec entity{.name = "t", .key = "key", .tables = {spec}};
  auto compiled = compile_mapping(entity, spec, table, table);
  OXBOW_ASSERT(compiled.mapping, "{}", compiled.problems.empty() ? "" : compiled.problems.front().sentence);
  return *compiled.mapping;
}

inline CohortTable one_cohort() {
  return {"key", "salt", {}, std::vector<CohortId>(kBucketCount)};
}

inline Relation one_table_relation() {
  return {kTableRelation,
          {"public", "t"},
          ReplicaIdentity::default_key,
          {{"key", 20, -1, true}, {"value", 20, -1, false}, {"large", 25, -1, false}}};
}

}  // namespace oxbow::test
