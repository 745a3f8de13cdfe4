#include "core/value/pg_values.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <vector>

#include "model/tuple.hpp"

namespace oxbow {
namespace {

Type builtin(std::string_view name, std::int32_t modifier = -1) {
  return {.modifier = modifier, .schema = "pg_catalog", .name = std::string(name), .sql = std::string(name)};
}

Type domain_over(Type inner) {
  Type domain{.schema = "public", .name = "amount", .sql = "amount", .kind = TypeKind::domain};
  domain.inner.push_back(std::move(inner));
  return domain;
}

std::string hex(std::string_view binary) {
  std::string text;
  for (char c : binary) text += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return text;
}

std::string unhex(std::string_view text) {
  std::string binary;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2)
    binary += static_cast<char>(std::stoi(std::string(text.substr(i, 2)), nullptr, 16));
  return binary;
}

std::string unescape(std::string_view field) {
  std::string text;
  for (std::size_t i = 0; i < field.size(); ++i) {
    if (field[i] != '\\') {
      text += field[i];
      continue;
    }
    char c = field[++i];
    text += c == 't' ? '\t' : c == 'n' ? '\n' : c == 'r' ? '\r' : c;
  }
  return text;
}

// One answer of a server; see tools/make_value_vectors.py.
struct Vector {
  std::string verdict;
  Type type;
  std::string input;
  std::string text;
  std::string binary;
};

std::vector<Vector> read_vectors() {
  std::ifstream file(OXBOW_SOURCE_DIR "/test/golden/pg_values.txt");
  std::vector<Vector> vectors;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with('#')) continue;
    std::vector<std::string> fields;
    std::istringstream stream(line + '\t');
    for (std::string field; std::getline(stream, field, '\t');) fields.push_back(unescape(field));
    vectors.push_back({fields.at(0), builtin(fields.at(1), std::stoi(fields.at(2))), fields.at(3),
                       fields.at(4), unhex(fields.at(5))});
  }
  return vectors;
}

TEST(PgValues, AgreeWithWhatAServerSays) {
  auto vectors = read_vectors();
  ASSERT_GT(vectors.size(), 800u);
  for (const auto& [verdict, type, input, text, binary] : vectors) {
    SCOPED_TRACE(fmt::format("{} {} '{}'", type.name, type.modifier, input));
    auto encoded = text_to_binary(type, input);
    if (verdict == "value") {
      ASSERT_TRUE(encoded) << to_string(encoded.error());
      EXPECT_EQ(hex(*encoded), hex(binary));
    } else {
      ASSERT_FALSE(encoded);
      EXPECT_EQ(encoded.error().code, ErrorCode::row_rejected);
    }
    if (verdict != "rejected") {
      EXPECT_EQ(binary_to_text(type, binary), text);
    }
  }
}

TEST(PgValues, LookThroughDomains) {
  auto type = domain_over(domain_over(builtin("numeric", 4 + (10 << 16) + 2)));
  EXPECT_EQ(binary_to_text(type, text_to_binary(type, "1.5").value()), "1.50");
  EXPECT_FALSE(text_to_binary(type, "1.505"));
}

TEST(PgValues, TakeOnlyLabelsOfAnEnumeration) {
  Type mood{.schema = "app",
            .name = "mood",
            .sql = "app.mood",
            .kind = TypeKind::enumeration,
            .labels = {"ok", "bad"}};
  EXPECT_EQ(text_to_binary(mood, "ok"), "ok");
  EXPECT_EQ(binary_to_text(mood, "bad"), "bad");
  EXPECT_EQ(text_to_binary(mood, "OK").error(),
            (Error{ErrorCode::row_rejected, "'OK' is not a value of type app.mood"}));
}

TEST(PgValues, KnowCitextInAnySchema) {
  Type citext{.schema = "public", .name = "citext", .sql = "citext"};
  EXPECT_EQ(binary_to_text(citext, "MiXed"), "MiXed");
}

