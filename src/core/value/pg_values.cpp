#include "core/value/pg_values.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <limits>
#include <optional>
#include <utility>

#include "core/value/byte_text.hpp"
#include "core/value/float_text.hpp"
#include "core/value/iso_time.hpp"
#include "core/value/numeric_format.hpp"
#include "core/value/scan.hpp"
#include "model/tuple.hpp"

namespace oxbow {
namespace {

enum class Codec {
  boolean,
  int2,
  int4,
  int8,
  float4,
  float8,
  numeric,
  date,
  timestamp,
  timestamptz,
  uuid,
  bytea,
  json,
  jsonb,
  text,
  varchar,
  bpchar,
  name,
  enumeration,
};

constexpr std::array kBuiltins = {
    std::pair{std::string_view("int8"), Codec::int8},
    std::pair{std::string_view("int4"), Codec::int4},
    std::pair{std::string_view("numeric"), Codec::numeric},
    std::pair{std::string_view("text"), Codec::text},
    std::pair{std::string_view("varchar"), Codec::varchar},
    std::pair{std::string_view("bpchar"), Codec::bpchar},
    std::pair{std::string_view("uuid"), Codec::uuid},
    std::pair{std::string_view("bool"), Codec::boolean},
    std::pair{std::string_view("int2"), Codec::int2},
    std::pair{std::string_view("date"), Codec::date},
    std::pair{std::string_view("timestamp"), Codec::timestamp},
    std::pair{std::string_view("timestamptz"), Codec::timestamptz},
    std::pair{std::string_view("float4"), Codec::float4},
    std::pair{std::string_view("float8"), Codec::float8},
    std::pair{std::string_view("json"), Codec::json},
    std::pair{std::string_view("jsonb"), Codec::jsonb},
    std::pair{std::string_view("bytea"), Codec::bytea},
    std::pair{std::string_view("name"), Codec::name},
};

constexpr char kJsonbVersion = 1;
constexpr std::size_t kNameBytesMax = 63;
constexpr std::int32_t kLengthModifierOffset = 4;

std::optional<Codec> codec_of(const Type& base) {
  if (base.kind == TypeKind::enumeration) return Codec::enumeration;
  if (base.kind != TypeKind::base) return std::nullopt;
  if (base.name == "citext") return Codec::text;
  if (!base.is_builtin()) return std::nullopt;
  for (const auto& [name, codec] : kBuiltins)
    if (name == base.name) return codec;
  return std::nullopt;
}

Result<Codec> known_codec(const Type& base) {
  if (auto codec = codec_of(base)) return *codec;
  return Err(ErrorCode::unsupported, "values of type {} cannot be computed with; carry the column as it is",
             base.sql);
}

std::unexpected<Error> refuse(const Type& type, std::string_view text) {
  return Err(ErrorCode::row_rejected, "'{}' is not a value of type {}", text.substr(0, 60), type.sql);
}

Status expect_size(std::string_view binary, std::size_t size, const Type& type) {
  if (binary.size() == size) return {};
  return Err(ErrorCode::malformed, "a value of type {} has {} bytes, not {}", type.sql, binary.size(), size);
}

template <class T>
std::string big_endian(T value) {
  std::string out;
  append_big_endian(out, value);
  return out;
}

// Integers

bool fits(Codec codec, std::int64_t value) {
  auto in = [&]<class T>(T) { return std::in_range<T>(value); };
  if (codec == Codec::int2) return in(std::int16_t{});
  if (codec == Codec::int4) return in(std::int32_t{});
  return true;
}

std::size_t integer_size(Codec codec) {
  return codec == Codec::int2 ? 2 : codec == Codec::int4 ? 4 : 8;
}

Result<std::string> encode_integer(Codec codec, const Type& type, std::int64_t value) {
  if (!fits(codec, value)) return Err(ErrorCode::row_rejected, "{} does not fit in {}", value, type.sql);
  if (codec == Codec::int2) return big_endian(static_cast<std::int16_t>(value));
  if (codec == Codec::int4) return big_endian(static_cast<std::int32_t>(value));
  return big_endian(value);
}

Result<std::string> integer_to_binary(Codec codec, const Type& type, std::string_view text) {
  auto digits = trim_blanks(text);
  if (digits.size() > 1 && digits.front() == '+' && is_digit(digits[1])) digits.remove_prefix(1);
  std::int64_t value = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size()) return refuse(type, text);
  return encode_integer(codec, type, value);
}

Result<std::string> numeric_to_binary(const Type& type, const Decimal& value) {
  return encode_numeric(TRY(fit_numeric(value, type.modifier)));
}

// Booleans: any unambiguous beginning of a word, as the server takes them.

Result<std::string> boolean_to_binary(const Type& type, std::string_view text) {
  struct Word {
    std::string_view word;
    std::size_t shortest;
    char value;
  };
  static constexpr Word kWords[] = {{"true", 1, 1}, {"false", 1, 0}, {"yes", 1, 1}, {"no", 1, 0},
                                    {"on", 2, 1},   {"off", 2, 0},   {"1", 1, 1},   {"0", 1, 0}};
  auto trimmed = trim_blanks(text);
  for (const auto& [word, shortest, value] : kWords) {
    if (trimmed.size() >= shortest && trimmed.size() <= word.size() &&
        equals_ignoring_case(trimmed, word.substr(0, trimmed.size()))) {
      return std::string(1, value);
    }
  }
  return refuse(type, text);
}

Result<std::string> boolean_text(const Type& type, std::string_view binary) {
  TRY(expect_size(binary, 1, type));
  return binary.front() != 0 ? "true" : "false";
}

// Floating point

template <class Float, class Bits>
Result<std::string> float_to_binary(const Type& type, std::string_view text) {
  auto value = parse_float<Float>(text);
  if (!value) return refuse(type, text);
  return big_endian(std::bit_cast<Bits>(*value));
}

template <class Float, class Bits>
Result<std::string> binary_to_float_text(const Type& type, std::string_view binary) {
  TRY(expect_size(binary, sizeof(Bits), type));
  return float_text(std::bit_cast<Float>(read_big_endian<Bits>(binary.data())));
}

// Byte strings

Result<std::string> uuid_to_text(const Type& type, std::string_view binary) {
  TRY(expect_size(binary, kUuidBytes, type));
  return uuid_text(binary);
}

Result<std::string> bytes_or_refusal(const Type& type, std::string_view text,
                                     std::optional<std::string> bytes) {
  if (!bytes) return refuse(type, text);
  return *std::move(bytes);
}

// Character strings

std::size_t character_count(std::string_view utf8) {
  return static_cast<std::size_t>(std::ranges::count_if(utf8, [](char c) { return (c & 0xC0) != 0x80; }));
}

std::optional<std::size_t> length_limit(const Type& type) {
  if (type.modifier < kLengthModifierOffset) return std::nullopt;
  return static_cast<std::size_t>(type.modifier - kLengthModifierOffset);
}

std::string_view without_trailing_spaces(std::string_view text) {
  return text.substr(0, text.find_last_not_of(' ') + 1);
}

Result<std::string> varchar_to_binary(const Type& type, std::string_view text) {
  auto limit = length_limit(type);
  if (limit && character_count(text) > *limit)
    return Err(ErrorCode::row_rejected, "'{}' is too long for {}", text.substr(0, 60), type.sql);
  return std::string(text);
}

// The blanks at the end of a bpchar mean nothing; the server stores as many as fill the column.
Result<std::string> bpchar_to_binary(const Type& type, std::string_view text) {
  auto limit = length_limit(type);
  if (!limit) return std::string(text);
  auto length = character_count(text);
  if (length <= *limit) return std::string(text).append(*limit - length, ' ');
  auto meaning = without_trailing_spaces(text);
  length = character_count(meaning);
  if (length > *limit)
    return Err(ErrorCode::row_rejected, "'{}' is too long for {}", text.substr(0, 60), type.sql);
  return std::string(meaning).append(*limit - length, ' ');
}

Result<std::string> enumeration_to_binary(const Type& type, std::string_view text) {
  if (std::ranges::find(type.labels, text) == type.labels.end()) return refuse(type, text);
  return std::string(text);
}

Result<std::string> jsonb_text(const Type& type, std::string_view binary) {
  if (binary.empty() || binary.front() != kJsonbVersion)
    return Err(ErrorCode::malformed, "a value of type {} does not begin with version 1", type.sql);
  return std::string(binary.substr(1));
}

int time_precision(const Type& type) {
  return type.modifier < 0 ? kTimestampPrecisionMax : type.modifier;
}

Result<std::string> integer_text(Codec codec, const Type& type, std::string_view binary) {
  TRY(expect_size(binary, integer_size(codec), type));
  return std::to_string(TRY(decode_integer(binary)));
}

template <class Count>
Result<Count> read_count(const Type& type, std::string_view binary) {
  TRY(expect_size(binary, sizeof(Count), type));
  return read_big_endian<Count>(binary.data());
}

}  // namespace

