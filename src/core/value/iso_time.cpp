#include "core/value/iso_time.hpp"

#include <limits>

#include "core/value/scan.hpp"

namespace oxbow {
namespace {

constexpr std::int64_t kSecond = 1'000'000;
constexpr std::int64_t kMinute = 60 * kSecond;
constexpr std::int64_t kHour = 60 * kMinute;
constexpr std::int64_t kDay = 24 * kHour;

// The server's limits (datatype/timestamp.h): Julian day 0, and the first value that is too late.
constexpr std::int64_t kFirstDay = -2'451'545;
constexpr std::int64_t kEndOfDates = 2'145'031'949;
constexpr std::int64_t kFirstTimestamp = kFirstDay * kDay;
constexpr std::int64_t kEndOfTimestamps = 9'223'371'331'200'000'000;

template <class T>
constexpr T kInfinite = std::numeric_limits<T>::max();
template <class T>
constexpr T kMinusInfinite = std::numeric_limits<T>::min();

constexpr std::string_view kInfinityText = "infinity";
constexpr std::string_view kMinusInfinityText = "-infinity";

// Years count as astronomers do: 1 BC is 0, 2 BC is -1.
struct Civil {
  std::int64_t year = 0;
  int month = 0;
  int day = 0;
};

// Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", shifted to count from 2000-01-01.
// std::chrono ends in the year 32767.
constexpr std::int64_t kEpochShift = 730'425;  // days from 0000-03-01 to 2000-01-01

constexpr std::int64_t days_of(Civil date) {
  auto year = date.month <= 2 ? date.year - 1 : date.year;
  auto era = (year >= 0 ? year : year - 399) / 400;
  auto year_of_era = year - era * 400;
  auto day_of_year = (153 * (date.month + (date.month > 2 ? -3 : 9)) + 2) / 5 + date.day - 1;
  return era * 146'097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - kEpochShift;
}

constexpr Civil civil_of(std::int64_t days) {
  days += kEpochShift;
  auto era = (days >= 0 ? days : days - 146'096) / 146'097;
  auto day_of_era = days - era * 146'097;
  auto year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  auto day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  auto shifted_month = (5 * day_of_year + 2) / 153;
  auto month = static_cast<int>(shifted_month < 10 ? shifted_month + 3 : shifted_month - 9);
  return {year_of_era + era * 400 + (month <= 2 ? 1 : 0), month,
          static_cast<int>(day_of_year - (153 * shifted_month + 2) / 5 + 1)};
}

static_assert(days_of({2000, 1, 1}) == 0 && days_of({-4713, 11, 24}) == kFirstDay);

constexpr bool exists(Civil date) {
  if (date.month < 1 || date.month > 12 || date.day < 1) return false;
  bool leap = date.year % 4 == 0 && (date.year % 100 != 0 || date.year % 400 == 0);
  constexpr int kLengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return date.day <= kLengths[date.month - 1] + (date.month == 2 && leap ? 1 : 0);
}

std::string civil_text(Civil date) {
  return fmt::format("{:04}-{:02}-{:02}", date.year > 0 ? date.year : 1 - date.year, date.month, date.day);
}

std::string_view era_text(Civil date) {
  return date.year > 0 ? "" : " BC";
}

std::string clock_text(std::int64_t of_day) {
  auto text = fmt::format("{:02}:{:02}:{:02}", of_day / kHour, of_day / kMinute % 60, of_day / kSecond % 60);
  if (auto fraction = of_day % kSecond; fraction != 0) {
    text += fmt::format(".{:06}", fraction);
    text.erase(text.find_last_not_of('0') + 1);
  }
  return text;
}

// The parts of a text, read but not yet put together.
struct Parts {
  Civil date;
  std::int64_t of_day = 0;
  std::int64_t zone = 0;  // microseconds east of Greenwich
};

bool read_date(Scan& scan, Civil& date) {
  auto year = scan.take_digits();
  if (year.size() < 4 || year.size() > 7 || !scan.take('-')) return false;
  for (char digit : year) date.year = date.year * 10 + (digit - '0');
  auto month = scan.take_two_digits();
  if (!month || !scan.take('-')) return false;
  auto day = scan.take_two_digits();
  if (!day) return false;
  date.month = *month;
  date.day = *day;
  return date.year > 0;
}

bool read_fraction(Scan& scan, std::int64_t& microseconds) {
  auto digits = scan.take_digits();
  if (digits.empty() || digits.size() > kTimestampPrecisionMax) return false;
  for (std::size_t i = 0; i < kTimestampPrecisionMax; ++i)
    microseconds = microseconds * 10 + (i < digits.size() ? digits[i] - '0' : 0);
  return true;
}

bool read_clock(Scan& scan, std::int64_t& of_day) {
  auto hour = scan.take_two_digits();
  if (!hour || *hour > 23 || !scan.take(':')) return false;
  auto minute = scan.take_two_digits();
  if (!minute || *minute > 59) return false;
  of_day = *hour * kHour + *minute * kMinute;
  if (!scan.take(':')) return true;
  auto second = scan.take_two_digits();
  if (!second || *second > 59) return false;
  std::int64_t fraction = 0;
  if (scan.take('.') && !read_fraction(scan, fraction)) return false;
  of_day += *second * kSecond + fraction;
  return true;
}

// "+02", "-03:30", "+00:19:32" or "Z"; nothing at all is UTC.
bool read_zone(Scan& scan, std::int64_t& zone) {
  scan.take_blanks();
  if (scan.take('Z') || scan.take('z')) return true;
  bool west = scan.take('-');
  if (!west && !scan.take('+')) return true;
  constexpr int kHoursMax = 15;  // what the server takes
  auto hours = scan.take_two_digits();
  if (!hours || *hours > kHoursMax) return false;
  zone = *hours * kHour;
  for (auto unit : {kMinute, kSecond}) {
    if (!scan.take(':')) break;
    auto part = scan.take_two_digits();
    if (!part || *part > 59) return false;
    zone += *part * unit;
  }
  if (west) zone = -zone;
  return true;
}

// " BC" makes year Y the astronomers' 1 - Y.
bool read_end(Scan& scan, Civil& date) {
  scan.take_blanks();
  if (!scan.done()) {
    if (!equals_ignoring_case(scan.rest(), "bc")) return false;
    date.year = 1 - date.year;
  }
  return exists(date);
}

bool read_timestamp(Scan& scan, bool with_zone, Parts& parts) {
  if (!read_date(scan, parts.date)) return false;
  bool has_clock = scan.take('T') || (scan.take_blanks() && !scan.done() && is_digit(scan.rest().front()));
  if (has_clock) {
    if (!read_clock(scan, parts.of_day)) return false;
    if (with_zone && !read_zone(scan, parts.zone)) return false;
  }
  return read_end(scan, parts.date);
}

std::unexpected<Error> not_read(std::string_view text, std::string_view what, std::string_view example) {
  return Err(ErrorCode::row_rejected, "'{}' is not a {} such as {}", text.substr(0, 60), what, example);
}

std::unexpected<Error> not_in_range(std::string_view text) {
  return Err(ErrorCode::row_rejected, "'{}' is outside of what PostgreSQL can hold", text.substr(0, 60));
}

}  // namespace

Result<std::string> date_text(std::int32_t days) {
  if (days == kInfinite<std::int32_t>) return std::string(kInfinityText);
  if (days == kMinusInfinite<std::int32_t>) return std::string(kMinusInfinityText);
  if (days < kFirstDay || days >= kEndOfDates)
    return Err(ErrorCode::malformed, "{} days are not a date", days);
  auto date = civil_of(days);
  return civil_text(date).append(era_text(date));
}

Result<std::string> timestamp_text(std::int64_t microseconds, bool with_zone) {
  if (microseconds == kInfinite<std::int64_t>) return std::string(kInfinityText);
  if (microseconds == kMinusInfinite<std::int64_t>) return std::string(kMinusInfinityText);
  if (microseconds < kFirstTimestamp || microseconds >= kEndOfTimestamps)
    return Err(ErrorCode::malformed, "{} microseconds are not a timestamp", microseconds);
  auto of_day = (microseconds % kDay + kDay) % kDay;
  auto date = civil_of((microseconds - of_day) / kDay);
  return fmt::format("{} {}{}{}", civil_text(date), clock_text(of_day), with_zone ? "+00" : "",
                     era_text(date));
}

Result<std::int32_t> parse_date(std::string_view text) {
  auto trimmed = trim_blanks(text);
  if (equals_ignoring_case(trimmed, kInfinityText)) return kInfinite<std::int32_t>;
  if (equals_ignoring_case(trimmed, kMinusInfinityText)) return kMinusInfinite<std::int32_t>;
  Scan scan(trimmed);
  Civil date;
  if (!read_date(scan, date) || !read_end(scan, date)) return not_read(text, "date", "2026-11-21");
  auto days = days_of(date);
  if (days < kFirstDay || days >= kEndOfDates) return not_in_range(text);
  return static_cast<std::int32_t>(days);
}

Result<std::int64_t> parse_timestamp(std::string_view text, bool with_zone, int precision) {
  auto trimmed = trim_blanks(text);
  if (equals_ignoring_case(trimmed, kInfinityText)) return kInfinite<std::int64_t>;
  if (equals_ignoring_case(trimmed, kMinusInfinityText)) return kMinusInfinite<std::int64_t>;
  Scan scan(trimmed);
  Parts parts;
  if (!read_timestamp(scan, with_zone, parts)) {
    return with_zone ? not_read(text, "timestamp with time zone", "2026-11-21 06:00:00.123456+00")
                     : not_read(text, "timestamp", "2026-11-21 06:00:00.123456");
  }
  // Wide, because a date has room for years whose microseconds have not.
  auto total = static_cast<__int128>(days_of(parts.date)) * kDay + parts.of_day - parts.zone;
  if (total < kFirstTimestamp || total >= kEndOfTimestamps) return not_in_range(text);
  std::int64_t unit = 1;
  for (int i = precision; i < kTimestampPrecisionMax; ++i) unit *= 10;
  if (total % unit != 0) {
    return Err(ErrorCode::row_rejected, "'{}' has more than {} digits behind the second", text.substr(0, 60),
               precision);
  }
  return static_cast<std::int64_t>(total);
}

}  // namespace oxbow
