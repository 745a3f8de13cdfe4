#include "adapters/postgres/selection_sql.hpp"

#include <fmt/format.h>

#include "core/cohort/cohorts.hpp"

namespace oxbow::postgres {
namespace {

// A row of several keys compares as the index does only if written as ROW(...); one key is written plainly.
std::string row_of(const std::vector<std::string>& parts) {
  if (parts.size() == 1) return parts.front();
  return fmt::format("ROW({})", fmt::join(parts, ", "));
}

std::string key_sql(const std::vector<KeyColumn>& key) {
  std::vector<std::string> columns;
  for (const auto& column : key) columns.push_back(quote_identifier(column.name));
  return row_of(columns);
}

std::string bound_sql(const std::vector<KeyColumn>& key, const KeyBound& bound) {
  std::vector<std::string> literals;
  for (std::size_t i = 0; i < key.size(); ++i)
    literals.push_back(fmt::format("{}::{}", quote_literal(bound.literals[i]), base_type(key[i].type).sql));
  return row_of(literals);
}

std::string key_predicate(const RangeRead& read) {
  std::vector<std::string> terms;
  auto key = [&] { return key_sql(read.key); };
  if (!read.keys.empty()) {
    std::vector<std::string> bounds;
    for (const auto& bound : read.keys) bounds.push_back(bound_sql(read.key, bound));
    return fmt::format("{} IN ({})", key(), fmt::join(bounds, ", "));
  }
  if (read.range.is_point()) return fmt::format("{} = {}", key(), bound_sql(read.key, read.range.lower));
  if (!read.range.lower.tuple.empty())
    terms.push_back(fmt::format("{} >= {}", key(), bound_sql(read.key, read.range.lower)));
  if (!read.range.upper.tuple.empty())
    terms.push_back(fmt::format("{} < {}", key(), bound_sql(read.key, read.range.upper)));
  return fmt::format("{}", fmt::join(terms, " AND "));
}

}  // namespace

std::string selection_predicate(const RangeRead& read) {
  std::vector<std::string> terms;
  if (auto keys = key_predicate(read); !keys.empty()) terms.push_back(keys);
  if (read.cohorts)
    terms.push_back(cohort_predicate_sql(*read.cohorts, quote_identifier(read.cohorts->table.key_column)));
  return terms.empty() ? "TRUE" : fmt::format("{}", fmt::join(terms, " AND "));
}

std::string select_sql(const RangeRead& read) {
  return fmt::format("SELECT {} FROM {} WHERE {}", fmt::join(read.select, ", "), quoted(read.table),
                     selection_predicate(read));
}

// A row that tells of no cohort is nobody's.
std::string not_spared_sql(const CohortFilter* spared) {
  if (spared == nullptr) return "";
  return fmt::format(" AND ({}) IS NOT TRUE",
                     cohort_predicate_sql(*spared, "t." + quote_identifier(spared->table.key_column)));
}

}  // namespace oxbow::postgres
