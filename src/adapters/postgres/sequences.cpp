#include "adapters/postgres/sequences.hpp"

#include <fmt/core.h>

#include "adapters/postgres/array_text.hpp"
#include "adapters/postgres/session.hpp"

namespace oxbow::postgres {
namespace {

// A sequence that a column owns fills it only if it is an identity or the default says so.
constexpr std::string_view kColumnsSql = R"sql(
  SELECT n.nspname, c.relname, a.attname, format('%I.%I', sn.nspname, s.relname), q.seqincrement,
         pg_sequence_last_value(s.oid), q.seqstart,
         least(q.seqmax, CASE coalesce(nullif(y.typbasetype, 0), y.oid)
           WHEN 'int2'::regtype THEN 32767 WHEN 'int4'::regtype THEN 2147483647 ELSE q.seqmax END),
         EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisvalid AND i.indkey[0] = a.attnum)
  FROM unnest($1::text[]) WITH ORDINALITY AS named (name, place)
  JOIN pg_class c ON c.oid = named.name::regclass JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  JOIN pg_type y ON y.oid = a.atttypid
  CROSS JOIN LATERAL (
    SELECT d.objid AS oid FROM pg_depend d
    WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid
      AND d.refobjsubid = a.attnum AND d.deptype = 'i'
    UNION
    SELECT d.refobjid FROM pg_attrdef f
    JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid
      AND d.refclassid = 'pg_class'::regclass
    WHERE f.adrelid = c.oid AND f.adnum = a.attnum) used
  JOIN pg_sequence q ON q.seqrelid = used.oid
  JOIN pg_class s ON s.oid = q.seqrelid JOIN pg_namespace sn ON sn.oid = s.relnamespace
  ORDER BY named.place, a.attnum
)sql";

// Of a column without a sequence: its largest number, where an index leads to it, and the largest that fits.
std::string read_column_sql(const NumberedColumn& column) {
  auto table = quote_literal(quoted(column.table)) + "::regclass";
  auto attribute = fmt::format("a.attrelid = {} AND a.attname = {}", table, quote_literal(column.column));
  return fmt::format(
      "CASE WHEN EXISTS (SELECT FROM pg_index i JOIN pg_attribute a ON {0} AND a.attnum = i.indkey[0] WHERE "
      "i.indrelid = {1} AND i.indisvalid) THEN (SELECT max({2})::bigint FROM {3}) END, "
      "(SELECT CASE coalesce(nullif(y.typbasetype, 0), y.oid) WHEN 'int2'::regtype THEN 32767 WHEN "
      "'int4'::regtype THEN 2147483647 ELSE 9223372036854775807 END FROM pg_attribute a JOIN pg_type y ON "
      "y.oid = a.atttypid WHERE {0})",
      attribute, table, quote_identifier(column.column), quoted(column.table));
}

std::optional<std::int64_t> number_or_none(const Rows& rows, int row, int column) {
  if (rows.is_null(row, column)) return std::nullopt;
  return rows.number(row, column);
}

}  // namespace

Task<std::vector<NumberedColumn>> PgSequences::read(std::vector<TableName> tables) {
  CO_TRY(co_await ensure_open(connection_, settings_, ""));
  std::vector<std::string> names;
  for (const auto& table : tables) names.push_back(quoted(table));
  Rows rows = CO_TRY(co_await connection_->exec_params(std::string(kColumnsSql), {{to_text_array(names)}}));
  std::vector<NumberedColumn> columns;
  for (int row = 0; row < rows.size(); ++row) {
    NumberedColumn column{.table = {rows.text(row, 0), rows.text(row, 1)},
                          .column = rows.text(row, 2),
                          .sequence = rows.text(row, 3),
                          .increment = rows.number(row, 4),
                          .last_given = number_or_none(rows, row, 5),
                          .first = rows.number(row, 6),
                          .largest_possible = rows.number(row, 7),
                          .largest_row = {}};
    if (rows.boolean(row, 8)) {
      Rows largest = CO_TRY(co_await connection_->exec(
          fmt::format("SELECT max({}) FROM {}", quote_identifier(column.column), quoted(column.table))));
      column.largest_row = number_or_none(largest, 0, 0);
    }
    columns.push_back(std::move(column));
  }
  co_return columns;
}

Task<std::vector<NumberedColumn>> PgSequences::read_again(std::vector<NumberedColumn> columns) {
  if (columns.empty()) co_return columns;
  CO_TRY(co_await ensure_open(connection_, settings_, ""));
  std::string sql;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const auto& column = columns[i];
    if (i > 0) sql += " UNION ALL ";
    if (column.sequence.empty()) {
      sql += fmt::format("SELECT {}, NULL::bigint, {}", i, read_column_sql(column));
      continue;
    }
    // A column without a row, or without an index that leads to its largest number, has none to look up.
    auto largest = column.largest_row ? fmt::format("(SELECT max({}) FROM {})",
                                                    quote_identifier(column.column), quoted(column.table))
                                      : std::string("NULL::bigint");
    sql += fmt::format("SELECT {}, pg_sequence_last_value({}::regclass), {}, {}::bigint", i,
                       quote_literal(column.sequence), largest, column.largest_possible);
  }
  Rows rows = CO_TRY(co_await connection_->exec(sql + " ORDER BY 1"));
  for (int row = 0; row < rows.size(); ++row) {
    columns[static_cast<std::size_t>(row)].last_given = number_or_none(rows, row, 1);
    columns[static_cast<std::size_t>(row)].largest_row = number_or_none(rows, row, 2);
    columns[static_cast<std::size_t>(row)].largest_possible = rows.number(row, 3);
  }
  co_return columns;
}

// As if `next` - 1 had been given out: a sequence that has given out nothing would not tell where it stands.
Task<void> PgSequences::advance(NumberedColumn column, std::int64_t next) {
  CO_TRY(co_await ensure_open(connection_, settings_, ""));
  auto sequence = quote_literal(column.sequence) + "::regclass";
  CO_TRY(co_await connection_->exec(
      fmt::format("SELECT setval({0}, {1}) WHERE coalesce(pg_sequence_last_value({0}) < {1}, true)", sequence,
                  next - 1)));
  co_return Status{};
}

}  // namespace oxbow::postgres
