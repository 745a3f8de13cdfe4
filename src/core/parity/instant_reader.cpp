#include "core/parity/instant_reader.hpp"

#include <fmt/core.h>

#include <chrono>

#include "core/parity/exact_number.hpp"
#include "core/value/scan.hpp"

namespace oxbow {
namespace {

constexpr EpochNanoseconds kSecond = 1'000'000'000;
constexpr int kNanosecondDigits = 9;

std::optional<std::chrono::sys_days> read_day(Scan& scan) {
  auto century = scan.take_two_digits(), rest = century ? scan.take_two_digits() : std::nullopt;
  if (!rest || !scan.take('-')) return std::nullopt;
  auto month = scan.take_two_digits();
  if (!month || !scan.take('-')) return std::nullopt;
  auto day = scan.take_two_digits();
  if (!day) return std::nullopt;
  std::chrono::year_month_day date{std::chrono::year(*century * 100 + *rest),
                                   std::chrono::month(static_cast<unsigned>(*month)),
                                   std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok()) return std::nullopt;
  return std::chrono::sys_days(date);
}

std::optional<EpochNanoseconds> read_clock(Scan& scan) {
  auto hour = scan.take_two_digits();
  if (!hour || *hour > 24 || !scan.take(':')) return std::nullopt;
  auto minute = scan.take_two_digits();
  if (!minute || *minute > 59) return std::nullopt;
  EpochNanoseconds seconds = *hour * 3600 + *minute * 60;
  if (!scan.take(':')) return seconds * kSecond;
  auto second = scan.take_two_digits();
  if (!second || *second > 60) return std::nullopt;  // 60 is a leap second
  EpochNanoseconds fraction = 0;
  if (scan.take('.') || scan.take(',')) {
    auto digits = scan.take_digits();
    if (digits.empty()) return std::nullopt;
    for (std::size_t i = 0; i < kNanosecondDigits; ++i)
      fraction = fraction * 10 + (i < digits.size() ? digits[i] - '0' : 0);
  }
  return (seconds + *second) * kSecond + fraction;
}

// "Z", "+01:00", "-0330", "+02", or nothing, which is UTC. In seconds east of Greenwich.
std::optional<int> read_zone(Scan& scan) {
  if (scan.done() || scan.take('Z') || scan.take('z')) return 0;
  bool west = scan.take('-');
  if (!west && !scan.take('+')) return std::nullopt;
  auto hours = scan.take_two_digits();
  if (!hours || *hours > 23) return std::nullopt;
  int minutes = 0;
  if (!scan.done()) {
    scan.take(':');
    auto part = scan.take_two_digits();
    if (!part || *part > 59) return std::nullopt;
    minutes = *part;
  }
  int seconds = *hours * 3600 + minutes * 60;
  return west ? -seconds : seconds;
}

// "Sat, 21 Nov 2026 06:00:00 GMT", as header fields write it.
std::optional<EpochNanoseconds> read_http_date(std::string_view text) {
  constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  if (text.size() != 29 || text.substr(3, 2) != ", " || text[7] != ' ' || text[11] != ' ' || text[16] != ' ')
    return std::nullopt;
  auto month = kMonths.find(text.substr(8, 3));
  if (month == std::string_view::npos || month % 3 != 0) return std::nullopt;
  auto turned =
      fmt::format("{}-{:02}-{}T{}", text.substr(12, 4), month / 3 + 1, text.substr(5, 2), text.substr(17, 8));
  return text.ends_with(" GMT") ? read_instant_text(turned) : std::nullopt;
}

}  // namespace

std::optional<EpochNanoseconds> read_instant_text(std::string_view text) {
  if (text.ends_with("GMT")) return read_http_date(text);
  Scan scan(text);
  auto day = read_day(scan);
  if (!day) return std::nullopt;
  EpochNanoseconds instant = EpochNanoseconds{day->time_since_epoch().count()} * 86'400 * kSecond;
  if (scan.done()) return instant;
  if (!scan.take('T') && !scan.take('t') && !scan.take(' ')) return std::nullopt;
  auto clock = read_clock(scan);
  if (!clock) return std::nullopt;
  auto zone = read_zone(scan);
  if (!zone || !scan.done()) return std::nullopt;
  return instant + *clock - *zone * kSecond;
}

std::optional<EpochNanoseconds> read_instant_number(std::string_view number) {
  auto exact = ExactNumber::parse(number);
  if (!exact) return std::nullopt;
  auto magnitude =
      exact->digits.empty() ? 0 : exact->exponent + static_cast<std::int64_t>(exact->digits.size());
  constexpr std::int64_t kMagnitudeMax = 20;  // nanoseconds of some three thousand years
  if (magnitude > kMagnitudeMax) return std::nullopt;
  int unit_digits = magnitude <= 11 ? 9 : magnitude <= 14 ? 6 : magnitude <= 17 ? 3 : 0;
  EpochNanoseconds instant = 0;
  auto places = exact->exponent + static_cast<std::int64_t>(exact->digits.size()) + unit_digits;
  for (std::int64_t i = 0; i < places; ++i) {
    auto at = static_cast<std::size_t>(i);
    instant = instant * 10 + (at < exact->digits.size() ? exact->digits[at] - '0' : 0);
  }
  return exact->negative ? -instant : instant;
}

}  // namespace oxbow
