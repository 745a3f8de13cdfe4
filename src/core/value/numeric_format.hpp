// PostgreSQL's binary numeric: int16 count, int16 weight, int16 sign, int16 scale, then `count` base-10000
// digits, the first of which counts 10000^weight.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "core/value/decimal.hpp"

namespace oxbow {

Result<Decimal> decode_numeric(std::string_view binary);

// Byte for byte what numeric_send() gives for this value.
std::string encode_numeric(const Decimal& value);

// The value as a column numeric(p,s) with this type modifier stores it; `row_rejected` if it would be rounded
// or is too large for it.
Result<Decimal> fit_numeric(const Decimal& value, std::int32_t modifier);

}  // namespace oxbow