TEST(PgValues, RefuseTypesByName) {
  auto interval = builtin("interval");
  EXPECT_FALSE(has_text_codec(interval));
  EXPECT_EQ(binary_to_text(interval, "").error(),
            (Error{ErrorCode::unsupported,
                   "values of type interval cannot be computed with; carry the column as it is"}));
  Type impostor{.schema = "app", .name = "int8", .sql = "app.int8"};
  EXPECT_FALSE(has_text_codec(impostor));
  Type array{.schema = "pg_catalog",
             .name = "_int8",
             .sql = "bigint[]",
             .kind = TypeKind::array,
             .inner = {builtin("int8")}};
  EXPECT_FALSE(has_text_codec(array));
}

// A server takes these too, but what they mean depends on its settings or on today.
TEST(PgValues, RefuseTimesThatAreNotInIsoForm) {
  for (auto text :
       {"today", "January 8, 1999", "1/8/1999", "99-01-08", "20000101", "2000-1-8", "2000-01-08 24:00:00",
        "2000-01-08 23:59:60", "2000-01-08 04:05:06.1234567", "2000-01-08 04:05 PM", "epoch"}) {
    EXPECT_EQ(text_to_binary(builtin("timestamptz"), text).error().code, ErrorCode::row_rejected) << text;
    EXPECT_EQ(text_to_binary(builtin("date"), text).error().code, ErrorCode::row_rejected) << text;
  }
}

// The server would ignore the zone, or the time of day, and so hold another value than was written.
TEST(PgValues, RefuseAPartThatTheTypeWouldDrop) {
  EXPECT_FALSE(text_to_binary(builtin("timestamp"), "2000-01-08 04:05:06+01"));
  EXPECT_FALSE(text_to_binary(builtin("date"), "2000-01-08 04:05:06"));
}

TEST(PgValues, RefuseAZeroByteInAText) {
  EXPECT_EQ(text_to_binary(builtin("text"), std::string_view("a\0b", 3)).error().code,
            ErrorCode::row_rejected);
}

TEST(PgValues, RefuseBytesOfTheWrongLength) {
  for (auto name : {"bool", "int2", "int4", "int8", "float4", "float8", "numeric", "date", "timestamp",
                    "timestamptz", "uuid", "jsonb"}) {
    EXPECT_EQ(binary_to_text(builtin(name), "").error().code, ErrorCode::malformed) << name;
  }
  EXPECT_EQ(binary_to_text(builtin("int4"), "12345678").error().detail,
            "a value of type int4 has 8 bytes, not 4");
  EXPECT_EQ(decode_integer("123").error().code, ErrorCode::malformed);
}

TEST(PgValues, RefuseCountsOutsideOfTheCalendar) {
  std::string date, timestamp;
  append_big_endian<std::int32_t>(date, 2'145'031'949);
  append_big_endian<std::int64_t>(timestamp, 9'223'371'331'200'000'000);
  EXPECT_EQ(binary_to_text(builtin("date"), date).error().code, ErrorCode::malformed);
  EXPECT_EQ(binary_to_text(builtin("timestamp"), timestamp).error().code, ErrorCode::malformed);
}

TEST(PgValues, ComputeWithEveryExactNumber) {
  for (auto name : {"int2", "int4", "int8", "numeric"}) {
    auto type = builtin(name);
    EXPECT_TRUE(is_exact_number(type));
    auto value = decode_decimal(type, text_to_binary(type, "-25").value());
    EXPECT_EQ(value, Decimal::of(-25)) << name;
    EXPECT_EQ(binary_to_text(type, encode_decimal(type, *value).value()), "-25") << name;
  }
  EXPECT_FALSE(is_exact_number(builtin("float8")));
  EXPECT_EQ(decode_decimal(builtin("float8"), "12345678").error().code, ErrorCode::unsupported);
}

TEST(PgValues, RefuseNumbersThatDoNotFit) {
  EXPECT_EQ(encode_decimal(builtin("int2"), Decimal::of(32768)).error(),
            (Error{ErrorCode::row_rejected, "32768 does not fit in int2"}));
  EXPECT_FALSE(encode_decimal(builtin("int8"), Decimal::parse("0.5").value()));
  EXPECT_FALSE(encode_decimal(builtin("int8"), Decimal::nan()));
  EXPECT_EQ(encode_decimal(builtin("numeric", 4 + (4 << 16) + 2), Decimal::of(100)).error(),
            (Error{ErrorCode::row_rejected, "100 does not fit in numeric(4,2)"}));
}

}  // namespace
}  // namespace oxbow
