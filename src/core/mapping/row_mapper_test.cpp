#include "core/mapping/row_mapper.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.hpp"
#include "model/tuple.hpp"

namespace oxbow {
namespace {

using testing::HasSubstr;

Type type_named(std::string name, std::int32_t modifier = -1) {
  return {.modifier = modifier, .schema = "pg_catalog", .name = name, .sql = name};
}

std::string int8_bytes(std::int64_t value) {
  std::string bytes;
  append_big_endian(bytes, value);
  return bytes;
}

std::string tuple_of(std::vector<Field> fields) {
  return make_tuple_bytes(fields);
}

// Tables old(id, a, b) and new(id, both = a || '-' || b, n = a as int8).
struct Joined {
  EntitySpec entity{.name = "thing", .key = "id", .cohorts = {{.name = "all", .rest = true}}};
  TableSpec spec;
  Table legacy{.name = {"public", "old"}};
  Table new_side{.name = {"public", "new"}};

  Joined() {
    legacy.columns = {{.name = "a", .type = type_named("text")},
                      {.name = "id", .type = type_named("int8"), .nullable = false},
                      {.name = "b", .type = type_named("text")}};
    legacy.indexes = {{.name = "old_pkey", .columns = {"id"}, .unique = true, .primary = true}};
    new_side.columns = {{.name = "id", .type = type_named("int8"), .nullable = false},
                        {.name = "both", .type = type_named("text")},
                        {.name = "n", .type = type_named("int8")}};
    new_side.indexes = {{.name = "new_pkey", .columns = {"id"}, .unique = true, .primary = true}};
    spec.columns = {{.op = ColumnOp::concat, .legacy = {"a", "b"}, .new_side = {"both"}, .argument = "-"},
                    {.op = ColumnOp::cast, .legacy = {"a"}, .new_side = {"n"}, .argument = "bigint"}};
  }

  TableMapping compile() const {
    auto compiled = compile_mapping(entity, spec, legacy, new_side);
    for (const auto& problem : compiled.problems) ADD_FAILURE() << problem.sentence;
    return std::move(compiled.mapping).value();
  }
};

TEST(RowMapper, AppendsBehindWhatIsThere) {
  auto mapping = Joined().compile();
  RowMapper mapper(mapping);
  std::string out = "before";
  ASSERT_TRUE(
      mapper.map(tuple_of({Field::value("42"), Field::value(int8_bytes(1)), Field::value("x")}), out));
  EXPECT_EQ(out, "before" + tuple_of({Field::value(int8_bytes(1)), Field::value("42-x"),
                                      Field::value(int8_bytes(42))}));
}

TEST(RowMapper, LeavesNothingBehindWhenARowIsRejected) {
  auto mapping = Joined().compile();
  RowMapper mapper(mapping);
  std::string out = "before";
  auto status =
      mapper.map(tuple_of({Field::value("no number"), Field::value(int8_bytes(1)), Field::value("x")}), out);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::row_rejected);
  EXPECT_THAT(status.error().detail, HasSubstr("n of public.new: 'no number' is not a number"));
  EXPECT_EQ(out, "before");
}

TEST(RowMapper, ShortensLongValuesBetweenCharacters) {
  auto mapping = Joined().compile();
  RowMapper mapper(mapping);
  std::string out, value = "x";
  for (int i = 0; i < 100; ++i) value += "ü";
  auto status = mapper.map(tuple_of({Field::value(value), Field::value(int8_bytes(1)), Field::null()}), out);
  ASSERT_FALSE(status);
  EXPECT_THAT(status.error().detail, HasSubstr("ü...' (201 bytes)"));
}

TEST(RowMapper, TargetFieldIsUnsentIfOneOfItsSourcesIs) {
  auto mapping = Joined().compile();
  RowMapper mapper(mapping);
  std::string out;
  ASSERT_TRUE(mapper.map(tuple_of({Field::value("42"), Field::value(int8_bytes(1)), Field::unsent()}), out));
  EXPECT_EQ(out, tuple_of({Field::value(int8_bytes(1)), Field::unsent(), Field::value(int8_bytes(42))}));
}

TEST(RowMapper, KeyNeedsNothingButTheKey) {
  auto mapping = Joined().compile();
  RowMapper mapper(mapping);
  std::string out;
  ASSERT_TRUE(mapper.map_key(tuple_of({Field::null(), Field::value(int8_bytes(7)), Field::unsent()}), out));
  EXPECT_EQ(out, tuple_of({Field::value(int8_bytes(7))}));
}

TEST(RowMapper, KeyOfAFullRowIsTheRow) {
  Joined tables;
  tables.spec.identity_is_full_row = true;
  auto mapping = tables.compile();
  RowMapper mapper(mapping);
  auto source = tuple_of({Field::value("42"), Field::value(int8_bytes(1)), Field::value("x")});
  std::string row, key;
  ASSERT_TRUE(mapper.map(source, row));
  ASSERT_TRUE(mapper.map_key(source, key));
  EXPECT_EQ(row, key);
}

TEST(RowMapper, RefusesARowOfAnotherShape) {
  auto mapping = Joined().compile();
  RowMapper mapper(mapping);
  std::string out;
  for (const auto& source : {std::string(), std::string("\0", 1), tuple_of({Field::null()}),
                             tuple_of({Field::value("1"), Field::null(), Field::null()}).substr(0, 12)}) {
    auto status = mapper.map(source, out);
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code, ErrorCode::malformed);
  }
  EXPECT_EQ(out, "");
}

// Every conversion between two of these types, with any bytes: the answer is an image or an error, never a
// crash, and an error leaves the output as it was.
TEST(Conversion, TakesArbitraryBytes) {
  Type mood{.oid = 1,
            .schema = "public",
            .name = "mood",
            .sql = "mood",
            .kind = TypeKind::enumeration,
            .labels = {"sad", "ok"}};
  std::vector<Type> types = {mood};
  for (const auto* name : {"int2", "int4", "int8", "numeric", "float4", "float8", "text", "name", "bpchar",
                           "bool", "uuid", "date", "timestamp", "timestamptz", "bytea", "json", "jsonb"})
    types.push_back(type_named(name));
  types.push_back(type_named("numeric", (6 << 16 | 2) + 4));
  types.push_back(type_named("varchar", 3 + 4));
  types.push_back(type_named("bpchar", 3 + 4));
  types.push_back(type_named("timestamp", 0));
  for (auto own : {1u, 2u}) {
    Type array{
        .oid = own + 10, .schema = "public", .name = "_mood", .sql = "mood[]", .kind = TypeKind::array};
    array.inner.push_back(mood);
    array.inner.front().oid = own;
    types.push_back(array);
  }

  Random random(4711);
  int planned = 0, converted = 0, refused = 0;
  for (const auto& from : types) {
    for (const auto& to : types) {
      auto conversion = plan_conversion(from, to);
      if (!conversion) continue;
      ++planned;
      for (int i = 0; i < 200; ++i) {
        std::string value(random.below(24), '\0');
        for (auto& c : value) c = static_cast<char>(i % 2 == 0 ? random.below(256) : '-' + random.below(14));
        std::string out = "before";
        auto status = convert(*conversion, value, out);
        ++(status ? converted : refused);
        ASSERT_TRUE(out.starts_with("before"));
        if (!status) ASSERT_EQ(out, "before") << from.sql << " to " << to.sql;
      }
    }
  }
  EXPECT_GT(planned, 80);
  EXPECT_GT(converted, 0);
  EXPECT_GT(refused, 0);
}

}  // namespace
}  // namespace oxbow
