// Runs the tables in test/golden/mapping: two tables, rules and rows go in, what compile_mapping() and
// RowMapper make of them comes out and must be what stands behind the dashes. With OXBOW_UPDATE_GOLDEN=1 the
// files are written anew; then the difference is to be reviewed.
#include <fmt/core.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "core/mapping/row_mapper.hpp"
#include "core/value/pg_values.hpp"
#include "model/tuple.hpp"

namespace oxbow {
namespace {

using Lines = std::vector<std::string>;

Lines cut(std::string_view text, std::string_view separator) {
  Lines parts;
  for (;;) {
    auto end = text.find(separator);
    parts.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + separator.size());
  }
}

Lines words_of(std::string_view text) {
  Lines words;
  std::istringstream in{std::string(text)};
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

// "12.50" of "scale 12.50".
std::string behind_word(std::string_view text) {
  auto blank = text.find(' ');
  return blank == std::string_view::npos ? std::string() : std::string(text.substr(blank + 1));
}

std::string in_quotes(std::string_view text) {
  return std::string(text.starts_with('"') ? text.substr(1, text.size() - 2) : text);
}

// ---- types: int8, numeric(10,2), text[], mood=enum(sad/ok), amount=domain(numeric(10,2)), point3=composite
// ----

const std::map<std::string_view, std::string_view> kSqlNames = {{"int2", "smallint"},
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
    type.oid = static_cast<std::uint32_t>(std::hash<std::string>()(name) % 9000);
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
  Lines rows;
  int lines = 0;

  void read(const std::string& line) {
    auto word = cut(line, " ").front();
    auto rest = behind_word(line);
    ++lines;
    if (word == "legacy") return read_columns(rest, legacy, {"public", 70'001});
    if (word == "new") return read_columns(rest, new_side, {"app", 80'002});
    if (word == "legacy-index") return read_index(rest, legacy);
    if (word == "new-index") return read_index(rest, new_side);
    if (word == "rule") return read_rule(rest);
    if (word == "entity-key") return void(entity.key = rest);
    if (word == "cohort") return read_cohort(rest);
    if (word == "identity") return read_identity(rest);
    if (word == "may-differ")
      return spec.may_differ.push_back({.column = rest, .until = std::chrono::year(2027) / 3 / 1});
    if (word == "row") return rows.push_back(rest);
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
        if (words[i] == "generated") column.generated = true;
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

// ---- what comes out ----

constexpr std::string_view kLossNames[] = {"", "forward", "backward", "both ways"};

// A row's text to a tuple: ~ is NULL, ? is not sent.
std::string encode_row(const Table& table, std::string_view text) {
  TupleBuilder builder;
  auto values = cut(text, " | ");
  builder.begin(static_cast<std::uint16_t>(values.size()));
  std::size_t i = 0;
  for (const auto& column : table.columns) {
    if (column.generated) continue;
    const auto& value = values.at(i++);
    if (value == "~") {
      builder.add_null();
    } else if (value == "?") {
      builder.add_unsent();
    } else if (value.starts_with("0x")) {
      std::string bytes;
      for (std::size_t at = 2; at + 1 < value.size(); at += 2)
        bytes += static_cast<char>(std::stoi(value.substr(at, 2), nullptr, 16));
      builder.add_value(bytes);
    } else {
      auto bytes = text_to_binary(column.type, in_quotes(value));
      EXPECT_TRUE(bytes) << column.name << ": " << value;
      builder.add_value(bytes.value_or(""));
    }
  }
  return builder.take();
}

std::string decode_field(const Type* type, const Field& field) {
  if (field.is_null()) return "~";
  if (field.is_unsent()) return "?";
  if (type && has_text_codec(*type)) {
    auto text = binary_to_text(*type, field.bytes);
    return text ? *text : text.error().detail;
  }
  std::string hex = "0x";
  for (char c : field.bytes) hex += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return hex;
}

std::string decode_row(const Case& test, const TableMapping& mapping, std::string_view tuple) {
  std::vector<std::string> values;
  EXPECT_TRUE(validate_tuple(tuple, static_cast<std::uint16_t>(mapping.programs.size())));
  FieldReader reader(tuple);
  for (const auto& column : mapping.target.columns)
    values.push_back(decode_field(&test.new_side.find_column(column.name)->type, reader.next()));
  for (const auto& column : mapping.target.staged_only) {
    auto type = TypeReader::built_in(column.sql_type == "bigint" ? "int8" : "text");
    values.push_back(decode_field(&type, reader.next()));
  }
  return fmt::format("{}", fmt::join(values, " | "));
}

std::string flat(std::string text) {
  std::ranges::replace(text, '\n', ' ');
  return text;
}

std::string names_of(const std::vector<KeyColumn>& key) {
  Lines names;
  for (const auto& column : key) names.push_back(column.name);
  return names.empty() ? "the full row" : fmt::format("{}", fmt::join(names, ", "));
}

Lines describe(const Case& test) {
  auto compiled = compile_mapping(test.entity, test.spec, test.legacy, test.new_side);
  Lines out;
  for (const auto& problem : compiled.problems)
    out.push_back(fmt::format("problem at {}: {}", problem.mark.line, problem.sentence));
  EXPECT_EQ(compiled.mapping.has_value(), compiled.problems.empty());
  if (!compiled.mapping) return out;

  const auto& mapping = *compiled.mapping;
  out.push_back(
      fmt::format("identity: {} -> {}", names_of(mapping.source_key), names_of(mapping.target_key)));
  if (!mapping.identity_index.empty()) out.push_back("replica identity: " + mapping.identity_index);
  if (mapping.identity_needs_full) out.push_back("replica identity: full");
  if (!mapping.ranges_hold_on_target) out.push_back("ranges do not hold on the new side");
  if (mapping.is_identity) out.push_back("every tuple passes through as it is");
  for (const auto& line : mapping.report) {
    auto loss = kLossNames[static_cast<int>(line.loss)];
    out.push_back(fmt::format("column: {} -> {}: {}{}{}", line.legacy, line.new_side, line.how,
                              loss.empty() ? "" : fmt::format(" [loss {}]", loss),
                              line.why.empty() ? "" : fmt::format(" ({})", line.why)));
  }
  for (const auto& column : mapping.target.columns)
    if (!column.sql.empty()) out.push_back(fmt::format("computed: {} = {}", column.name, flat(column.sql)));
  for (const auto& column : mapping.target.staged_only)
    out.push_back(fmt::format("staged: {} {}", column.name, column.sql_type));
  for (const auto& column : mapping.compared) {
    out.push_back(fmt::format("compared: {} == {}{}", flat(column.legacy_sql), flat(column.new_sql),
                              column.may_differ_until ? " (may differ)" : ""));
  }
  RowMapper mapper(mapping);
  for (const auto& row : test.rows) {
    std::string tuple;
    auto mapped = mapper.map(encode_row(test.legacy, row), tuple);
    out.push_back("row: " + (mapped
                                 ? decode_row(test, mapping, tuple)
                                 : fmt::format("{}: {}", name(mapped.error().code), mapped.error().detail)));
    if (!mapped) EXPECT_EQ(tuple, "");
  }
  return out;
}

// A file is cases with a blank line between them: a title, input lines, four dashes, output lines.
std::string run_file(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::string actual;
  std::optional<Case> test;
  bool in_output = false;
  auto finish = [&] {
    if (!test || !in_output) return;
    for (const auto& line : describe(*test)) actual += line + "\n";
    test.reset();
  };
  for (std::string line; std::getline(file, line);) {
    if (line.empty()) {
      finish();
      in_output = false;
      actual += "\n";
    } else if (line == "----") {
      in_output = true;
      actual += line + "\n";
    } else if (!in_output) {
      if (line.starts_with("# ")) test.emplace();
      if (test && !line.starts_with("#")) test->read(line);
      actual += line + "\n";
    }
  }
  finish();
  return actual;
}

class GoldenMapping : public testing::TestWithParam<std::string> {};

TEST_P(GoldenMapping, IsWhatItWas) {
  auto path = std::filesystem::path(OXBOW_SOURCE_DIR) / "test/golden/mapping" / GetParam();
  std::ifstream file(path);
  std::stringstream expected;
  expected << file.rdbuf();
  ASSERT_FALSE(expected.str().empty()) << path;
  auto actual = run_file(path);
  if (std::getenv("OXBOW_UPDATE_GOLDEN")) std::ofstream(path) << actual;
  EXPECT_EQ(actual, expected.str());
}

Lines golden_files() {
  Lines names;
  for (const auto& entry : std::filesystem::directory_iterator(OXBOW_SOURCE_DIR "/test/golden/mapping"))
    if (entry.path().extension() == ".txt") names.push_back(entry.path().filename().string());
  std::ranges::sort(names);
  return names;
}

INSTANTIATE_TEST_SUITE_P(Files, GoldenMapping, testing::ValuesIn(golden_files()),
                         [](const auto& file) { return file.param.substr(0, file.param.find('.')); });

}  // namespace
}  // namespace oxbow
