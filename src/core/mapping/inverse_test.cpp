#include "core/mapping/inverse.hpp"

#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "base/random.hpp"
#include "core/mapping/row_mapper.hpp"
#include "core/value/pg_values.hpp"
#include "support/mapping_case.hpp"

namespace oxbow {
namespace {

using mapping_case::Case;
using mapping_case::Lines;
using mapping_case::logged_by_new_side;
using testing::AllOf;
using testing::HasSubstr;

// One legacy column `v`, what it becomes (`?` stands for its name there), and texts of its values.
struct Kind {
  std::string_view legacy;
  std::string_view new_side;  // types of `?`, `?_2` and so on
  std::string_view rule;      // without the columns; empty: by its name alone
  std::vector<std::string_view> values;
};

const std::vector<std::string_view> kIntegers = {"0",     "1",      "-1",         "7",
                                                 "32767", "-32768", "2147483647", "-2147483648"};
const std::vector<std::string_view> kNumbers = {"0", "1.5",   "-0.01", "12345.67",
                                                "7", "-99.9", "100",   "0.125"};
const std::vector<std::string_view> kTexts = {"",    " ",     "a", "abc", "äöü",   "a b",
                                              "a;b", "a;b;c", ";", "; ",  "A'B\\", "🦆"};
const std::vector<std::string_view> kMoods = {"sad", "ok"};
const std::vector<std::string_view> kMoments = {"2026-11-21 06:00:00", "2026-11-21 00:00:00",
                                                "1999-12-31 23:59:59.123456", "infinity"};
const std::vector<std::string_view> kDocuments = {"{}", R"({"a": {"b": "x"}})", "[1, 2]", "null"};

const std::vector<Kind> kKinds = {
    {"int4", "int8", "", kIntegers},
    {"int8", "int2", "cast int2", kIntegers},
    {"int4", "numeric", "", kIntegers},
    {"int4", "text", "", kIntegers},
    {"numeric(12,4)", "numeric(10,2)", "cast numeric(10,2)", kNumbers},
    {"numeric(10,2)", "int8", "scale 100", kNumbers},
    {"numeric(10,2)", "numeric", "scale -0.3", kNumbers},
    {"int4", "numeric(20,3)", "scale 0.125", kIntegers},
    {"int4", "int8", "scale 3", kIntegers},
    {"text", "varchar(3)", "cast varchar(3)", kTexts},
    {"varchar(9)", "text", "", kTexts},
    {"char(5)", "text", "", kTexts},
    {"text", "char(5)", "cast char(5)", kTexts},
    {"name", "text", "", kTexts},
    {"mood=enum(sad/ok)", "text", "", kMoods},
    {"text", "mood=enum(sad/ok)", "cast app.mood", {"sad", "ok", "gloomy"}},
    {"mood=enum(sad/ok)", "int4", "map sad=1 ok=2", kMoods},
    {"mood=enum(sad/ok)", "int4", "map sad=1 ok=1", kMoods},
    {"text", "mood=enum(sad/ok/new)", "map S=sad O=ok", {"S", "O", "X"}},
    {"text", "numeric", "map a=1 b=2", {"a", "b", "c"}},
    {"text", "text, text", "split ;", kTexts},
    {"text", "text, text, varchar(2)", "split ;", kTexts},
    {"text", "uuid", "cast uuid", {"6b1bb6a8-7bd2-4a47-b51a-d1c48b5f0f3c", "x"}},
    {"uuid", "text", "", {"6b1bb6a8-7bd2-4a47-b51a-d1c48b5f0f3c"}},
    {"date", "timestamp", "cast timestamp", {"2026-11-21", "infinity", "4713-01-01 BC"}},
    {"timestamp", "date", "cast date", kMoments},
    {"timestamp", "timestamp(0)", "cast timestamp(0)", kMoments},
    {"timestamptz", "text", "", {"2026-11-21 06:00:00.5+00", "-infinity"}},
    {"float4", "float8", "", {"0.1", "-0", "NaN", "1e30"}},
    {"float8", "float4", "cast real", {"0.1", "1.5", "Infinity"}},
    {"bool", "text", "", {"t", "f"}},
    {"bytea", "text", "", {"\\x00ff", "\\x"}},
    {"jsonb", "json", "", kDocuments},
    {"json", "jsonb", "cast jsonb", kDocuments},
    {"jsonb", "text", "", kDocuments},
    {"jsonb", "text", "rename <- ?::jsonb", kDocuments},
    {"jsonb", "text", "json a.b", kDocuments},
    {"jsonb", "text", "json a.b <- jsonb_build_object('a', ?)", kDocuments},
    {"int8", "int8", "sql ? + 1", kIntegers},
    {"int8", "int8", "sql ? + 1 <- ? - 1", kIntegers},
    {"text", "text", "concat", kTexts},
    {"text", "", "drop", kTexts},
    {"text", "", "drop <- ''", kTexts},
    {"int8", "int8", "", kIntegers},
};

std::string with_name(std::string_view text, const std::string& name) {
  std::string out;
  for (char c : text) c == '?' ? out += name : out += c;
  return out;
}

// A case of these kinds, in a random order of columns on the new side.
struct Drawn {
  Case test;
  std::vector<const Kind*> kinds;  // of the legacy columns behind the key

