#include "core/spec/row_constraints.hpp"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>

#include "base/text.hpp"

namespace oxbow {
namespace {

// Columns of an image beside those of the new table.
constexpr std::string_view kExample = "\"oxbow example\"";
constexpr std::string_view kPlace = "\"oxbow place\"";

const ComparedColumn* find_compared(const TableMapping& mapping, std::string_view column) {
  auto at = std::ranges::find(mapping.compared, column, &ComparedColumn::name);
  return at == mapping.compared.end() ? nullptr : &*at;
}

// The type that decides which values are equal, without a length or scale that could cut them. An enumeration
// need not exist on the legacy side.
std::string type_of_values(const Type& type) {
  const auto& base = base_type(type);
  if (base.kind == TypeKind::enumeration) return "pg_catalog.text";
  return fmt::format("{}.{}", quote_identifier(base.schema), quote_identifier(base.name));
}

// "payment_id=4711", of the legacy row.
std::string example_sql(const TableMapping& mapping) {
  std::string sql;
  for (const auto& column : mapping.source_key)
    sql += fmt::format("{}{} || {}::pg_catalog.text", sql.empty() ? "" : " || ",
                       quote_literal(fmt::format("{}{}=", sql.empty() ? "" : ", ", column.name)),
                       quote_identifier(column.name));
  return sql.empty() ? "'a row'" : sql;
}

// The rows of a legacy table as they will stand in the new one, under the new table's name.
std::string image_sql(const MappedTable& table) {
  std::string columns;
  for (const auto& compared : table.mapping->compared) {
    const auto* column = table.new_side->find_column(compared.name);
    columns += fmt::format("({})::{} AS {}, ", compared.legacy_sql, type_of_values(column->type),
                           quote_identifier(compared.name));
  }
  return fmt::format("(SELECT {}{} AS {}, ROW(tableoid, ctid)::pg_catalog.text AS {} FROM {}) AS {}", columns,
                     example_sql(*table.mapping), kExample, kPlace, quoted(table.legacy->name),
                     quote_identifier(table.new_side->name.name));
}

// The rows that a constraint speaks of, with what it compares as k1, k2, ...
std::string keys_sql(const MappedTable& table, const std::vector<std::string>& keys,
                     const std::string& predicate) {
  std::string columns;
  for (std::size_t i = 0; i < keys.size(); ++i) columns += fmt::format("({}) AS k{}, ", keys[i], i + 1);
  return fmt::format("SELECT {}{} AS example, {} AS place FROM {}{}", columns, kExample, kPlace,
                     image_sql(table), predicate.empty() ? "" : fmt::format(" WHERE {}", predicate));
}

std::vector<std::string> quoted_all(const std::vector<std::string>& names) {
  std::vector<std::string> out;
  for (const auto& name : names) out.push_back(quote_identifier(name));
  return out;
}

// "k1 IS NOT NULL AND k2 IS NOT NULL", from a pattern with {} for the number.
std::string for_each_key(std::size_t keys, fmt::format_string<std::size_t&> pattern,
                         std::string_view between) {
  std::vector<std::string> terms;
  for (std::size_t i = 1; i <= keys; ++i) terms.push_back(fmt::format(pattern, i));
  return fmt::format("{}", fmt::join(terms, between));
}

// "email=a@b.c", of the values compared.
std::string values_sql(const std::vector<std::string>& names, std::string_view row) {
  std::vector<std::string> terms;
  for (std::size_t i = 0; i < names.size(); ++i)
    terms.push_back(fmt::format("{} || coalesce({}k{}::pg_catalog.text, 'NULL')",
                                quote_literal(names[i] + "="), row, i + 1));
  return fmt::format("{}", fmt::join(terms, " || ', ' || "));
}

std::string counted(std::string_view bad, std::string_view count) {
  return fmt::format(
      "WITH bad AS MATERIALIZED ({} LIMIT {}) SELECT (SELECT {} FROM bad), example FROM bad ORDER BY example "
      "LIMIT {}",
      bad, kRefusalsCountedMax, count, kRefusalSamples);
}

std::string unique_sql(const MappedTable& table, const Index& index) {
  auto size = index.key_sql.size();
  auto names = index.columns.empty() ? index.key_sql : index.columns;
  auto filter = index.nulls_equal ? std::string()
                                  : fmt::format(" WHERE {}", for_each_key(size, "k{} IS NOT NULL", " AND "));
  return counted(
      fmt::format("SELECT count(*) AS rows, {} || ': ' || count(*) || ' rows' AS example FROM ({}) AS t{} "
                  "GROUP BY {} HAVING count(*) > 1",
                  values_sql(names, ""), keys_sql(table, index.key_sql, index.predicate_sql), filter,
                  for_each_key(size, "k{}", ", ")),
      "sum(rows - 1)");
}

std::string exclusion_sql(const MappedTable& table, const Index& index) {
  auto rows = keys_sql(table, index.key_sql, index.predicate_sql);
  std::string clash;
  for (std::size_t i = 0; i < index.operators.size(); ++i)
    clash += fmt::format(" AND a.k{0} {1} b.k{0}", i + 1, index.operators[i]);
  auto names = index.columns.empty() ? index.key_sql : index.columns;
  return counted(fmt::format("SELECT a.example || ': ' || {} AS example FROM ({}) AS a WHERE EXISTS (SELECT "
                             "FROM ({}) AS b WHERE a.place <> b.place{})",
                             values_sql(names, "a."), rows, rows, clash),
                 "count(*)");
}

std::string foreign_key_sql(const MappedTable& child, const MappedTable& parent, const ForeignKey& key) {
  auto size = key.columns.size();
  auto has_no_partner = fmt::format("NOT EXISTS (SELECT FROM ({}) AS p WHERE {})",
                                    keys_sql(parent, quoted_all(key.parent_columns), ""),
                                    for_each_key(size, "p.k{0} = c.k{0}", " AND "));
  auto all_there = for_each_key(size, "c.k{} IS NOT NULL", " AND ");
  auto none_there = for_each_key(size, "c.k{} IS NULL", " AND ");
  auto refused = key.match_full
                     ? fmt::format("NOT ({}) AND (NOT ({}) OR {})", none_there, all_there, has_no_partner)
                     : fmt::format("{} AND {}", all_there, has_no_partner);
  return counted(
      fmt::format("SELECT c.example || ': ' || {} AS example FROM ({}) AS c WHERE {}",
                  values_sql(key.columns, "c."), keys_sql(child, quoted_all(key.columns), ""), refused),
      "count(*)");
}

// The legacy column that arrives in a new one byte for byte, in a type that means the same.
std::optional<std::string> legacy_column_of(const MappedTable& table, std::string_view new_column) {
  const auto& [mapping, legacy, new_side] = table;
  for (std::size_t i = 0; i < mapping->target.columns.size(); ++i) {
    if (mapping->target.columns[i].name != new_column || !mapping->target.columns[i].sql.empty()) continue;
    if (!mapping->programs[i].is_pass_through()) return std::nullopt;
    const auto& name = mapping->source_columns[mapping->programs[i].reads.front()];
    const auto* from = legacy->find_column(name);
    const auto* to = new_side->find_column(new_column);
    bool same_meaning = base_type(from->type).is_builtin() && same_values(from->type, to->type) &&
                        from->collation == to->collation;
    return same_meaning ? std::optional(name) : std::nullopt;
  }
  return std::nullopt;
}

// What a legacy unique index holds apart stays apart: the identity of rows, and columns that arrive as they
// are.
bool is_implied(const MappedTable& table, const Index& index) {
  if (index.columns.empty() || index.nulls_equal) return false;
  auto has = [&](const std::string& column) { return std::ranges::count(index.columns, column) > 0; };
  const auto& key = table.mapping->target_key;
  if (!key.empty() && std::ranges::all_of(key, [&](const auto& column) { return has(column.name); }))
    return true;
  std::vector<std::string> carried;
  for (const auto& column : index.columns)
    if (auto from = legacy_column_of(table, column)) carried.push_back(*from);
  return std::ranges::any_of(table.legacy->indexes, [&](const Index& legacy) {
    return legacy.unique && !legacy.partial && !legacy.columns.empty() &&
           std::ranges::all_of(legacy.columns,
                               [&](const auto& column) { return std::ranges::count(carried, column) > 0; });
  });
}

std::string list(const std::vector<std::string>& names) {
  return fmt::format("({})", fmt::join(names, ", "));
}

// A column that the new database fills by itself has no image on the legacy side.
std::string not_mapped(const MappedTable& table, const std::vector<std::string>& columns) {
  for (const auto& column : columns)
    if (!find_compared(*table.mapping, column))
      return fmt::format("{}.{} is filled by the new database", to_string(table.new_side->name), column);
  return {};
}

ConstraintQuestion ask_index(const MappedTable& table, const Index& index) {
  ConstraintQuestion question{
      .constraint = fmt::format("{} {} {} of {}", index.exclusion ? "exclusion constraint" : "unique index",
                                index.name, list(index.key_sql), to_string(table.new_side->name)),
      .legacy = table.legacy->name};
  question.why_unknown = not_mapped(table, index.columns);
  if (question.why_unknown.empty())
    question.sql = index.exclusion ? exclusion_sql(table, index) : unique_sql(table, index);
  return question;
}

ConstraintQuestion ask_foreign_key(const MappedTable& child, const ForeignKey& key,
                                   const std::vector<MappedTable>& tables) {
  ConstraintQuestion question{.constraint = fmt::format("foreign key {} {} of {}", key.name,
                                                        list(key.columns), to_string(child.new_side->name)),
                              .is_foreign_key = true,
                              .legacy = child.legacy->name};
  auto parent = std::ranges::find_if(
      tables, [&](const MappedTable& table) { return table.new_side->name == key.parent; });
  question.why_unknown = not_mapped(child, key.columns);
  if (question.why_unknown.empty() && parent == tables.end())
    question.why_unknown =
        fmt::format("it refers to {}, which this migration does not fill", to_string(key.parent));
  if (question.why_unknown.empty()) question.why_unknown = not_mapped(*parent, key.parent_columns);
  if (question.why_unknown.empty()) question.sql = foreign_key_sql(child, *parent, key);
  return question;
}

}  // namespace

std::vector<ConstraintQuestion> questions_on_constraints(const std::vector<MappedTable>& tables) {
  std::vector<ConstraintQuestion> questions;
  for (const auto& table : tables) {
    for (const auto& index : table.new_side->indexes) {
      bool demands = index.unique || index.exclusion;
      if (demands && !is_implied(table, index)) questions.push_back(ask_index(table, index));
    }
    for (const auto& key : table.new_side->foreign_keys)
      questions.push_back(ask_foreign_key(table, key, tables));
  }
  return questions;
}

PreflightItem judge(const ConstraintQuestion& question, const ConstraintAnswer& answer) {
  using enum PreflightItem::Verdict;
  auto legacy = to_string(question.legacy);
  PreflightItem item{.side = Side::new_side};
  if (!answer.why_unknown.empty()) {
    item.verdict = unknown;
    item.sentence = fmt::format("how many rows of {} break {} was not counted: {}", legacy,
                                question.constraint, answer.why_unknown);
    if (!question.sql.empty())
      item.remedy = fmt::format("ask the legacy database in a quiet hour: {}", question.sql);
    return item;
  }
  if (answer.rows == 0) {
    item.sentence = fmt::format("no row of {} breaks {}", legacy, question.constraint);
    return item;
  }
  item.verdict = refusal;
  item.sentence =
      fmt::format("{}{} rows of {} break {}", answer.rows >= kRefusalsCountedMax ? "at least " : "",
                  human_count(answer.rows), legacy, question.constraint);
  if (question.is_foreign_key)
    item.sentence +=
        "; they would be written all the same, since no foreign key is enforced while oxbow writes";
  for (const auto& sample : answer.samples) item.sentence += fmt::format("\n{:15}{}", "", sample);
  item.remedy = question.is_foreign_key ? "mend these rows, or drop the foreign key"
                                        : "mend these rows, or map their values, or drop the constraint";
  return item;
}

}  // namespace oxbow
