#include "core/spec/scalars.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <span>

#include "model/cohort.hpp"

namespace oxbow {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

template <class T>
std::optional<T> parse_digits(std::string_view text) {
  if (text.empty() || !std::ranges::all_of(text, is_digit)) return std::nullopt;
  T value{};
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

// Digits, then a unit of the table; the value times the unit's size, if it fits `max`.
struct Unit {
  std::string_view name;
  std::uint64_t size;
};

std::optional<std::uint64_t> parse_with_unit(std::string_view text, std::span<const Unit> units,
                                             std::uint64_t max) {
  auto digits = std::min(text.size(),
                         static_cast<std::size_t>(std::ranges::find_if_not(text, is_digit) - text.begin()));
  auto value = parse_digits<std::uint64_t>(text.substr(0, digits));
  auto unit = std::ranges::find(units, text.substr(digits), &Unit::name);
  if (!value || unit == units.end() || *value > max / unit->size) return std::nullopt;
  return *value * unit->size;
}

// "12.5" or "12.5%" as (12, "5").
std::optional<std::pair<std::string_view, std::string_view>> split_percent(std::string_view text) {
  if (text.ends_with('%')) text.remove_suffix(1);
  auto dot = text.find('.');
  auto whole = text.substr(0, dot);
  auto fraction = dot == std::string_view::npos ? std::string_view("0") : text.substr(dot + 1);
  bool digits = !whole.empty() && !fraction.empty() && std::ranges::all_of(whole, is_digit) &&
                std::ranges::all_of(fraction, is_digit);
  if (!digits || whole.size() > 3 || fraction.size() > 9) return std::nullopt;
  return std::pair(whole, fraction);
}

}  // namespace

std::optional<Duration> parse_duration(std::string_view text) {
  constexpr std::uint64_t ms = 1'000'000;
  static constexpr std::array units = {Unit{"ms", ms}, Unit{"s", 1000 * ms}, Unit{"m", 60'000 * ms},
                                       Unit{"h", 3'600'000 * ms}, Unit{"d", 86'400'000 * ms}};
  auto value = parse_with_unit(text, units, std::numeric_limits<std::int64_t>::max());
  return value ? std::optional(Duration(static_cast<std::int64_t>(*value))) : std::nullopt;
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
  static constexpr std::array units = {Unit{"B", 1},           Unit{"kB", 1ull << 10},
                                       Unit{"KB", 1ull << 10}, Unit{"MB", 1ull << 20},
                                       Unit{"GB", 1ull << 30}, Unit{"TB", 1ull << 40}};
  return parse_with_unit(text, units, std::numeric_limits<std::int64_t>::max());
}

std::optional<std::uint64_t> parse_count(std::string_view text) {
  return parse_digits<std::uint64_t>(text);
}

std::optional<double> parse_percent(std::string_view text) {
  auto parts = split_percent(text);
  if (!parts) return std::nullopt;
  double scale = 1;
  for (std::size_t i = 0; i < parts->second.size(); ++i) scale *= 10;
  double value = *parse_digits<int>(parts->first) + *parse_digits<int>(parts->second) / scale;
  return value <= 100 ? std::optional(value) : std::nullopt;
}

std::optional<std::uint32_t> parse_buckets(std::string_view text) {
  auto parts = split_percent(text);
  if (!parts || parts->second.size() > 2) return std::nullopt;
  auto hundredths = *parse_digits<std::uint32_t>(parts->second) * (parts->second.size() == 1 ? 10 : 1);
  auto buckets = *parse_digits<std::uint32_t>(parts->first) * 100 + hundredths;
  return buckets > 0 && buckets <= kBucketCount ? std::optional(buckets) : std::nullopt;
}

std::optional<std::uint32_t> parse_buckets_or_none(std::string_view text) {
  return text == "0" || text == "0%" ? std::optional(0u) : parse_buckets(text);
}

std::optional<std::chrono::year_month_day> parse_calendar_date(std::string_view text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return std::nullopt;
  auto year = parse_digits<int>(text.substr(0, 4));
  auto month = parse_digits<unsigned>(text.substr(5, 2));
  auto day = parse_digits<unsigned>(text.substr(8, 2));
  if (!year || !month || !day) return std::nullopt;
  auto date = std::chrono::year(*year) / std::chrono::month(*month) / std::chrono::day(*day);
  return date.ok() ? std::optional(date) : std::nullopt;
}

std::optional<std::vector<std::string>> parse_dotted(std::string_view text) {
  std::vector<std::string> names;
  for (std::size_t at = 0;; ++at) {
    std::string name;
    if (at < text.size() && text[at] == '"') {
      for (++at;; ++at) {
        if (at >= text.size()) return std::nullopt;
        if (text[at] == '"' && !text.substr(at + 1).starts_with('"')) break;
        if (text[at] == '"') ++at;
        name += text[at];
      }
      ++at;
    } else {
      for (; at < text.size() && text[at] != '.' && text[at] != '"'; ++at) name += text[at];
    }
    if (name.empty()) return std::nullopt;
    names.push_back(std::move(name));
    if (at == text.size()) return names;
    if (text[at] != '.') return std::nullopt;
  }
}

std::string to_dotted(const std::vector<std::string>& names) {
  std::string out;
  for (const auto& name : names) {
    if (!out.empty()) out += '.';
    bool plain = name.find_first_of(".\"") == std::string::npos;
    out += plain ? name : quote_identifier(name);
  }
  return out;
}

std::optional<TableName> parse_table_name(std::string_view text) {
  auto names = parse_dotted(text);
  if (!names || names->size() > 2) return std::nullopt;
  if (names->size() == 1) return TableName{"public", std::move(names->front())};
  return TableName{std::move(names->front()), std::move(names->back())};
}

std::optional<std::pair<std::string, std::string>> parse_route(std::string_view text) {
  static constexpr std::array methods = {std::string_view("GET"),     std::string_view("HEAD"),
                                         std::string_view("OPTIONS"), std::string_view("POST"),
                                         std::string_view("PUT"),     std::string_view("PATCH"),
                                         std::string_view("DELETE")};
  auto space = text.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  auto method = text.substr(0, space);
  auto path = text.substr(space + 1);
  bool good = std::ranges::find(methods, method) != methods.end() && path.starts_with('/') &&
              path.find(' ') == std::string_view::npos;
  return good ? std::optional(std::pair(std::string(method), std::string(path))) : std::nullopt;
}

bool is_plain_name(std::string_view text) {
  return !text.empty() && text.size() <= 40 && is_letter(text.front()) &&
         std::ranges::all_of(text,
                             [](char c) { return is_letter(c) || is_digit(c) || c == '-' || c == '_'; });
}

}  // namespace oxbow