  Drawn(std::vector<const Kind*> drawn, Random& random) : kinds(std::move(drawn)) {
    Lines legacy = {"id int8 key"}, fresh = {"id int8 key"}, rules;
    for (std::size_t i = 0; i < kinds.size(); ++i) {
      const auto& kind = *kinds[i];
      auto name = fmt::format("v{}", i);
      legacy.push_back(fmt::format("{} {}", name, kind.legacy));
      bool renames = !kind.rule.empty() && random.below(2) == 0;
      auto first = renames ? fmt::format("w{}", i) : name;
      Lines written;
      if (!kind.new_side.empty())
        for (const auto& type : mapping_case::cut(kind.new_side, ", ")) {
          written.push_back(written.empty() ? first : fmt::format("{}_{}", first, written.size()));
          fresh.push_back(fmt::format("{} {}", written.back(), type));
        }
      if (kind.rule.empty()) continue;
      auto halves = mapping_case::cut(kind.rule, " <- ");
      auto rule = with_name(halves[0], name);
      if (halves.size() > 1) rule += " <- " + with_name(halves[1], first);
      if (rule.starts_with("drop")) rule.insert(4, " \"unused\"");
      rules.push_back(fmt::format("rule {} -> {} : {}", name, fmt::join(written, " "), rule));
    }
    for (auto i = fresh.size(); i > 1; --i) std::swap(fresh[i - 1], fresh[random.below(i)]);
    test.read(fmt::format("legacy {}", fmt::join(legacy, ", ")));
    test.read(fmt::format("new {}", fmt::join(fresh, ", ")));
    for (const auto& rule : rules) test.read(rule);
    for (auto& rule : test.spec.columns)
      if (rule.op == ColumnOp::drop) rule.new_side.clear();
  }

  std::string title() const {
    return fmt::format("{} | {} | {}", test.legacy_columns, test.new_columns,
                       kinds.empty() ? "" : kinds.front()->rule);
  }

