// Converts single values, and says in SQL what both databases must print for equal ones.
#include "core/mapping/conversion.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "core/mapping/json_text.hpp"
#include "core/value/pg_values.hpp"
#include "model/tuple.hpp"

namespace oxbow {
namespace {

using Step = Conversion::Step;

constexpr std::int64_t kMicrosecondsPerDay = 86'400'000'000;
constexpr std::int32_t kTimestampDaysBegin = -2'451'545;           // 4714-11-24 BC, counted from 2000-01-01
constexpr std::int32_t kTimestampDaysEnd = 106'751'983;            // 294277-01-01
constexpr auto kNever = std::numeric_limits<std::int64_t>::min();  // -infinity of a timestamp
constexpr auto kForever = std::numeric_limits<std::int64_t>::max();

std::unexpected<Error> wrong_size(const Type& type, std::string_view value) {
  return Err(ErrorCode::malformed, "{} bytes are not a value of type {}", value.size(), type.sql);
}

// The value as text for a sentence.
std::string spoken(const Type& type, std::string_view value) {
  auto text = binary_to_text(type, value);
  return text ? shown(*text) : fmt::format("a value of {} bytes", value.size());
}

std::unexpected<Error> does_not_fit(const Conversion& c, std::string_view value) {
  return Err(ErrorCode::row_rejected, "{} does not fit {} exactly", spoken(c.from, value), c.to.sql);
}

std::string_view without_padding(std::string_view text) {
  return text.substr(0, text.find_last_not_of(' ') + 1);
}

bool longer_than(std::string_view text, int characters_max) {
  if (text.size() <= static_cast<std::size_t>(characters_max)) return false;
  return std::ranges::count_if(text, [](char c) { return (c & 0xc0) != 0x80; }) > characters_max;
}

Status append_within(const Conversion& c, std::string_view text, std::string& out) {
  auto room = length_max(c.to);
  if (room && longer_than(text, *room))
    return Err(ErrorCode::row_rejected, "{} is longer than {} takes", shown(text), c.to.sql);
  out += text;
  return {};
}

Status convert_to_padded(const Conversion& c, std::string_view text, std::string& out) {
  if (text.ends_with(' '))
    return Err(ErrorCode::row_rejected, "{} ends in a blank, which {} does not keep", shown(text), c.to.sql);
  return append_within(c, text, out);
}

Status convert_label(const Conversion& c, std::string_view text, std::string& out) {
  if (std::ranges::find(c.to.labels, text) == c.to.labels.end())
    return Err(ErrorCode::row_rejected, "{} is not a label of {}", shown(text), c.to.sql);
  out += text;
  return {};
}

Status convert_array(const Conversion& c, std::string_view value, std::string& out) {
  constexpr std::size_t kElementOid = 8;  // behind the count of dimensions and the flag for NULLs
  if (value.size() < kElementOid + 4) return wrong_size(c.from, value);
  out += value.substr(0, kElementOid);
  append_big_endian(out, c.to.inner.front().oid);
  out += value.substr(kElementOid + 4);
  return {};
}

std::size_t integer_size(const Type& type) {
  if (type.name == "int2") return 2;
  return type.name == "int4" ? 4 : 8;
}

Status convert_integer(const Conversion& c, std::string_view value, std::string& out) {
  if (value.size() != integer_size(c.from)) return wrong_size(c.from, value);
  auto number = TRY(decode_integer(value));
  switch (integer_size(c.to)) {
    case 2:
      if (number != static_cast<std::int16_t>(number)) return does_not_fit(c, value);
      append_big_endian(out, static_cast<std::int16_t>(number));
      return {};
    case 4:
      if (number != static_cast<std::int32_t>(number)) return does_not_fit(c, value);
      append_big_endian(out, static_cast<std::int32_t>(number));
      return {};
    default:
      append_big_endian(out, number);
      return {};
  }
}

Status convert_number(const Conversion& c, std::string_view value, std::string& out) {
  auto number = TRY(decode_decimal(c.from, value));
  auto encoded = encode_decimal(c.to, number);
  if (!encoded) return does_not_fit(c, value);
  out += *encoded;
  return {};
}

Status convert_float_to_double(const Conversion& c, std::string_view value, std::string& out) {
  if (value.size() != 4) return wrong_size(c.from, value);
  auto number = std::bit_cast<float>(read_big_endian<std::uint32_t>(value.data()));
  append_big_endian(out, std::bit_cast<std::uint64_t>(static_cast<double>(number)));
  return {};
}

Status convert_double_to_float(const Conversion& c, std::string_view value, std::string& out) {
  if (value.size() != 8) return wrong_size(c.from, value);
  auto number = std::bit_cast<double>(read_big_endian<std::uint64_t>(value.data()));
  bool in_range = !std::isfinite(number) || std::abs(number) <= std::numeric_limits<float>::max();
  auto narrow = in_range ? static_cast<float>(number) : 0.0F;
  if (!std::isnan(number) && static_cast<double>(narrow) != number) return does_not_fit(c, value);
  append_big_endian(out, std::bit_cast<std::uint32_t>(narrow));
  return {};
}

Status convert_coarser_time(const Conversion& c, std::string_view value, std::string& out) {
  if (value.size() < 8) return wrong_size(c.from, value);
  auto microseconds = read_big_endian<std::int64_t>(value.data());
  std::int64_t unit = 1;
  for (int digits = c.to.modifier; digits < 6; ++digits) unit *= 10;
  bool endless = microseconds == kNever || microseconds == kForever;
  if (!endless && microseconds % unit != 0) return does_not_fit(c, value);
  out += value;
  return {};
}

Status convert_date_to_timestamp(const Conversion& c, std::string_view value, std::string& out) {
  if (value.size() != 4) return wrong_size(c.from, value);
  auto days = read_big_endian<std::int32_t>(value.data());
  std::int64_t microseconds = 0;
  if (days == std::numeric_limits<std::int32_t>::min()) {
    microseconds = kNever;
  } else if (days == std::numeric_limits<std::int32_t>::max()) {
    microseconds = kForever;
  } else if (days < kTimestampDaysBegin || days >= kTimestampDaysEnd) {
    return does_not_fit(c, value);
  } else {
    microseconds = days * kMicrosecondsPerDay;
  }
  append_big_endian(out, microseconds);
  return {};
}

Status convert_timestamp_to_date(const Conversion& c, std::string_view value, std::string& out) {
  if (value.size() != 8) return wrong_size(c.from, value);
  auto microseconds = read_big_endian<std::int64_t>(value.data());
  std::int32_t days = 0;
  if (microseconds == kNever) {
    days = std::numeric_limits<std::int32_t>::min();
  } else if (microseconds == kForever) {
    days = std::numeric_limits<std::int32_t>::max();
  } else if (microseconds % kMicrosecondsPerDay != 0) {
    return does_not_fit(c, value);
  } else {
    days = static_cast<std::int32_t>(microseconds / kMicrosecondsPerDay);
  }
  append_big_endian(out, days);
  return {};
}

constexpr char kJsonbVersion = 1;

Status convert_json_from_jsonb(const Conversion& c, std::string_view value, std::string& out) {
  if (value.empty() || value.front() != kJsonbVersion) return wrong_size(c.from, value);
  out += value.substr(1);
  return {};
}

Status convert_jsonb_from_json(std::string_view value, std::string& out) {
  if (names_nul_character(value))
    return Err(ErrorCode::row_rejected, "jsonb cannot hold the character U+0000 of {}", shown(value));
  out += kJsonbVersion;
  out += value;
  return {};
}

Status convert_printed(const Conversion& c, std::string_view value, std::string& out) {
  return append_within(c, TRY(binary_to_text(c.from, value)), out);
}

Status convert_parsed(const Conversion& c, std::string_view value, std::string& out) {
  auto text = TRY(binary_to_text(c.from, value));
  auto parsed = text_to_binary(c.to, text);
  if (!parsed) return Err(ErrorCode::row_rejected, "{} is not a value of type {}", shown(text), c.to.sql);
  auto printed = TRY(binary_to_text(c.to, *parsed));
  if (printed != text) {
    return Err(ErrorCode::row_rejected,
               "{} would become {} as {}; only the database's own spelling is carried", shown(text),
               shown(printed), c.to.sql);
  }
  out += *parsed;
  return {};
}

constexpr std::size_t kSpelledNumberMax = 1000;

// Must agree with kPlainNumber below.
bool is_plain_number(std::string_view text) {
  if (text.size() > kSpelledNumberMax) return false;
  if (text.starts_with('-')) text.remove_prefix(1);
  auto digits = [&] {
    auto count = std::min(text.find_first_not_of("0123456789"), text.size());
    text.remove_prefix(count);
    return count > 0;
  };
  if (!digits()) return false;
  if (text.empty()) return true;
  if (!text.starts_with('.')) return false;
  text.remove_prefix(1);
  return digits() && text.empty();
}

constexpr std::string_view kPlainNumber = R"('^-?[0-9]+([.][0-9]+)?$')";

Status convert_spelled_number(const Conversion& c, std::string_view value, std::string& out) {
  auto text = TRY(binary_to_text(c.from, value));
  if (!is_plain_number(text))
    return Err(ErrorCode::row_rejected, "{} is not a number such as -12.50", shown(text));
  auto number = Decimal::parse(text);
  auto encoded = number ? encode_decimal(c.to, *number) : std::unexpected(number.error());
  if (!encoded) return Err(ErrorCode::row_rejected, "{} does not fit {} exactly", shown(text), c.to.sql);
  out += *encoded;
  return {};
}

ComparedSql both_as(std::string_view type, std::string_view legacy, std::string_view new_side) {
  return {fmt::format("{}::{}", legacy, type), fmt::format("{}::{}", new_side, type)};
}

// Where the bytes are the same, except that each side shows its own padding, digits or oids.
ComparedSql compared_bytes(const Conversion& c, std::string_view legacy, std::string_view new_side) {
  bool same = same_values(c.from, c.to);
  bool own_oid = c.from.kind == TypeKind::array && !c.from.inner.front().is_builtin();
  bool of_extension = c.from.kind == TypeKind::base && !c.from.is_builtin();
  if (own_oid || of_extension || (!same && c.from.name == "bpchar")) return both_as("text", legacy, new_side);
  if (!same && c.from.name == "numeric")
    return {fmt::format("{}::{}", legacy, c.to.sql), std::string(new_side)};
  return {std::string(legacy), std::string(new_side)};
}

// A date as the text of a timestamp; for the dates that no timestamp reaches a text that no timestamp has.
std::string date_as_timestamp(std::string_view date) {
  return fmt::format(
      "CASE WHEN {0} < '294277-01-01' OR {0} = 'infinity' THEN {0}::timestamp::text ELSE 'beyond: ' || "
      "{0}::text END",
      date);
}

std::string spelled_number_sql(std::string_view text) {
  return fmt::format(
      "CASE WHEN length({0}::text) <= {1} AND {0}::text ~ {2} THEN trim_scale({0}::text::numeric)::text "
      "ELSE 'not a number: ' || {0}::text END",
      text, kSpelledNumberMax, kPlainNumber);
}

}  // namespace

Status convert(const Conversion& c, std::string_view value, std::string& out) {
  switch (c.step) {
    case Step::bytes:
      out += value;
      return {};
    case Step::array_of_own_type:
      return convert_array(c, value, out);
    case Step::text_within:
      return append_within(c, value, out);
    case Step::text_unpadded:
      return append_within(c, without_padding(value), out);
    case Step::text_to_padded:
      return convert_to_padded(c, value, out);
    case Step::label:
      return convert_label(c, value, out);
    case Step::integer:
      return convert_integer(c, value, out);
    case Step::number:
      return convert_number(c, value, out);
    case Step::float_to_double:
      return convert_float_to_double(c, value, out);
    case Step::double_to_float:
      return convert_double_to_float(c, value, out);
    case Step::coarser_time:
      return convert_coarser_time(c, value, out);
    case Step::date_to_timestamp:
      return convert_date_to_timestamp(c, value, out);
    case Step::timestamp_to_date:
      return convert_timestamp_to_date(c, value, out);
    case Step::json_from_jsonb:
      return convert_json_from_jsonb(c, value, out);
    case Step::jsonb_from_json:
      return convert_jsonb_from_json(value, out);
    case Step::printed:
      return convert_printed(c, value, out);
    case Step::parsed:
      return convert_parsed(c, value, out);
    case Step::spelled_number:
      return convert_spelled_number(c, value, out);
  }
}

ComparedSql compared_sql(const Conversion& c, std::string_view legacy, std::string_view new_side) {
  ComparedSql raw{std::string(legacy), std::string(new_side)};
  switch (c.step) {
    case Step::bytes:
      return compared_bytes(c, legacy, new_side);
    case Step::array_of_own_type:
    case Step::text_within:
    case Step::text_unpadded:
    case Step::text_to_padded:
    case Step::label:
    case Step::json_from_jsonb:
    case Step::printed:
    case Step::parsed:
      return both_as("text", legacy, new_side);
    case Step::integer: {
      bool widens = integer_size(c.from) < integer_size(c.to);
      if (widens) return {fmt::format("{}::{}", legacy, c.to.sql), raw.new_side};
      return {raw.legacy, fmt::format("{}::{}", new_side, c.from.sql)};
    }
    case Step::number:
      return {fmt::format("trim_scale({}::numeric)", legacy),
              fmt::format("trim_scale({}::numeric)", new_side)};
    case Step::spelled_number:
      return {spelled_number_sql(legacy), fmt::format("trim_scale({}::numeric)::text", new_side)};
    case Step::float_to_double:
      return {fmt::format("{}::float8", legacy), raw.new_side};
    case Step::double_to_float:
      return {raw.legacy, fmt::format("{}::float8", new_side)};
    case Step::coarser_time:
      return raw;
    case Step::date_to_timestamp:
      return {date_as_timestamp(legacy), fmt::format("{}::text", new_side)};
    case Step::timestamp_to_date:
      return {fmt::format("{}::text", legacy), date_as_timestamp(new_side)};
    case Step::jsonb_from_json:
      return {unless_nul_character_sql(legacy, fmt::format("{}::jsonb::text", legacy)),
              fmt::format("{}::text", new_side)};
  }
}

std::string shown(std::string_view value) {
  constexpr std::size_t kShownMax = 60;
  if (value.size() <= kShownMax) return fmt::format("'{}'", value);
  std::size_t end = kShownMax;
  while (end > 0 && (value[end] & 0xc0) == 0x80) --end;  // not inside a character
  return fmt::format("'{}...' ({} bytes)", value.substr(0, end), value.size());
}

}  // namespace oxbow
