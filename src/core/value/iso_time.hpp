// Dates and timestamps between PostgreSQL's counts from 2000-01-01 and ISO text in UTC, over the server's
// whole range: 4713 BC to 294276 AD (dates to 5874897 AD), and ±infinity. The text is what the server prints
// with DateStyle ISO.
//
// Reading takes that same form, with a 'T' or blanks between date and time, and a zone where the type has
// one. Anything else that a server may take ("tomorrow", "1/2/99") depends on its settings and is
// `row_rejected`.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace oxbow {

inline constexpr int kTimestampPrecisionMax = 6;

// `malformed` for counts that no server sends.
Result<std::string> date_text(std::int32_t days);
Result<std::string> timestamp_text(std::int64_t microseconds, bool with_zone);

// A text without a zone is UTC. `precision`: digits behind the second that the type keeps, 0 to 6.
Result<std::int32_t> parse_date(std::string_view text);
Result<std::int64_t> parse_timestamp(std::string_view text, bool with_zone, int precision);

}  // namespace oxbow
