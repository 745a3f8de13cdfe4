#include "adapters/postgres/row_trial.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "adapters/postgres/session.hpp"
#include "model/catalog.hpp"
#include "protocol/copy_binary.hpp"

namespace oxbow::postgres {
namespace {

constexpr std::string_view kTwin = "pg_temp.oxbow_trial";
constexpr std::string_view kStaged = "pg_temp.oxbow_trial_staged";

using Column = TargetTable::Column;

std::string list(const std::vector<Column>& columns, std::string (*part)(const Column&)) {
  std::vector<std::string> parts;
  for (const auto& column : columns) parts.push_back(part(column));
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string name_of(const Column& column) {
  return quote_identifier(column.name);
}

std::string value_of(const Column& column) {
  return column.sql.empty() ? "s." + name_of(column) : column.sql;
}

// The field of a computed column is always NULL, which a type of the column itself might not take.
std::string staged_definition(const Column& column) {
  return fmt::format("{} {}", name_of(column), column.sql.empty() ? column.sql_type : "boolean");
}

std::string insert_sql(const std::vector<Column>& columns) {
  return fmt::format("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {} AS s", kTwin,
                     list(columns, name_of), list(columns, value_of), kStaged);
}

}  // namespace

Task<void> PgRowTrial::begin(const TargetTable& table) {
  CO_TRY(co_await ensure_open(connection_, settings_, ""));
  CO_TRY(co_await connection_->exec(
      fmt::format("DROP TABLE IF EXISTS {0}, {1}; CREATE TEMP TABLE oxbow_trial (LIKE {2} INCLUDING "
                  "CONSTRAINTS INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING IDENTITY)",
                  kTwin, kStaged, quoted(table.name))));
  copy_ = fmt::format("COPY {} ({}) FROM STDIN (FORMAT binary)", kTwin, list(table.columns, name_of));
  compute_.clear();
  bool computes = std::ranges::any_of(table.columns, [](const auto& column) { return !column.sql.empty(); });
  if (computes) CO_TRY(co_await stage(table));
  co_return Status{};
}

Task<void> PgRowTrial::stage(const TargetTable& table) {
  auto fields = table.columns;
  fields.insert(fields.end(), table.staged_only.begin(), table.staged_only.end());
  CO_TRY(co_await connection_->exec(
      fmt::format("CREATE TEMP TABLE oxbow_trial_staged ({})", list(fields, staged_definition))));
  copy_ = fmt::format("COPY {} FROM STDIN (FORMAT binary)", kStaged);
  compute_ = insert_sql(table.columns);
  co_return co_await check_expressions(table);
}

// Nothing is staged yet, so this finds what no row could mend: an unknown function, a wrong type.
Task<void> PgRowTrial::check_expressions(const TargetTable& table) {
  std::string refused;
  for (const auto& column : table.columns) {
    if (column.sql.empty()) continue;
    auto understood = co_await connection_->exec(insert_sql({column}));
    if (understood) continue;
    if (!connection_->is_open()) co_return std::unexpected(understood.error());
    refused += fmt::format("{}the new side cannot evaluate the sql of {}.{}: {}", refused.empty() ? "" : "\n",
                           to_string(table.name), column.name, understood.error().detail);
  }
  if (!refused.empty()) co_return Err(ErrorCode::spec_invalid, "{}", refused);
  co_return Status{};
}

Task<std::optional<std::string>> PgRowTrial::refusal(std::string_view tuples) {
  CO_TRY(co_await connection_->exec("BEGIN"));
  auto taken = co_await take(tuples);
  if (!taken && taken.error().code != ErrorCode::row_rejected) co_return std::unexpected(taken.error());
  CO_TRY(co_await connection_->exec("ROLLBACK"));
  if (taken) co_return std::optional<std::string>();
  co_return std::optional(taken.error().detail);
}

Task<void> PgRowTrial::take(std::string_view tuples) {
  CO_TRY(co_await connection_->copy_in_begin(copy_));
  CO_TRY(co_await connection_->copy_in_write(copy_binary_header()));
  CO_TRY(co_await connection_->copy_in_write(tuples));
  CO_TRY(co_await connection_->copy_in_write(copy_binary_trailer()));
  CO_TRY(co_await connection_->copy_in_end());
  if (!compute_.empty()) CO_TRY(co_await connection_->exec(compute_));
  co_return Status{};
}

}  // namespace oxbow::postgres
