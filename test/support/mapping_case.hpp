// Mappings written down as text, as in test/golden/mapping: two tables, rules and rows. Read by the golden
// test, which has no database, and by the differential test, which makes the tables on a server.
#pragma once

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/mapping/mapping.hpp"
#include "model/catalog.hpp"
#include "model/spec.hpp"
#include "model/tuple.hpp"
#include "support/golden_cases.hpp"

namespace oxbow::mapping_case {

using golden::cut;
using golden::Lines;
using golden::words_of;

// "12.50" of "scale 12.50".
inline std::string behind_word(std::string_view text) {
  auto blank = text.find(' ');
  return blank == std::string_view::npos ? std::string() : std::string(text.substr(blank + 1));
}

inline std::string in_quotes(std::string_view text) {
  return std::string(text.starts_with('"') ? text.substr(1, text.size() - 2) : text);
}

// ---- types: int8, numeric(10,2), text[], mood=enum(sad/ok), amount=domain(numeric(10,2)), point3=composite
// ----

inline const std::map<std::string_view, std::string_view> kSqlNames = {
    {"int2", "smallint"},
    {"int4", "integer"},
    {"int8", "bigint"},
    {"bool", "boolean"},
    {"float4", "real"},
    {"float8", "double precision"},
    {"varchar", "character varying"},
    {"bpchar", "character"},
    {"timestamp", "timestamp without time zone"},
    {"timestamptz", "timestamp with time zone"}};

struct TypeReader {
  std::string schema;         // of types that are not built in
  std::uint32_t own_oid = 0;  // of those types: differs between two databases

  Type read(std::string_view text) const {
    if (text.ends_with("[]")) {
      auto inner = read(text.substr(0, text.size() - 2));
      Type array{.oid = inner.oid + 1000,
                 .schema = inner.schema,
                 .name = "_" + inner.name,
                 .sql = inner.sql + "[]",
                 .kind = TypeKind::array};
      array.inner.push_back(std::move(inner));
      return array;
    }
    auto equals = text.find('=');
    return equals == std::string_view::npos ? built_in(text)
                                            : own(text.substr(0, equals), text.substr(equals + 1));
  }

  Type own(std::string_view name, std::string_view definition) const {
    Type type{.oid = own_oid,
              .schema = schema,
              .name = std::string(name),
              .sql = fmt::format("{}.{}", schema, name)};
    auto open = definition.find('(');
    auto inside = definition.substr(open + 1, definition.size() - open - 2);
    if (definition.starts_with("enum")) {
      type.kind = TypeKind::enumeration;
      type.labels = cut(inside, "/");
    } else if (definition.starts_with("domain")) {
      type.kind = TypeKind::domain;
      type.inner.push_back(read(inside));
      type.inner.front().sql =
          cut(type.inner.front().sql, "(").front();  // the catalog names it without its modifier
    } else if (definition.starts_with("composite")) {
      type.kind = TypeKind::composite;
    }
    return type;
  }

  static Type built_in(std::string_view text) {
    auto open = text.find('(');
    std::string name(text.substr(0, open));
    if (name == "char") name = "bpchar";
    Type type{.schema = "pg_catalog", .name = name, .sql = name};
    if (name == "text") type.oid = 25;
    if (auto full = kSqlNames.find(name); full != kSqlNames.end()) type.sql = full->second;
    if (open == std::string_view::npos) return type;
    auto numbers = cut(text.substr(open + 1, text.size() - open - 2), ",");
    auto first = std::stoi(numbers.front());
    bool counts_header = name == "varchar" || name == "bpchar";
    type.modifier = counts_header ? first + 4 : first;
    if (name == "numeric")
      type.modifier = (first << 16 | (numbers.size() > 1 ? std::stoi(numbers[1]) : 0)) + 4;
    type.sql = type.sql.substr(0, type.sql.find(' ')) + std::string(text.substr(open)) +
               (type.sql.find(' ') == std::string::npos ? "" : type.sql.substr(type.sql.find(' ')));
    if (name == "varchar") type.sql = fmt::format("character varying({})", first);
    return type;
  }
};

// ---- tables ----

struct Case {
  EntitySpec entity{.name = "thing", .key = "id", .cohorts = {{.name = "all", .rest = true}}};
  TableSpec spec;
  Table legacy{.name = {"public", "old"}};
  Table new_side{.name = {"app", "new"}};
  std::string title;
  std::string legacy_columns;  // as they were written
  std::string new_columns;
  Lines rows;
  Lines new_rows;  // born on the new side
  int lines = 0;