  // A row in the layout of `mapping`, or nothing if a drawn text is no value of its type.
  std::optional<std::string> row(const TableMapping& mapping, Random& random) const {
    TupleBuilder builder;
    builder.begin(static_cast<std::uint16_t>(mapping.source_columns.size()));
    for (std::size_t i = 0; i < test.legacy.columns.size(); ++i) {
      const auto& column = test.legacy.columns[i];
      if (std::ranges::count(mapping.source_columns, column.name) == 0) continue;
      auto chance = i == 0 ? 100 : random.below(16);
      if (chance == 0) {
        builder.add_null();
      } else if (chance == 1) {
        builder.add_unsent();
      } else {
        auto text = i == 0 ? "4711" : kinds[i - 1]->values[random.below(kinds[i - 1]->values.size())];
        auto value = text_to_binary(column.type, text);
        if (!value) return std::nullopt;
        builder.add_value(*value);
      }
    }
    return builder.take();
  }
};

struct Both {
  std::optional<TableMapping> forward, inverse;
};

Both compile(const Case& test) {
  Both both;
  auto forward = compile_mapping(test.entity, test.spec, test.legacy, test.new_side);
  for (const auto& problem : forward.problems) ADD_FAILURE() << problem.sentence;
  both.forward = std::move(forward.mapping);
  if (!both.forward) return both;
  auto inverse = compile_inverse(test.entity, test.spec, test.legacy, test.new_side, *both.forward);
  for (const auto& problem : inverse.problems) ADD_FAILURE() << problem.sentence;
  both.inverse = std::move(inverse.mapping);
  return both;
}

std::vector<const Kind*> some_kinds(Random& random) {
  std::vector<const Kind*> kinds;
  for (auto count = 1 + random.below(6); count > 0; --count)
    kinds.push_back(&kKinds[random.below(kKinds.size())]);
  return kinds;
}

bool is_written(const TableMapping& mapping, std::string_view column) {
  return std::ranges::find(mapping.target.columns, column, &TargetTable::Column::name) !=
         mapping.target.columns.end();
}

// ---- the report and the inverse ----

void expect_that_the_report_is_right(const Drawn& drawn) {
  auto [forward, inverse] = compile(drawn.test);
  ASSERT_TRUE(forward && inverse) << drawn.title();
  for (const auto& line : forward->report) {
    if (line.legacy.empty()) continue;
    bool has_way_back = line.loss == Loss::none || line.loss == Loss::forward;
    auto columns = mapping_case::cut(line.legacy, ", ");
    bool comes_back =
        std::ranges::all_of(columns, [&](const auto& column) { return is_written(*inverse, column); });
    EXPECT_EQ(has_way_back, comes_back) << line.legacy << " of " << drawn.title();
  }
}

TEST(Inverse, WritesALegacyColumnIfAndOnlyIfTheReportSaysThatItHasAWayBack) {
  Random random(4711);
  for (const auto& kind : kKinds) expect_that_the_report_is_right(Drawn({&kind}, random));
  for (int i = 0; i < 300; ++i) expect_that_the_report_is_right(Drawn(some_kinds(random), random));
}

TEST(Inverse, HasAWayBackForMostKindsButNotForAll) {
  Random random(4711);
  int with = 0, without = 0;
  for (const auto& kind : kKinds) {
    auto [forward, inverse] = compile(Drawn({&kind}, random).test);
    ++(is_written(*inverse, "v0") ? with : without);
  }
  EXPECT_EQ(without, 9);
  EXPECT_GT(with, 30);
}

// ---- there and back ----

bool same_value(const Type& type, const Field& a, const Field& b) {
  if (a.kind != b.kind || a.kind != Field::Kind::value) return a.kind == b.kind;
  if (is_exact_number(type)) {
    auto x = decode_decimal(type, a.bytes), y = decode_decimal(type, b.bytes);
    return x && y && x->compare(*y) == 0;
  }
  return has_text_codec(type) ? *binary_to_text(type, a.bytes) == *binary_to_text(type, b.bytes)
                              : a.bytes == b.bytes;
}

// Columns whose values are all there on the new side, and are computed by us and not by a database.
std::set<std::string> columns_to_compare(const TableMapping& forward, const TableMapping& inverse) {
  std::set<std::string> columns;
  for (const auto& line : forward.report)
    if (line.loss == Loss::none) columns.insert(line.legacy);
  for (const auto& column : inverse.target.columns)
    if (!column.sql.empty()) columns.erase(column.name);
  return columns;
}

int compare_rows_there_and_back(const Drawn& drawn, Random& random) {
  auto [forward, inverse] = compile(drawn.test);
  if (!forward || !inverse) return 0;
  RowMapper there(*forward), back(*inverse);
  auto compared = columns_to_compare(*forward, *inverse);
  int count = 0;
  for (int i = 0; i < 40; ++i) {
    std::string written, returned;
    auto row = drawn.row(*forward, random);
    if (!row || !there.map(*row, written)) continue;
    auto mapped = back.map(logged_by_new_side(*forward, written, *inverse), returned);
    EXPECT_TRUE(mapped) << drawn.title() << ": " << mapped.error().detail;
    if (!mapped) continue;
    for (std::size_t from = 0; from < forward->source_columns.size(); ++from) {
      const auto& name = forward->source_columns[from];
      if (!compared.contains(name)) continue;
      EXPECT_TRUE(is_written(*inverse, name)) << name << " of " << drawn.title();
      if (!is_written(*inverse, name)) continue;
      auto to = std::ranges::find(inverse->target.columns, name, &TargetTable::Column::name) -
                inverse->target.columns.begin();
      EXPECT_TRUE(same_value(drawn.test.legacy.find_column(name)->type,
                             field_at(*row, static_cast<std::uint16_t>(from)),
                             field_at(returned, static_cast<std::uint16_t>(to))))
          << name << " of " << drawn.title();
      ++count;
    }
  }
  return count;
}

TEST(Inverse, BringsBackEachValueThatLosesNothing) {
  Random random(4712);
  int compared = 0;
  for (const auto& kind : kKinds) compared += compare_rows_there_and_back(Drawn({&kind}, random), random);
  for (int i = 0; i < 300; ++i)
    compared += compare_rows_there_and_back(Drawn(some_kinds(random), random), random);
  EXPECT_GT(compared, 10'000);
}

Lines names_of(const std::vector<KeyColumn>& key) {
  Lines names;
  for (const auto& column : key) names.push_back(column.name);
  return names;
}

TEST(Inverse, FindsTheSameRowsInBothDirections) {
  Random random(4713);
  for (int i = 0; i < 50; ++i) {
    auto [forward, inverse] = compile(Drawn(some_kinds(random), random).test);
    ASSERT_TRUE(forward && inverse);
    EXPECT_EQ(names_of(inverse->source_key), names_of(forward->target_key));
    EXPECT_EQ(names_of(inverse->target_key), names_of(forward->source_key));
  }
}

// ---- what one table cannot show ----

TEST(Inverse, BringsNoRowsOfSeveralNewTablesBackIntoOne) {
  Case test;
  test.read("legacy id int8 key, a int8");
  test.read("new id int8 key, a int8");
  test.spec.mark = {7, 5};
  test.spec.legacy = test.legacy.name;
  test.spec.new_side = test.new_side.name;
  test.entity.tables = {test.spec, test.spec};
  test.entity.tables[1].new_side = {"app", "other"};
  auto forward = compile_mapping(test.entity, test.spec, test.legacy, test.new_side);
  auto inverse = compile_inverse(test.entity, test.spec, test.legacy, test.new_side, *forward.mapping);
  EXPECT_FALSE(inverse.mapping);
  ASSERT_EQ(inverse.problems.size(), 1u);
  EXPECT_EQ(inverse.problems[0].mark.line, 7);
  EXPECT_THAT(inverse.problems[0].sentence, AllOf(HasSubstr("public.old becomes app.new and app.other"),
                                                  HasSubstr("cannot be brought back into one legacy table")));
}

}  // namespace
}  // namespace oxbow