bool has_text_codec(const Type& type) {
  return codec_of(base_type(type)).has_value();
}

bool is_exact_number(const Type& type) {
  auto codec = codec_of(base_type(type));
  return codec == Codec::numeric || codec == Codec::int2 || codec == Codec::int4 || codec == Codec::int8;
}

Result<std::string> binary_to_text(const Type& domain, std::string_view binary) {
  const auto& type = base_type(domain);
  auto codec = TRY(known_codec(type));
  switch (codec) {
    case Codec::boolean:
      return boolean_text(type, binary);
    case Codec::int2:
    case Codec::int4:
    case Codec::int8:
      return integer_text(codec, type, binary);
    case Codec::float4:
      return binary_to_float_text<float, std::uint32_t>(type, binary);
    case Codec::float8:
      return binary_to_float_text<double, std::uint64_t>(type, binary);
    case Codec::numeric:
      return to_string(TRY(decode_numeric(binary)));
    case Codec::date:
      return date_text(TRY(read_count<std::int32_t>(type, binary)));
    case Codec::timestamp:
      return timestamp_text(TRY(read_count<std::int64_t>(type, binary)), false);
    case Codec::timestamptz:
      return timestamp_text(TRY(read_count<std::int64_t>(type, binary)), true);
    case Codec::uuid:
      return uuid_to_text(type, binary);
    case Codec::bytea:
      return bytea_text(binary);
    case Codec::jsonb:
      return jsonb_text(type, binary);
    case Codec::bpchar:
      return std::string(without_trailing_spaces(binary));
    case Codec::json:
    case Codec::text:
    case Codec::varchar:
    case Codec::name:
    case Codec::enumeration:
      return std::string(binary);
  }
  std::unreachable();
}

