// The small languages inside a spec's values: durations, sizes, percentages, dates, names. Each reads one
// text and says nothing but "no" where it does not fit; the grammar knows what to tell the person who wrote
// it.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time.hpp"
#include "model/catalog.hpp"

namespace oxbow {

std::optional<Duration> parse_duration(std::string_view text);  // 500ms, 15m, 2h, 90d
std::optional<std::uint64_t> parse_size(
    std::string_view text);  // 50MB, 10GB; 1kB is 1024 bytes, as in PostgreSQL
std::optional<std::uint64_t> parse_count(std::string_view text);  // 0, 1000000
std::optional<double> parse_percent(std::string_view text);       // 99.9%, 99.9; at most 100
std::optional<std::uint32_t> parse_buckets(
    std::string_view text);  // 1, 0.5%: hundredths of a percent, exact, > 0
std::optional<std::uint32_t> parse_buckets_or_none(std::string_view text);              // the same, and 0
std::optional<std::chrono::year_month_day> parse_calendar_date(std::string_view text);  // 2027-03-01

// Names joined by dots; a name with a dot or a quote in it stands in double quotes, with its quotes doubled:
// public.payments, "we ird"."ta.ble". Letters keep their case.
std::optional<std::vector<std::string>> parse_dotted(std::string_view text);
std::string to_dotted(const std::vector<std::string>& names);

std::optional<TableName> parse_table_name(std::string_view text);  // without a schema: public
std::optional<std::pair<std::string, std::string>> parse_route(
    std::string_view text);  // "GET /payments": both words

bool is_plain_name(
    std::string_view text);  // of migrations, entities, cohorts: letter first; letters, digits, - and _

}  // namespace oxbow
