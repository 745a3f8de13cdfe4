// Single values between PostgreSQL's binary format and text, exactly as the server converts them, for the
// mappings that have to look inside a value. The golden file test/golden/pg_values.txt holds what a server
// says.
//
// Covered: bool, int2/4/8, float4/8, numeric, date, timestamp, timestamptz, uuid, bytea, json, jsonb, text,
// varchar, bpchar, name, citext, enumerations, and domains over any of them (a domain's own checks stay with
// the server). Pure functions; safe to use from any thread. Errors: `unsupported` for other types,
// `malformed` for bytes that are not a value of the type, `row_rejected` for a text that the type does not
// take, or takes only by changing it (rounding a number, cutting a string).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "core/value/decimal.hpp"
#include "model/catalog.hpp"

namespace oxbow {

// True if binary_to_text() and text_to_binary() know this type.
bool has_text_codec(const Type& type);

// True if decode_decimal() and encode_decimal() know this type: numeric, int2, int4, int8 and domains over
// them.
bool is_exact_number(const Type& type);

// What `value::text` gives with DateStyle ISO, TimeZone UTC, bytea_output hex and extra_float_digits 1. So a
// boolean is "true", not "t", and a bpchar has no trailing blanks.
Result<std::string> binary_to_text(const Type& type, std::string_view binary);

// What `text::type` holds, with the type's modifier honoured: numeric(10,2) has two digits behind the point,
// char(3) is padded. A timestamptz without a zone is UTC; dates and times are read in ISO form only. JSON is
// not parsed: the server does that when it receives the value.
Result<std::string> text_to_binary(const Type& type, std::string_view text);

// An exact number as a Decimal, and back into the type: `row_rejected` if it does not fit without rounding.
Result<Decimal> decode_decimal(const Type& type, std::string_view binary);
Result<std::string> encode_decimal(const Type& type, const Decimal& value);

// int2, int4 or int8, told apart by length. `malformed` for any other length.
Result<std::int64_t> decode_integer(std::string_view binary);

}  // namespace oxbow