Result<std::string> text_to_binary(const Type& domain, std::string_view text) {
  const auto& type = base_type(domain);
  auto codec = TRY(known_codec(type));
  if (text.find('\0') != std::string_view::npos)
    return Err(ErrorCode::row_rejected, "a text for type {} holds a zero byte", type.sql);
  switch (codec) {
    case Codec::boolean:
      return boolean_to_binary(type, text);
    case Codec::int2:
    case Codec::int4:
    case Codec::int8:
      return integer_to_binary(codec, type, text);
    case Codec::float4:
      return float_to_binary<float, std::uint32_t>(type, text);
    case Codec::float8:
      return float_to_binary<double, std::uint64_t>(type, text);
    case Codec::numeric:
      return numeric_to_binary(type, TRY(Decimal::parse(text)));
    case Codec::date:
      return big_endian(TRY(parse_date(text)));
    case Codec::timestamp:
      return big_endian(TRY(parse_timestamp(text, false, time_precision(type))));
    case Codec::timestamptz:
      return big_endian(TRY(parse_timestamp(text, true, time_precision(type))));
    case Codec::uuid:
      return bytes_or_refusal(type, text, parse_uuid(text));
    case Codec::bytea:
      return bytes_or_refusal(type, text, parse_bytea(text));
    case Codec::jsonb:
      return std::string(1, kJsonbVersion).append(text);
    case Codec::bpchar:
      return bpchar_to_binary(type, text);
    case Codec::varchar:
      return varchar_to_binary(type, text);
    case Codec::name:
      if (text.size() > kNameBytesMax) return refuse(type, text);
      return std::string(text);
    case Codec::json:
    case Codec::text:
      return std::string(text);
    case Codec::enumeration:
      return enumeration_to_binary(type, text);
  }
  std::unreachable();
}

Result<Decimal> decode_decimal(const Type& domain, std::string_view binary) {
  const auto& type = base_type(domain);
  if (!is_exact_number(type)) return Err(ErrorCode::unsupported, "type {} is not an exact number", type.sql);
  auto codec = TRY(known_codec(type));
  if (codec == Codec::numeric) return decode_numeric(binary);
  TRY(expect_size(binary, integer_size(codec), type));
  return Decimal::of(TRY(decode_integer(binary)));
}

Result<std::string> encode_decimal(const Type& domain, const Decimal& value) {
  const auto& type = base_type(domain);
  if (!is_exact_number(type)) return Err(ErrorCode::unsupported, "type {} is not an exact number", type.sql);
  auto codec = TRY(known_codec(type));
  if (codec == Codec::numeric) return numeric_to_binary(type, value);
  return encode_integer(codec, type, TRY(value.to_int64()));
}

Result<std::int64_t> decode_integer(std::string_view binary) {
  switch (binary.size()) {
    case 2:
      return read_big_endian<std::int16_t>(binary.data());
    case 4:
      return read_big_endian<std::int32_t>(binary.data());
    case 8:
      return read_big_endian<std::int64_t>(binary.data());
    default:
      return Err(ErrorCode::malformed, "an integer has {} bytes, not 2, 4 or 8", binary.size());
  }
}

}  // namespace oxbow
