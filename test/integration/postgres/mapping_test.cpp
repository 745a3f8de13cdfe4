// The two implementations of a mapping against each other on a real server: rows go through RowMapper into
// the new table, and what the server computes for the comparison on both sides must have the same bytes.
// Where RowMapper rejects a row, the comparison must still not fail.
#include <fmt/core.h>
#include <fmt/ranges.h>

#include <list>

#include "adapters/postgres/catalog_reader.hpp"
#include "adapters/postgres/schema.hpp"
#include "adapters/postgres/target_writer.hpp"
#include "core/cohort/cohorts.hpp"
#include "core/mapping/inverse.hpp"
#include "core/mapping/row_mapper.hpp"
#include "integration/postgres/fixture.hpp"
#include "model/side.hpp"
#include "model/tuple.hpp"
#include "support/mapping_case.hpp"

namespace oxbow::postgres {
namespace {

using mapping_case::Case;
using mapping_case::Lines;

class MappingOnServer : public DatabaseTest {
 protected:
  MappingOnServer() {
    must(install_schema(*other_, "shop", Role::target));
    sql("SELECT pg_replication_origin_create('oxbow:shop:fwd:0') WHERE NOT EXISTS "
        "(SELECT FROM pg_replication_origin WHERE roname = 'oxbow:shop:fwd:0')");
    sql("CREATE SCHEMA app");
  }

  void compile(const Case& test) {
    auto catalog = must(read_catalog(*other_));
    const auto* legacy = catalog.find(test.spec.legacy);
    const auto* new_side = catalog.find(test.spec.new_side);
    ASSERT_TRUE(legacy && new_side);
    auto compiled = compile_mapping(test.entity, test.spec, *legacy, *new_side);
    for (const auto& problem : compiled.problems) ADD_FAILURE() << problem.sentence;
    ASSERT_TRUE(use(std::move(compiled)));
  }

  bool use(CompiledMapping compiled) {
    if (compiled.mapping) mapping_ = &mappings_.emplace_back(*std::move(compiled.mapping));
    return compiled.mapping.has_value();
  }

  // From here on rows move from the new side to legacy. False if they cannot come back.
  bool turn_round(const Case& test) {
    auto catalog = must(read_catalog(*other_));
    auto inverse = compile_inverse(test.entity, test.spec, *catalog.find(test.spec.legacy),
                                   *catalog.find(test.spec.new_side), *mapping_);
    return use(std::move(inverse));
  }

  // Rows in the order in which they were inserted, as tuples.
  std::vector<std::string> select(const TableName& table, const Lines& expressions) {
    auto text = fmt::format("SELECT {} FROM {} ORDER BY ctid", fmt::join(expressions, ", "), quoted(table));
    Rows rows = must(other_->exec_params(text, {}, Format::binary));
    std::vector<std::string> tuples;
    for (int row = 0; row < rows.size(); ++row) {
      TupleBuilder builder;
      builder.begin(static_cast<std::uint16_t>(expressions.size()));
      for (int column = 0; column < static_cast<int>(expressions.size()); ++column)
        rows.is_null(row, column) ? builder.add_null() : builder.add_value(rows.view(row, column));
      tuples.push_back(builder.take());
    }
    return tuples;
  }

  // Moves every row that has an image, and says which ones had.
  std::vector<bool> move_rows() {
    Lines columns;
    for (const auto& name : mapping_->source_columns) columns.push_back(quote_identifier(name));
    RowMapper mapper(*mapping_);
    std::vector<bool> moved;
    std::vector<std::string> images;
    for (const auto& source : select(mapping_->source, columns)) {
      std::string image;
      auto mapped = mapper.map(source, image);
      EXPECT_TRUE(mapped || mapped.error().code == ErrorCode::row_rejected) << mapped.error().detail;
      moved.push_back(mapped.has_value());
      if (mapped) images.push_back(std::move(image));
    }
    must(writer_.begin());
    EXPECT_EQ(must(writer_.apply(batch(mapping_->target, RowOp::insert, images))).matched, images.size());
    must(writer_.commit(std::nullopt));
    return moved;
  }

  std::vector<std::string> compared_on(Side side) {
    Lines expressions;
    for (const auto& column : mapping_->compared)
      expressions.push_back(side == Side::legacy ? column.legacy_sql : column.new_sql);
    return select(side == Side::legacy ? mapping_->source : mapping_->target.name, expressions);
  }