  void read(const std::string& line) {
    auto word = cut(line, " ").front();
    auto rest = behind_word(line);
    ++lines;
    if (word == "legacy") return read_columns(legacy_columns = rest, legacy, {"public", 70'001});
    if (word == "new") return read_columns(new_columns = rest, new_side, {"app", 80'002});
    if (word == "legacy-index") return read_index(rest, legacy);
    if (word == "new-index") return read_index(rest, new_side);
    if (word == "rule") return read_rule(rest);
    if (word == "entity-key") return void(entity.key = rest);
    if (word == "cohort") return read_cohort(rest);
    if (word == "identity") return read_identity(rest);
    if (word == "may-differ")
      return spec.may_differ.push_back({.column = rest, .until = std::chrono::year(2027) / 3 / 1});
    if (word == "row") return rows.push_back(rest);
    if (word == "new-row") return new_rows.push_back(rest);
    FAIL() << "unknown line: " << line;
  }

  static void read_columns(std::string_view text, Table& table, const TypeReader& types) {
    for (const auto& part : cut(text, ", ")) {
      auto words = words_of(part);
      Column column{.name = words[0], .type = types.read(words[1])};
      for (std::size_t i = 2; i < words.size(); ++i) {
        if (words[i] == "key") {
          if (table.indexes.empty())
            table.indexes.push_back({.name = table.name.name + "_pkey", .unique = true, .primary = true});
          table.indexes.front().columns.push_back(column.name);
          column.nullable = false;
        }
        if (words[i] == "required") column.nullable = false;
        if (words[i].starts_with("generated=")) column.generated = true;
        if (words[i] == "identity") column.identity_always = true;
        if (words[i] == "locale") column.collation_is_c = false;
        if (words[i].starts_with("default=")) column.default_sql = words[i].substr(8);
      }
      table.columns.push_back(std::move(column));
    }
  }

  // name a b [unique] [partial] [deferrable]
  static void read_index(std::string_view text, Table& table) {
    auto words = words_of(text);
    Index index{.name = words[0]};
    for (std::size_t i = 1; i < words.size(); ++i) {
      if (words[i] == "unique") {
        index.unique = true;
      } else if (words[i] == "partial") {
        index.partial = true;
      } else if (words[i] == "deferrable") {
        index.immediate = false;
      } else {
        index.columns.push_back(words[i]);
      }
    }
    table.indexes.push_back(std::move(index));
  }

  // a b -> c : concat " " <- back, or a : drop "why"
  void read_rule(std::string_view text) {
    static const std::map<std::string_view, ColumnOp> kOps = {{"rename", ColumnOp::rename},
                                                              {"cast", ColumnOp::cast},
                                                              {"scale", ColumnOp::scale},
                                                              {"map", ColumnOp::map},
                                                              {"constant", ColumnOp::constant},
                                                              {"default", ColumnOp::use_default},
                                                              {"concat", ColumnOp::concat},
                                                              {"split", ColumnOp::split},
                                                              {"json", ColumnOp::json_path},
                                                              {"drop", ColumnOp::drop},
                                                              {"sql", ColumnOp::sql}};
    ColumnRule rule{.mark = {lines, 1}};
    auto halves = cut(text, " : ");
    auto sides = cut(halves[0], "->");
    rule.legacy = words_of(sides[0]);
    if (sides.size() > 1) rule.new_side = words_of(sides[1]);
    auto back = cut(halves[1], " <- ");
    if (back.size() > 1) rule.backward = back[1];
    rule.op = kOps.at(cut(back[0], " ").front());
    rule.argument = in_quotes(behind_word(back[0]));
    if (rule.op == ColumnOp::drop) rule.why = rule.argument;
    if (rule.op == ColumnOp::map) {
      for (const auto& pair : words_of(rule.argument)) {
        auto both = cut(pair, "=");
        rule.map.emplace_back(both[0], both[1]);
      }
    }
    spec.columns.push_back(std::move(rule));
  }

  void read_cohort(std::string_view text) {
    auto words = words_of(text);
    entity.cohorts.insert(entity.cohorts.end() - 1,
                          {.name = words[0], .keys = Lines(words.begin() + 1, words.end())});
  }

  void read_identity(std::string_view text) {
    spec.identity_is_full_row = text == "full-row";
    if (!spec.identity_is_full_row) spec.identity = words_of(text);
  }
};

// The tuple that the new side's log carries of a row that `forward` has written: NULL where the new database
// fills a column or computes it.
inline std::string logged_by_new_side(const TableMapping& forward, std::string_view written,
                                      const TableMapping& inverse) {
  TupleBuilder builder;
  builder.begin(static_cast<std::uint16_t>(inverse.source_columns.size()));
  for (const auto& name : inverse.source_columns) {
    auto column = std::ranges::find(forward.target.columns, name, &TargetTable::Column::name);
    if (column == forward.target.columns.end()) {
      builder.add_null();
      continue;
    }
    auto field = field_at(written, static_cast<std::uint16_t>(column - forward.target.columns.begin()));
    if (field.is_unsent()) {
      builder.add_unsent();
    } else if (field.is_null()) {
      builder.add_null();
    } else {
      builder.add_value(field.bytes);
    }
  }
  return builder.take();
}

}  // namespace oxbow::mapping_case
