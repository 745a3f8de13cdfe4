#include "adapters/postgres/batch_sql.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace oxbow::postgres {
namespace {

using TargetColumn = TargetTable::Column;

std::string value_of(const TargetColumn& column) {
  return column.sql.empty() ? "s." + quote_identifier(column.name) : "(" + column.sql + ")";
}

std::vector<std::string> names_of(const std::vector<TargetColumn>& columns) {
  std::vector<std::string> names;
  for (const auto& column : columns) names.push_back(quote_identifier(column.name));
  return names;
}

std::string values_of(const std::vector<TargetColumn>& columns) {
  std::vector<std::string> values;
  for (const auto& column : columns) values.push_back(value_of(column));
  return fmt::format("{}", fmt::join(values, ", "));
}

// What travels: every column with a value of its own, then what only expressions read.
std::vector<const TargetColumn*> staged(const TargetTable& table) {
  std::vector<const TargetColumn*> columns;
  for (const auto& column : table.columns)
    if (column.sql.empty()) columns.push_back(&column);
  for (const auto& column : table.staged_only) columns.push_back(&column);
  return columns;
}

}  // namespace

bool needs_staging(const TargetTable& table) {
  return !table.staged_only.empty() || std::any_of(table.columns.begin(), table.columns.end(),
                                                   [](const auto& column) { return !column.sql.empty(); });
}

std::string BatchSql::create_type() const {
  std::vector<std::string> fields;
  for (const auto* column : staged(table))
    fields.push_back(quote_identifier(column->name) + " " + column->sql_type);
  return fmt::format("CREATE TYPE {} AS ({})", rows_type, fmt::join(fields, ", "));
}

// Numbers are not free, so who does not return them does without.
std::string BatchSql::rows() const {
  std::vector<std::string> names;
  for (const auto* column : staged(table)) names.push_back(quote_identifier(column->name));
  return fmt::format("unnest($1::{}[]) AS s({})", rows_type, fmt::join(names, ", "));
}

std::string BatchSql::numbered_rows(std::size_t parameter) const {
  std::vector<std::string> names;
  for (const auto* column : staged(table)) names.push_back(quote_identifier(column->name));
  return fmt::format("unnest(${}::{}[]) WITH ORDINALITY AS s({}, oxbow_row)", parameter, rows_type,
                     fmt::join(names, ", "));
}

std::string BatchSql::keys_match() const {
  std::vector<std::string> terms;
  for (const auto& column : table.columns)
    if (column.in_key)
      terms.push_back(fmt::format("t.{} = {}", quote_identifier(column.name), value_of(column)));
  return fmt::format("{}{}", fmt::join(terms, " AND "), not_spared);
}

std::string BatchSql::insert() const {
  return fmt::format("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {}", quoted(table.name),
                     fmt::join(names_of(table.columns), ", "), values_of(table.columns), rows());
}

std::string BatchSql::update(const std::vector<bool>& sent) const {
  std::vector<std::string> assignments;
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    const auto& column = table.columns[i];
    if (sent[i] && !column.in_key)
      assignments.push_back(fmt::format("{} = {}", quote_identifier(column.name), value_of(column)));
  }
  for (const auto& column : table.columns) {  // only the key was sent: the row must be there all the same
    if (!assignments.empty()) break;
    if (column.in_key) assignments.push_back(fmt::format("{0} = t.{0}", quote_identifier(column.name)));
  }
  return fmt::format("UPDATE {} AS t SET {} FROM {} WHERE {}", quoted(table.name),
                     fmt::join(assignments, ", "), rows(), keys_match());
}

// The row as it will be, column by column: what was sent, else what is there.
std::vector<std::string> BatchSql::new_values(const std::vector<bool>& sent) const {
  std::vector<std::string> values;
  for (const auto& name : all_columns) {
    auto at = std::find_if(table.columns.begin(), table.columns.end(),
                           [&](const auto& c) { return c.name == name; });
    auto index = static_cast<std::size_t>(at - table.columns.begin());
    bool is_new = at != table.columns.end() && sent[index] && !at->in_key;
    auto quoted_name = quote_identifier(name);
    values.push_back(fmt::format("{} AS {}", is_new ? value_of(*at) : "t." + quoted_name, quoted_name));
  }
  return values;
}

