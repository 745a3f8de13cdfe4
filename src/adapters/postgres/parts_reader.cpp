#include "adapters/postgres/parts_reader.hpp"

#include <fmt/format.h>

#include "adapters/postgres/array_text.hpp"

namespace oxbow::postgres {
namespace {

// All from catalogs under one snapshot. A column of a table that was created as a partition is still as it
// was written together with the table's own row type; attaching a table writes all of its columns anew. A
// transaction below the snapshot's xmin has ended.
constexpr std::string_view kPartsSql = R"sql(
  WITH RECURSIVE named AS (
    SELECT n.place, c.oid AS root FROM unnest($1::text[], $2::text[]) WITH ORDINALITY n(schema, name, place)
    LEFT JOIN pg_namespace s ON s.nspname = n.schema
    LEFT JOIN pg_class c ON c.relnamespace = s.oid AND c.relname = n.name AND c.relkind IN ('r', 'p')),
  tree(place, root, oid, parent, linked_by, linked_at) AS (
    SELECT place, root, root, 0::oid, '0'::xid, '0'::cid FROM named
    UNION ALL
    SELECT t.place, t.root, i.inhrelid, i.inhparent, i.xmin, i.cmin
    FROM tree t JOIN pg_inherits i ON i.inhparent = t.oid AND NOT i.inhdetachpending
    JOIN pg_class c ON c.oid = i.inhrelid AND c.relispartition)
  SELECT t.place, coalesce(t.root, 0), c.oid, t.parent, n.nspname, c.relname,
         CASE WHEN c.relkind = 'r' THEN c.relfilenode ELSE 0 END, c.xmin, t.linked_by, t.linked_at,
         EXISTS (SELECT FROM pg_type y JOIN pg_attribute a ON a.attrelid = y.typrelid AND a.attnum > 0
                 WHERE y.oid = c.reltype AND a.xmin = y.xmin AND a.cmin = y.cmin),
         c.reltuples >= 0,
         ARRAY(SELECT (a.attnum::bigint << 32) + a.xmin::text::bigint FROM pg_attribute a
               WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
         pg_snapshot_xmin(pg_current_snapshot())
  FROM tree t LEFT JOIN pg_class c ON c.oid = t.oid LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
  ORDER BY t.place, t.oid
)sql";

// Rows of before stand first in a file: what came later stands behind them, or where some were deleted.
constexpr int kPagesMax = 10'000;

constexpr std::string_view kOldRowsSql = R"sql(
  SELECT EXISTS (SELECT FROM ONLY {0} WHERE ctid < '({1},0)' AND (age(xmin) > age($1::xid)
                 OR xmin = $1::xid AND cmin::text::bigint < $2::bigint)),
         EXISTS (SELECT FROM ONLY {0} WHERE ctid < '({1},0)'),
         pg_relation_size($3::regclass) > {1} * current_setting('block_size')::bigint
)sql";

TablePart part_of(const Rows& rows, int row) {
  TablePart part{.oid = rows.number<std::uint32_t>(row, 2),
                 .parent = rows.number<std::uint32_t>(row, 3),
                 .name = {rows.text(row, 4), rows.text(row, 5)},
                 .file = rows.number<std::uint32_t>(row, 6),
                 .changed_by = rows.number<std::uint32_t>(row, 7),
                 .linked_by = rows.number<std::uint32_t>(row, 8),
                 .linked_at = rows.number<std::uint32_t>(row, 9),
                 .born_here = rows.boolean(row, 10),
                 .counted = rows.boolean(row, 11),
                 .seen_before = Xid(rows.number<std::uint64_t>(row, 13))};
  for (const auto& column : parse_text_array(rows.view(row, 12))) part.columns.push_back(std::stoull(column));
  return part;
}

}  // namespace

Task<PartsLook> look_at_parts(Connection& connection, std::vector<TableName> tables) {
  PartsLook look;
  std::vector<std::string> schemas, names;
  for (auto& table : tables) {
    schemas.push_back(table.schema);
    names.push_back(table.name);
    look.tables.push_back({.table = std::move(table), .oid = 0, .parts = {}});
  }
  Rows rows = CO_TRY(co_await connection.exec_params(std::string(kPartsSql),
                                                     {{to_text_array(schemas)}, {to_text_array(names)}}));
  for (int row = 0; row < rows.size(); ++row) {
    auto& table = look.tables[rows.number<std::size_t>(row, 0) - 1];
    table.oid = rows.number<std::uint32_t>(row, 1);
    if (!rows.is_null(row, 2)) table.parts.push_back(part_of(rows, row));
  }
  Rows at = CO_TRY(co_await connection.exec("SELECT pg_current_wal_insert_lsn()"));
  look.at = CO_TRY(parse_lsn(at.view(0, 0)));
  co_return look;
}

Task<OldRows> find_old_rows(Connection& connection, TableName part, std::uint32_t xid,
                            std::uint32_t command) {
  auto name = quoted(part);
  Rows rows =
      CO_TRY(co_await connection.exec_params(fmt::format(fmt::runtime(kOldRowsSql), name, kPagesMax),
                                             {{std::to_string(xid)}, {std::to_string(command)}, {name}}));
  if (rows.boolean(0, 0)) co_return OldRows::some;
  if (rows.boolean(0, 2)) co_return OldRows::unknown;
  co_return rows.boolean(0, 1) ? OldRows::none : OldRows::empty;
}

}  // namespace oxbow::postgres
