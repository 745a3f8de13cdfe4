// Points in time as answers write them: RFC 3339 and ISO 8601 texts, and counts since 1970. Pure functions.
#pragma once

#include <optional>
#include <string_view>

namespace oxbow {

using EpochNanoseconds = __int128;  // since 1970-01-01T00:00:00Z

// "2026-11-21T06:00:00.123456789+01:00", also with a blank for the 'T', without a zone (then UTC), without
// seconds, or a date alone; or "Sat, 21 Nov 2026 06:00:00 GMT" as HTTP has it. Digits behind the ninth are
// left out.
std::optional<EpochNanoseconds> read_instant_text(std::string_view text);

// A JSON number: seconds below 10^11, else milliseconds below 10^14, microseconds below 10^17, nanoseconds.
std::optional<EpochNanoseconds> read_instant_number(std::string_view number);

}  // namespace oxbow