std::string BatchSql::rewrite(const std::vector<std::vector<bool>>& sent_of_batches) const {
  std::vector<std::string> names;
  for (const auto& name : all_columns) names.push_back(quote_identifier(name));
  std::vector<std::string> keys;
  std::vector<std::string> same_key;
  for (const auto& column : table.columns) {
    if (!column.in_key) continue;
    keys.push_back(quote_identifier(column.name));
    same_key.push_back(fmt::format("p.{0} = g.{0}", keys.back()));
  }
  std::string sql = "WITH ";
  std::vector<std::string> all_gone;
  for (std::size_t i = 1; i <= sent_of_batches.size(); ++i) {
    sql += fmt::format(
        "gone_{0} AS (DELETE FROM {1} AS t USING {2} WHERE {3} RETURNING {4}, s.oxbow_row AS oxbow_row), ", i,
        quoted(table.name), numbered_rows(i), keys_match(),
        fmt::join(new_values(sent_of_batches[i - 1]), ", "));
    all_gone.push_back(fmt::format("SELECT {0} AS oxbow_batch, * FROM gone_{0}", i));
  }
  // Sorting makes the removal complete before the first row goes in again.
  return sql +
         fmt::format(
             "gone AS MATERIALIZED ({0}), placed AS (INSERT INTO {1} ({2}) OVERRIDING SYSTEM VALUE "
             "SELECT {2} FROM (SELECT * FROM gone ORDER BY oxbow_batch, oxbow_row) g ON CONFLICT DO NOTHING "
             "RETURNING {3}) "
             "SELECT g.oxbow_batch, g.oxbow_row, p IS NOT NULL FROM gone g LEFT JOIN placed p ON {4}",
             fmt::join(all_gone, " UNION ALL "), quoted(table.name), fmt::join(names, ", "),
             fmt::join(keys, ", "), fmt::join(same_key, " AND "));
}

std::string BatchSql::remove() const {
  if (!table.has_key) return remove_by_value();
  return fmt::format("DELETE FROM {} AS t USING {} WHERE {} RETURNING s.oxbow_row", quoted(table.name),
                     numbered_rows(), keys_match());
}

// Equal rows are the ones that print the same. That also holds for types without an equality of their own,
// such as json and point, and does not take 1.0 for 1.00. Equal rows are numbered on both sides and paired by
// number.
std::string BatchSql::remove_by_value() const {
  std::vector<std::string> given, stored;
  for (const auto& column : table.columns) {
    given.push_back(fmt::format("{}::{}", value_of(column), column.sql_type));
    stored.push_back("t." + quote_identifier(column.name));
  }
  return fmt::format(
      "WITH given AS MATERIALIZED (SELECT g.oxbow_row, g.image, row_number() OVER (PARTITION BY g.image) AS "
      "nth "
      "FROM (SELECT s.oxbow_row, ROW({0})::text AS image FROM {1}) g), "
      "found AS MATERIALIZED (SELECT f.place, f.part, f.image, row_number() OVER (PARTITION BY f.image) AS "
      "nth "
      "FROM (SELECT t.ctid AS place, t.tableoid AS part, ROW({2})::text AS image FROM {3} AS t) f "
      "WHERE f.image IN (SELECT given.image FROM given)) "
      "DELETE FROM {3} AS t USING given g JOIN found f ON f.image = g.image AND f.nth = g.nth "
      "WHERE t.ctid = f.place AND t.tableoid = f.part RETURNING g.oxbow_row",
      fmt::join(given, ", "), numbered_rows(), fmt::join(stored, ", "), quoted(table.name));
}

std::string BatchSql::missing() const {
  return fmt::format("SELECT s.oxbow_row FROM {} WHERE NOT EXISTS (SELECT FROM {} AS t WHERE {})",
                     numbered_rows(), quoted(table.name), keys_match());
}

}  // namespace oxbow::postgres
