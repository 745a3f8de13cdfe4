#include "adapters/postgres/range_planner.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "core/merge/key_order.hpp"
#include "model/tuple.hpp"

namespace oxbow::postgres {
namespace {

constexpr std::uint64_t kExactBelowRanges = 4;  // smaller tables are simply counted
constexpr double kSampledPerRange = 1000;  // about 20 pages each: pages hold neighbours, so few would mislead
constexpr double kSampledMax = 2'000'000;
constexpr Duration kSilenceWhilePlanning = std::chrono::minutes(15);

std::string key_list(const std::vector<KeyColumn>& key, std::string_view suffix = "") {
  std::vector<std::string> names;
  for (const auto& column : key) names.push_back(quote_identifier(column.name) + std::string(suffix));
  return fmt::format("{}", fmt::join(names, ", "));
}

// What the planner expects, which takes the table's present size into account.
Task<double> estimate_rows(Connection& connection, const TableName& table) {
  Rows plan = CO_TRY(co_await connection.exec("EXPLAIN (FORMAT JSON) SELECT FROM " + quoted(table)));
  constexpr std::string_view kName = "\"Plan Rows\": ";
  auto text = plan.text(0, 0);
  auto at = text.find(kName);
  co_return at == std::string::npos ? 0.0 : std::strtod(text.c_str() + at + kName.size(), nullptr);
}

std::string exact_sql(const TableName& table, const std::vector<KeyColumn>& key,
                      std::uint64_t rows_per_range) {
  auto columns = key_list(key);
  return fmt::format(
      "SELECT {0}, {1} FROM (SELECT {0}, row_number() OVER (ORDER BY {0}) - 1 AS nth FROM {2}) numbered "
      "WHERE nth > 0 AND nth % {3} = 0 ORDER BY nth",
      columns, key_list(key, "::text"), quoted(table), rows_per_range);
}

// The first sampled key of each of `parts` equal parts, but of the first part.
std::string sampled_sql(const TableName& table, const std::vector<KeyColumn>& key, double percent,
                        std::uint64_t parts) {
  auto columns = key_list(key);
  return fmt::format(
      "SELECT {0}, {1} FROM (SELECT {0}, row_number() OVER (ORDER BY {0}) - 1 AS nth, count(*) OVER () AS "
      "total "
      "FROM {2} TABLESAMPLE SYSTEM ({3}) REPEATABLE (1)) sampled "
      "WHERE nth > 0 AND nth * {4} / total > (nth - 1) * {4} / total ORDER BY nth",
      columns, key_list(key, "::text"), quoted(table), percent, parts);
}

}  // namespace

Task<std::vector<KeyBound>> plan_ranges(Connection& connection, TableName table, std::vector<KeyColumn> key,
                                        std::uint64_t rows_per_range) {
  if (key.empty() || !KeyOrder::of(key)) co_return std::vector<KeyBound>();
  double rows = CO_TRY(co_await estimate_rows(connection, table));
  auto parts = static_cast<std::uint64_t>(rows) / rows_per_range + 1;
  double percent =
      100.0 * std::min(kSampledPerRange * static_cast<double>(parts), kSampledMax) / std::max(rows, 1.0);
  bool exact = parts <= kExactBelowRanges || percent >= 50;
  auto sql = exact ? exact_sql(table, key, rows_per_range) : sampled_sql(table, key, percent, parts);
  connection.set_silence_max(kSilenceWhilePlanning);
  Rows cuts = CO_TRY(co_await connection.exec_params(std::move(sql), {}, Format::binary));
  std::vector<KeyBound> bounds;
  for (int row = 0; row < cuts.size(); ++row) {
    TupleBuilder tuple;
    tuple.begin(static_cast<std::uint16_t>(key.size()));
    KeyBound bound;
    for (std::size_t i = 0; i < key.size(); ++i) {
      tuple.add_value(cuts.view(row, static_cast<int>(i)));
      bound.literals.push_back(cuts.text(row, static_cast<int>(key.size() + i)));
    }
    bound.tuple = tuple.take();
    bounds.push_back(std::move(bound));
  }
  co_return bounds;
}

}  // namespace oxbow::postgres