  void expect_equal(const std::vector<bool>& moved) {
    auto legacy = compared_on(Side::legacy), new_side = compared_on(Side::new_side);
    ASSERT_EQ(legacy.size(), moved.size());
    auto at = new_side.begin();
    for (std::size_t row = 0; row < moved.size(); ++row) {
      if (!moved[row]) continue;
      ASSERT_NE(at, new_side.end());
      for (std::uint16_t i = 0; i < field_count(*at); ++i)
        EXPECT_EQ(field_at(legacy[row], i), field_at(*at, i))
            << "row " << row << ": " << mapping_->compared[i].legacy_sql << " and "
            << mapping_->compared[i].new_sql;
      ++at;
    }
    EXPECT_EQ(at, new_side.end());
  }

  std::list<TableMapping> mappings_;  // the writer knows their tables by their places
  const TableMapping* mapping_ = nullptr;
  PgTargetWriter writer_{settings(), "shop", 0};
};

// ---- the golden cases ----

// "mood=enum(sad/ok)[]" as SQL: the type's name, and how to make the type.
std::string type_sql(std::string_view schema, std::string_view text, Lines& types) {
  auto equals = text.find('=');
  if (equals == std::string_view::npos) return std::string(text);
  auto name = fmt::format("{}.{}", schema, text.substr(0, equals));
  std::string_view array = text.ends_with("[]") ? "[]" : "";
  auto open = text.find('('), close = text.rfind(')');
  auto inside = text.substr(open + 1, close - open - 1);
  auto made = text.substr(equals + 1).starts_with("enum")
                  ? fmt::format("CREATE TYPE {} AS ENUM ('{}')", name,
                                fmt::join(mapping_case::cut(inside, "/"), "', '"))
                  : fmt::format("CREATE DOMAIN {} AS {}", name, inside);
  if (std::ranges::find(types, made) == types.end()) types.push_back(made);
  return name + std::string(array);
}

std::string create_table(const Table& table, std::string_view columns) {
  Lines types, definitions, key;
  for (const auto& part : mapping_case::cut(columns, ", ")) {
    auto words = mapping_case::words_of(part);
    auto definition =
        fmt::format("{} {}", quote_identifier(words[0]), type_sql(table.name.schema, words[1], types));
    for (std::size_t i = 2; i < words.size(); ++i) {
      if (words[i] == "key") key.push_back(words[0]);
      if (words[i] == "required") definition += " NOT NULL";
      if (words[i] == "identity") definition += " GENERATED ALWAYS AS IDENTITY";
      if (words[i].starts_with("generated="))
        definition += fmt::format(" GENERATED ALWAYS AS ({}) STORED", words[i].substr(10));
      if (words[i].starts_with("default=")) definition += " DEFAULT " + words[i].substr(8);
    }
    definitions.push_back(definition);
  }
  if (!key.empty()) definitions.push_back(fmt::format("PRIMARY KEY ({})", fmt::join(key, ", ")));
  types.push_back(fmt::format("CREATE TABLE {} ({})", quoted(table.name), fmt::join(definitions, ", ")));
  return fmt::format("{}", fmt::join(types, "; "));
}

// Nothing for a row that no table can hold: bytes of a wrong length, values that were not sent.
std::string insert_row(const Table& table, std::string_view row) {
  Lines columns, values;
  auto given = mapping_case::cut(row, " | ");
  for (const auto& column : table.columns) {
    if (column.generated) continue;
    const auto& value = given.at(values.size());
    if (value == "?" || value.starts_with("0x")) return {};
    columns.push_back(quote_identifier(column.name));
    values.push_back(value == "~" ? "NULL" : quote_literal(mapping_case::in_quotes(value)));
  }
  return fmt::format("INSERT INTO {} ({}) VALUES ({})", quoted(table.name), fmt::join(columns, ", "),
                     fmt::join(values, ", "));
}

std::vector<Case> golden_cases() {
  std::vector<Case> cases;
  for (const auto* file : {"rules.txt", "conversions.txt", "identity.txt", "inverse.txt"}) {
    for (auto& test : golden::read_cases<Case>(golden::path_of(fmt::format("mapping/{}", file)))) {
      bool compiles = compile_mapping(test.entity, test.spec, test.legacy, test.new_side).problems.empty();
      if (compiles && !test.rows.empty()) cases.push_back(std::move(test));
    }
  }
  return cases;
}

class GoldenCase : public MappingOnServer, public ::testing::WithParamInterface<Case> {};

TEST_P(GoldenCase, MovesRowsThatCompareEqual) {
  auto test = GetParam();
  test.spec.legacy = test.legacy.name;
  test.spec.new_side = test.new_side.name;
  sql(create_table(test.legacy, test.legacy_columns));
  sql(create_table(test.new_side, test.new_columns));
  for (const auto& row : test.rows)
    if (auto insert = insert_row(test.legacy, row); !insert.empty()) sql(insert);
  ASSERT_NO_FATAL_FAILURE(compile(test));
  expect_equal(move_rows());
}

// What a case says of rows that were born on the new side comes on top of those that were moved there.
TEST_P(GoldenCase, BringsRowsBackThatCompareEqual) {
  auto test = GetParam();
  test.spec.legacy = test.legacy.name;
  test.spec.new_side = test.new_side.name;
  sql(create_table(test.legacy, test.legacy_columns));
  sql(create_table(test.new_side, test.new_columns));
  for (const auto& row : test.rows)
    if (auto insert = insert_row(test.legacy, row); !insert.empty()) sql(insert);
  ASSERT_NO_FATAL_FAILURE(compile(test));
  move_rows();
  if (!turn_round(test)) return;
  sql(fmt::format("TRUNCATE {}", quoted(test.legacy.name)));
  for (const auto& row : test.new_rows) sql(insert_row(test.new_side, row));
  expect_equal(move_rows());
}

INSTANTIATE_TEST_SUITE_P(Mapping, GoldenCase, ::testing::ValuesIn(golden_cases()), [](const auto& test) {
  std::string name;
  for (char c : test.param.title) name += std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  return name;
});

// ---- many values of each conversion ----

struct ManyValues {
  std::string from;
  std::string to;
  std::string values;          // SQL over the row's number g, different for each row
  bool some_fit = true;        // not all
  std::string operation = {};  // of the rule; empty: cast to `to`
};

const std::string kNumbers = "round((random() * 20000 - 10000)::numeric, (random() * 4)::int)";
const std::string kWords =
    "(ARRAY['', ' ', 'a', 'abc', 'abcd ', 'äöü', '漢字漢字漢字', '🦆', 'a;b', 'a;b;c', E'a\\tb', '\\\\', 'x  "
    "y  '])[1 + g % 13]";
const std::string kSpelled =
    "(ARRAY['0', '-0', '7', '007', '+7', ' 7', '7 ', '1.50', '1.500', '-12', '1e3', 'x', '', "
    "'9223372036854775807', '9223372036854775808', '.5', '5.', 'NaN', '0.001'])[1 + g % 19]";
const std::string kDays = "(date '2000-01-01' + ((random() - 0.5) * 3000000)::int)";
const std::string kMoments =
    "timestamp '2000-01-01' + ((random() - 0.5) * 3e5)::int * interval '1 day' + "
    "(ARRAY[interval '0', '1 s', '1.5 s', '0.001 s', '0.000001 s'])[1 + g % 5]";
const std::string kDocuments =
    "(ARRAY['{}', '[]', 'null', '7', '{\"a\": 1}', '{\"a\":{\"b\":\"x\"}}', '{\"a\": {\"b\": 1.50}}', "
    "'{\"b\": 1, \"a\": {\"b\": null}}', '{\"a\": {\"b\": [1, {\"c\":2}]}}', '{\"a\": {\"b\": "
    "\"\\u00fc\\ud83d\\ude00\\\\n\"}}', "
    "'{\"a\": {\"b\": \"\\u0000\"}}', '{\"a\": {\"b\": \"\\\\\\\\u0000\"}}', ' { \"a\" : { \"b\" : { } } } "
    "', '{\"a\": [\"b\"]}', '{\"a\": \"b\"}'])[1 + g % 15]";

std::vector<ManyValues> many_values() {
  auto half = [](const std::string& a, const std::string& b) {
    return fmt::format("CASE WHEN random() < 0.5 THEN {} ELSE {} END", a, b);
  };
  return {
      {"int8", "int4", "(random() * 8e9 - 4e9)::int8"},
      {"int4", "int2", "(random() * 8e4 - 4e4)::int4"},
      {"int2", "int8", "(random() * 6e4 - 3e4)::int2", false},
      {"int4", "numeric(5,1)", "(random() * 4e4 - 2e4)::int4"},
      {"int8", "numeric", "(random() * 8e18)::int8", false},
      {"numeric", "numeric(6,2)", kNumbers},
      {"numeric(12,4)", "numeric(14,6)", kNumbers, false},
      {"numeric(12,4)", "numeric", kNumbers, false},
      {"numeric", "int8", kNumbers},
      {"numeric", "text", kNumbers, false},
      {"numeric", "numeric", half(kNumbers, "(ARRAY['NaN', 'Infinity', '-Infinity'])[1 + g % 3]::numeric"),
       false},
      {"numeric(10,2)", "int8", kNumbers, false, "scale 100"},
      {"numeric(12,4)", "int4", kNumbers, true, "scale 100"},
      {"int4", "numeric(8,3)", "(random() * 2000)::int4", false, "scale 0.125"},
      {"int8", "numeric(9,2)", "(random() * 2e10 - 1e10)::int8", true, "scale 1/100"},
      {"int8", "int4", "g - 150", true, "scale 1/7"},
      {"numeric", "numeric", kNumbers, true, "scale 1/-0.3"},
      {"numeric", "numeric", half(kNumbers, "'NaN'::numeric"), false, "scale 1/0.008"},
      {"text", "int8", kSpelled},
      {"text", "numeric(5,2)", kSpelled},
      {"text", "float8", kSpelled},
      {"float8", "float4", half("random() * 1000", "(random() * 1000)::float4::float8")},
      {"float4", "float8", half("random() * 1000", "'-0'"), false},
      {"float8", "text", half("random() * 1e20", "-1 / (random() + 1e-300)"), false},
      {"timestamp", "timestamp(3)", kMoments},
      {"timestamptz", "timestamptz(0)", kMoments},
      {"timestamp", "date", kMoments},
      {"date", "timestamp",
       half(kDays, "(ARRAY['infinity', '-infinity', '4713-01-01 BC', '5874897-12-31'])[1 + g % 4]::date")},
      {"date", "text", kDays, false},
      {"timestamp", "text", kMoments, false},
      {"timestamptz", "text", kMoments, false},
      {"text", "date", half(kDays + "::text", "'2026-1-1'")},
      {"uuid", "text", "md5(g::text)::uuid", false},
      {"text", "uuid", half("md5(g::text)", "md5(g::text)::uuid::text")},
      {"bytea", "text", "decode(md5(g::text), 'hex')", false},
      {"bool", "text", "g % 2 = 0", false},
      {"text", "varchar(3)", kWords},
      {"text", "char(3)", kWords},
      {"char(8)", "text", kWords, false},
      {"char(8)", "varchar(3)", kWords},
      {"char(8)", "char(9)", kWords, false},
      {"varchar(20)", "text", kWords, false},
      {"text", "app.word", kWords},
      {"public.word", "text", "(ARRAY['a', 'abc', 'äöü'])[1 + g % 3]::public.word", false},
      {"public.word", "app.word", "(ARRAY['a', 'abc', 'äöü'])[1 + g % 3]::public.word"},
      {"public.word[]", "app.words[]", "ARRAY['a', NULL, 'äöü']::public.word[]", false},
      {"public.word[]", "text[]", "ARRAY[['a', 'abc'], ['äöü', 'a']]::public.word[]", false},
      {"json", "jsonb", kDocuments + "::json"},
      {"json", "text", kDocuments + "::json", false},
      {"jsonb", "json", "jsonb_build_object('g', g, 'x', ARRAY[1.50, g])", false},
      {"jsonb", "text", "jsonb_build_object('g', g)", false},
      {"json", "text", kDocuments + "::json", true, "json a.b"},
      {"jsonb", "text", "replace(" + kDocuments + ", '\"\\u0000\"', '0')::jsonb", false, "json a.b"},
      {"jsonb", "numeric(4,2)", "replace(" + kDocuments + ", '\"\\u0000\"', '0')::jsonb", true, "json a.b"},
      {"bit(5)", "varbit(8)", "(g % 32)::bit(5)", false},
      {"int4", "text", "g", false, "map"},
      {"int8", "int8", "g", false, "sql v * 2 + length('v')"},
  };
}

class ManyValuesOf : public MappingOnServer, public ::testing::WithParamInterface<ManyValues> {};

ColumnRule rule_of(const ManyValues& test) {
  ColumnRule rule{.op = ColumnOp::cast, .legacy = {"v"}, .new_side = {"v"}, .argument = test.to};
  auto word = mapping_case::cut(test.operation, " ").front();
  if (!word.empty()) rule.argument = mapping_case::behind_word(test.operation);
  if (word == "scale") rule.op = ColumnOp::scale;
  if (word == "json") rule.op = ColumnOp::json_path;
  if (word == "sql") rule.op = ColumnOp::sql;
  if (word == "map") {
    rule.op = ColumnOp::map;
    for (int i = 1; i <= 300; ++i) rule.map.emplace_back(std::to_string(i), fmt::format("value {}", i));
  }
  return rule;
}

TEST_P(ManyValuesOf, AreEqualIfAndOnlyIfTheyCompareEqual) {
  const auto& test = GetParam();
  sql("CREATE TYPE public.word AS ENUM ('a', 'abc', 'äöü')");
  sql("CREATE TYPE app.word AS ENUM ('a', 'abc', 'abcd ')");
  sql("CREATE TYPE app.words AS ENUM ('a', 'abc', 'äöü', 'more')");
  sql(fmt::format("CREATE TABLE public.old (id int PRIMARY KEY, v {})", test.from));
  sql(fmt::format("CREATE TABLE app.new (id int PRIMARY KEY, v {})", test.to));
  sql("SELECT setseed(0.4711)");
  sql(fmt::format(
      "INSERT INTO public.old SELECT g, ({})::{} FROM generate_series(1, 300) g UNION ALL SELECT 0, NULL",
      test.values, test.from));
  Case given;
  given.spec.legacy = {"public", "old"};
  given.spec.new_side = {"app", "new"};
  given.spec.columns = {rule_of(test)};
  ASSERT_NO_FATAL_FAILURE(compile(given));

  auto moved = move_rows();
  auto count = std::ranges::count(moved, true);
  EXPECT_GT(count, 1);
  EXPECT_EQ(count < std::ssize(moved), test.some_fit) << count << " rows moved";
  expect_equal(moved);

  // Give each new row the value of the next: now a row compares equal only if that is the value it had.
  auto right = compared_on(Side::new_side);
  sql("CREATE TABLE app.was AS SELECT id, v, lead(v) OVER (ORDER BY id) AS next FROM app.new");
  sql("TRUNCATE app.new; INSERT INTO app.new SELECT id, next FROM app.was ORDER BY id");
  auto wrong = compared_on(Side::new_side);
  bool is_number = test.to.starts_with("numeric");
  auto same_text = sql("SELECT v::text IS NOT DISTINCT FROM next::text FROM app.was ORDER BY id");
  auto same_value =
      is_number ? sql("SELECT v IS NOT DISTINCT FROM next FROM app.was ORDER BY id") : same_text;
  ASSERT_EQ(right.size(), wrong.size());
  std::map<std::string, std::string> by_id;
  for (const auto& tuple : right) by_id.emplace(field_at(tuple, 0).bytes, tuple);
  std::size_t row = 0;
  for (const auto& tuple : wrong) {
    bool equal = by_id.at(std::string(field_at(tuple, 0).bytes)) == tuple;
    EXPECT_TRUE(equal || same_text.at(row) == "f") << "row " << row << ": " << mapping_->compared[1].new_sql;
    EXPECT_TRUE(!equal || same_value.at(row) == "t")
        << "row " << row << ": " << mapping_->compared[1].new_sql;
    ++row;
  }
}

INSTANTIATE_TEST_SUITE_P(Mapping, ManyValuesOf, ::testing::ValuesIn(many_values()), [](const auto& test) {
  std::string name = fmt::format("{}_to_{}_{}", test.param.from, test.param.to, test.param.operation);
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  return name + std::to_string(test.index);
});

// ---- buckets ----

TEST_F(MappingOnServer, CohortPredicateTakesExactlyTheKeysOfItsCohorts) {
  EntitySpec entity{.name = "payment",
                    .key = "id",
                    .cohorts = {{.name = "pilot", .keys = {"7", "it's", "x \\ y"}},
                                {.name = "slice", .buckets = 1234},
                                {.name = "vip", .keys = {"8", "9"}},
                                {.name = "rest", .rest = true}}};
  auto table = resolve_cohorts(entity, "billing");
  sql("CREATE TABLE public.keys AS SELECT g::text AS id FROM generate_series(1, 3000) g UNION ALL SELECT "
      "'it''s' "
      "UNION ALL "
      "SELECT E'x \\\\ y' UNION ALL SELECT 'Größe'");
  for (std::uint32_t mask = 1; mask < 16; ++mask) {
    CohortFilter filter{.table = table, .members = {}};
    for (std::uint32_t i = 0; i < 4; ++i)
      if (mask >> i & 1) filter.members.push_back(CohortId(i));
    auto taken =
        sql(fmt::format("SELECT id FROM public.keys WHERE {}", cohort_predicate_sql(filter, "\"id\"")));
    Lines expected;
    for (const auto& key : sql("SELECT id FROM public.keys"))
      if (std::ranges::binary_search(filter.members, cohort_of(table, key))) expected.push_back(key);
    EXPECT_THAT(taken, ::testing::ElementsAreArray(expected)) << mask;
  }
}

}  // namespace
}  // namespace oxbow::postgres
