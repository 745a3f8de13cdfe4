// Runs the tables in test/golden/mapping: two tables, rules and rows go in, what compile_mapping() and
// RowMapper make of them comes out; in inverse.txt, what compile_inverse() makes of them.
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "core/mapping/inverse.hpp"
#include "core/mapping/row_mapper.hpp"
#include "core/value/pg_values.hpp"
#include "model/tuple.hpp"
#include "support/mapping_case.hpp"

namespace oxbow {
namespace {

using namespace mapping_case;

constexpr std::string_view kLossNames[] = {"", "forward", "backward", "both ways"};

// A row's text to a tuple: ~ is NULL, ? is not sent.
// Of the columns that the mapping reads; a row of a case has all that the log carries.
std::string encode_row(const Table& table, const TableMapping& mapping, std::string_view text) {
  TupleBuilder builder;
  auto values = cut(text, " | ");
  builder.begin(static_cast<std::uint16_t>(mapping.source_columns.size()));
  std::size_t i = 0;
  for (const auto& column : table.columns) {
    if (column.generated) continue;
    const auto& value = values.at(i++);
    if (std::ranges::count(mapping.source_columns, column.name) == 0) continue;
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

std::string decode_row(const Table& target, const TableMapping& mapping, std::string_view tuple) {
  std::vector<std::string> values;
  EXPECT_TRUE(validate_tuple(tuple, static_cast<std::uint16_t>(mapping.programs.size())));
  FieldReader reader(tuple);
  for (const auto& column : mapping.target.columns)
    values.push_back(decode_field(&target.find_column(column.name)->type, reader.next()));
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
    auto mapped = mapper.map(encode_row(test.legacy, mapping, row), tuple);
    out.push_back("row: " + (mapped
                                 ? decode_row(test.new_side, mapping, tuple)
                                 : fmt::format("{}: {}", name(mapped.error().code), mapped.error().detail)));
    if (!mapped) EXPECT_EQ(tuple, "");
  }
  return out;
}

// ---- the way back ----

constexpr std::string_view kOpNames[] = {"rename", "cast",  "scale", "map",  "constant", "default",
                                         "concat", "split", "json",  "drop", "sql"};

std::string describe_rule(const ColumnRule& rule) {
  bool has_argument = rule.op != ColumnOp::rename && rule.op != ColumnOp::map && !rule.argument.empty();
  auto argument = has_argument ? " " + rule.argument : "";
  for (const auto& [from, to] : rule.map) argument += fmt::format(" {}={}", from, to);
  return fmt::format("rule {} -> {} : {}{}", fmt::join(rule.legacy, " "), fmt::join(rule.new_side, " "),
                     kOpNames[static_cast<int>(rule.op)], argument);
}

std::string mapped(RowMapper& mapper, const Table& target, const TableMapping& mapping,
                   const std::string& source) {
  std::string tuple;
  auto done = mapper.map(source, tuple);
  return done ? decode_row(target, mapping, tuple)
              : fmt::format("{}: {}", name(done.error().code), done.error().detail);
}

Lines describe_inverse(const Case& test) {
  auto forward = compile_mapping(test.entity, test.spec, test.legacy, test.new_side);
  EXPECT_TRUE(forward.mapping) << test.title;
  if (!forward.mapping) return {};
  std::vector<Problem> problems;
  auto inverse = invert(test.entity, test.spec, test.legacy, test.new_side, *forward.mapping, problems);
  auto compiled = compile_inverse(test.entity, test.spec, test.legacy, test.new_side, *forward.mapping);
  Lines out;
  for (const auto& problem : compiled.problems)
    out.push_back(fmt::format("problem at {}: {}", problem.mark.line, problem.sentence));
  EXPECT_EQ(compiled.mapping.has_value(), compiled.problems.empty());
  if (!compiled.mapping) return out;

  const auto& mapping = *compiled.mapping;
  out.push_back(inverse.entity.key.empty() ? "no entity key" : "entity key: " + inverse.entity.key);
  out.push_back(
      fmt::format("identity: {} -> {}", names_of(mapping.source_key), names_of(mapping.target_key)));
  if (mapping.identity_needs_full) out.push_back("replica identity: full");
  for (const auto& rule : inverse.table.columns) out.push_back(describe_rule(rule));
  for (const auto& column : mapping.target.columns)
    if (!column.sql.empty()) out.push_back(fmt::format("computed: {} = {}", column.name, flat(column.sql)));
  for (const auto& column : mapping.compared)
    out.push_back(fmt::format("compared: {} == {}{}", flat(column.legacy_sql), flat(column.new_sql),
                              column.may_differ_until ? " (may differ)" : ""));
  RowMapper there(*forward.mapping), back(mapping);
  for (const auto& row : test.rows) {
    std::string written;
    EXPECT_TRUE(there.map(encode_row(test.legacy, *forward.mapping, row), written)) << row;
    out.push_back(fmt::format(
        "row: {} => {}", decode_row(test.new_side, *forward.mapping, written),
        mapped(back, test.legacy, mapping, logged_by_new_side(*forward.mapping, written, mapping))));
  }
  for (const auto& row : test.new_rows)
    out.push_back("born: " + mapped(back, test.legacy, mapping, encode_row(test.new_side, mapping, row)));
  return out;
}

class GoldenMapping : public testing::TestWithParam<std::string> {};

TEST_P(GoldenMapping, IsWhatItWas) {
  golden::expect_unchanged<Case>(golden::path_of("mapping/" + GetParam()),
                                 GetParam() == "inverse.txt" ? describe_inverse : describe);
}

INSTANTIATE_TEST_SUITE_P(Files, GoldenMapping, testing::ValuesIn(golden::files_in("mapping")),
                         [](const auto& file) { return file.param.substr(0, file.param.find('.')); });

}  // namespace
}  // namespace oxbow
