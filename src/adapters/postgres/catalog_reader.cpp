#include "adapters/postgres/catalog_reader.hpp"

#include <unordered_map>

#include "adapters/postgres/array_text.hpp"
#include "adapters/postgres/locked_change.hpp"

namespace oxbow::postgres {
namespace {

using Oid = std::uint32_t;

// The tables in scope, as a subquery that all others join.
constexpr std::string_view kTables = R"sql(
  SELECT c.* FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
    AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'oxbow') AND n.nspname NOT LIKE 'pg\_toast%'
)sql";

constexpr std::string_view kDatabaseSql = R"sql(
  SELECT current_setting('server_version_num'), d.datname, pg_encoding_to_char(d.encoding), d.datcollate,
         to_jsonb(d) ->> 'datlocprovider'
  FROM pg_database d WHERE d.datname = current_database()
)sql";

// The types of all columns and what those are made of. A domain carries the modifier of its base type.
constexpr std::string_view kTypesSql = R"sql(
  WITH RECURSIVE used(oid) AS (
    SELECT a.atttypid FROM pg_attribute a JOIN ({}) c ON c.oid = a.attrelid
    WHERE a.attnum > 0 AND NOT a.attisdropped
    UNION
    SELECT i.oid FROM used u JOIN pg_type t ON t.oid = u.oid
      LEFT JOIN pg_range r ON t.oid IN (r.rngtypid, r.rngmultitypid),
      LATERAL (VALUES (t.typbasetype), (t.typelem), (r.rngsubtype)) i(oid) WHERE i.oid <> 0
  )
  SELECT t.oid, n.nspname, t.typname, format_type(t.oid, NULL), t.typtype, t.typtypmod,
         CASE WHEN t.typtype = 'd' THEN t.typbasetype
              WHEN e.oid IS NOT NULL THEN e.oid
              WHEN r.rngsubtype IS NOT NULL THEN r.rngsubtype ELSE 0 END,
         e.oid IS NOT NULL,
         ARRAY(SELECT l.enumlabel FROM pg_enum l WHERE l.enumtypid = t.oid ORDER BY l.enumsortorder)
  FROM used u JOIN pg_type t ON t.oid = u.oid JOIN pg_namespace n ON n.oid = t.typnamespace
  LEFT JOIN pg_type e ON e.typarray = t.oid
  LEFT JOIN pg_range r ON t.oid IN (r.rngtypid, r.rngmultitypid)
)sql";

// A partitioned table has no rows of its own: its leaves are counted. Before the first ANALYZE there is no
// estimate, and the size must do.
constexpr std::string_view kTablesSql = R"sql(
  WITH t AS MATERIALIZED ({})
  SELECT t.oid, n.nspname, t.relname, t.relreplident, t.relkind = 'p', t.relispartition, ri.relname,
         s.rows, s.bytes
  FROM t JOIN pg_namespace n ON n.oid = t.relnamespace
  LEFT JOIN pg_index i ON i.indrelid = t.oid AND i.indisreplident
  LEFT JOIN pg_class ri ON ri.oid = i.indexrelid,
  LATERAL (
    SELECT sum(CASE WHEN l.reltuples >= 0 THEN l.reltuples ELSE pg_relation_size(l.oid) / 100 END) AS rows,
           sum(pg_table_size(l.oid)) AS bytes
    FROM (SELECT t.oid WHERE t.relkind = 'r'
          UNION ALL SELECT p.relid FROM pg_partition_tree(t.oid) p WHERE t.relkind = 'p' AND p.isleaf) leaf
    JOIN pg_class l ON l.oid = leaf.oid
  ) s
)sql";

constexpr std::string_view kColumnsSql = R"sql(
  SELECT a.attrelid, a.attname, a.atttypid, a.atttypmod, format_type(a.atttypid, a.atttypmod),
         NOT a.attnotnull,
         a.attgenerated <> '', a.attidentity = 'a',
         CASE WHEN a.attgenerated = '' THEN pg_get_expr(d.adbin, d.adrelid) END,
         a.attcollation, l.collname, l.collcollate, a.attidentity = 'd'
  FROM pg_attribute a JOIN ({}) c ON c.oid = a.attrelid
  LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
  LEFT JOIN pg_collation l ON l.oid = a.attcollation
  WHERE a.attnum > 0 AND NOT a.attisdropped
  ORDER BY a.attrelid, a.attnum
)sql";

constexpr std::string_view kIndexesSql = R"sql(
  SELECT i.indrelid, x.relname, i.indisunique, i.indisprimary, i.indpred IS NOT NULL, i.indimmediate,
         i.indisexclusion,
         CASE WHEN i.indexprs IS NULL THEN ARRAY(
           SELECT a.attname::text FROM unnest(i.indkey::int2[]) WITH ORDINALITY k(num, place)
           JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.num
           WHERE k.place <= i.indnkeyatts ORDER BY k.place) ELSE '{{}}' END,
         CASE WHEN i.indisunique OR i.indisexclusion THEN ARRAY(
           SELECT pg_get_indexdef(i.indexrelid, k, false) FROM generate_series(1, i.indnkeyatts) k) END,
         ARRAY(
           SELECT format('OPERATOR(%I.%s)', s.nspname, o.oprname)
           FROM pg_constraint x, unnest(x.conexclop) WITH ORDINALITY e(op, place)
           JOIN pg_operator o ON o.oid = e.op JOIN pg_namespace s ON s.oid = o.oprnamespace
           WHERE x.conindid = i.indexrelid AND x.contype = 'x' ORDER BY e.place),
         CASE WHEN i.indisunique THEN pg_get_expr(i.indpred, i.indrelid)
              WHEN i.indisexclusion THEN pg_get_expr(i.indpred, i.indrelid) END,
         CASE WHEN i.indisunique THEN to_jsonb(i) ->> 'indnullsnotdistinct' END = 'true'
  FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN ({}) c ON c.oid = i.indrelid
  WHERE i.indisvalid AND i.indislive
  ORDER BY i.indrelid, NOT i.indisprimary, x.relname
)sql";

// Those of partitions come from their root.
constexpr std::string_view kForeignKeysSql = R"sql(
  SELECT f.conrelid, f.conname, pn.nspname, pc.relname, f.confmatchtype = 'f',
         ARRAY(SELECT a.attname::text FROM unnest(f.conkey) WITH ORDINALITY k(num, place)
               JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = k.num ORDER BY k.place),
         ARRAY(SELECT a.attname::text FROM unnest(f.confkey) WITH ORDINALITY k(num, place)
               JOIN pg_attribute a ON a.attrelid = f.confrelid AND a.attnum = k.num ORDER BY k.place)
  FROM pg_constraint f JOIN ({}) c ON c.oid = f.conrelid
  JOIN pg_class pc ON pc.oid = f.confrelid JOIN pg_namespace pn ON pn.oid = pc.relnamespace
  WHERE f.contype = 'f' AND f.conparentid = 0
  ORDER BY f.conrelid, f.conname
)sql";

constexpr Oid kDefaultCollation = 100;

bool is_c(std::string_view collate) {
  return collate == "C" || collate == "POSIX";
}

TypeKind kind_of(char typtype, bool is_array) {
  if (is_array) return TypeKind::array;
  switch (typtype) {
    case 'd':
      return TypeKind::domain;
    case 'e':
      return TypeKind::enumeration;
    case 'r':
      return TypeKind::range;
    case 'm':
      return TypeKind::multirange;
    case 'c':
      return TypeKind::composite;
    case 'p':
      return TypeKind::pseudo;
    default:
      return TypeKind::base;
  }
}

class Types {
 public:
  explicit Types(const Rows& rows) {
    for (int row = 0; row < rows.size(); ++row) {
      Entry entry;
      entry.type.oid = rows.number<Oid>(row, 0);
      entry.type.schema = rows.text(row, 1);
      entry.type.name = rows.text(row, 2);
      entry.type.sql = rows.text(row, 3);
      entry.type.kind = kind_of(rows.view(row, 4).front(), rows.boolean(row, 7));
      entry.domain_modifier = rows.number<std::int32_t>(row, 5);
      entry.inner = rows.number<Oid>(row, 6);
      entry.type.labels = parse_text_array(rows.view(row, 8));
      entries_.emplace(entry.type.oid, std::move(entry));
    }
  }

  Type make(Oid oid, std::int32_t modifier) const {
    const Entry& entry = entries_.at(oid);
    Type type = entry.type;
    type.modifier = modifier;
    if (entry.inner != 0 && entries_.contains(entry.inner)) {
      bool is_domain = type.kind == TypeKind::domain;
      type.inner.push_back(make(entry.inner, is_domain ? entry.domain_modifier : -1));
    }
    return type;
  }

 private:
  struct Entry {
    Type type;
    Oid inner = 0;
    std::int32_t domain_modifier = -1;
  };
  std::unordered_map<Oid, Entry> entries_;
};

Table make_table(const Rows& rows, int row) {
  Table table;
  table.name = {rows.text(row, 1), rows.text(row, 2)};
  table.oid = rows.number<Oid>(row, 0);
  table.replica_identity =
      to_replica_identity(rows.view(row, 3).front()).value_or(ReplicaIdentity::default_key);
  table.partitioned = rows.boolean(row, 4);
  table.is_partition = rows.boolean(row, 5);
  table.replica_identity_index = rows.text(row, 6);
  table.estimated_rows = static_cast<double>(rows.number<std::int64_t>(row, 7));
  table.bytes = rows.number<std::uint64_t>(row, 8);
  return table;
}

Column make_column(const Rows& rows, int row, const Types& types, bool database_is_c) {
  Column column;
  column.name = rows.text(row, 1);
  column.type = types.make(rows.number<Oid>(row, 2), rows.number<std::int32_t>(row, 3));
  column.type.sql = rows.text(row, 4);
  column.nullable = rows.boolean(row, 5);
  column.generated = rows.boolean(row, 6);
  column.identity_always = rows.boolean(row, 7);
  column.identity_by_default = rows.boolean(row, 12);
  if (!rows.is_null(row, 8)) column.default_sql = rows.text(row, 8);
  auto collation = rows.number<Oid>(row, 9);
  column.collation = rows.text(row, 10);
  column.collation_is_c =
      collation == 0 || (collation == kDefaultCollation ? database_is_c : is_c(rows.view(row, 11)));
  return column;
}

Index make_index(const Rows& rows, int row) {
  Index index;
  index.name = rows.text(row, 1);
  index.unique = rows.boolean(row, 2);
  index.primary = rows.boolean(row, 3);
  index.partial = rows.boolean(row, 4);
  index.immediate = rows.boolean(row, 5);
  index.exclusion = rows.boolean(row, 6);
  index.columns = parse_text_array(rows.view(row, 7));
  if (!rows.is_null(row, 8)) index.key_sql = parse_text_array(rows.view(row, 8));
  index.operators = parse_text_array(rows.view(row, 9));
  index.predicate_sql = rows.text(row, 10);
  index.nulls_equal = rows.boolean(row, 11);
  return index;
}

ForeignKey make_foreign_key(const Rows& rows, int row) {
  return {.name = rows.text(row, 1),
          .columns = parse_text_array(rows.view(row, 5)),
          .parent = {rows.text(row, 2), rows.text(row, 3)},
          .parent_columns = parse_text_array(rows.view(row, 6)),
          .match_full = rows.boolean(row, 4)};
}

// What the database said, all under one snapshot.
struct Answers {
  Rows database, types, tables, columns, indexes, foreign_keys;
};

// Functions of the server lock the tables they describe, in an order of their own, and some keep that lock:
// it goes with the savepoint.
Task<Rows> ask(Connection& connection, std::string_view sql) {
  CO_TRY(co_await connection.exec("SAVEPOINT look"));
  Rows rows = CO_TRY(co_await connection.exec(fmt::format(fmt::runtime(sql), kTables)));
  CO_TRY(co_await connection.exec("ROLLBACK TO SAVEPOINT look"));
  co_return rows;
}

Task<void> ask(Connection& connection, Answers& answers) {
  answers.database = CO_TRY(co_await connection.exec(std::string(kDatabaseSql)));
  answers.types = CO_TRY(co_await ask(connection, kTypesSql));
  answers.tables = CO_TRY(co_await ask(connection, kTablesSql));
  answers.columns = CO_TRY(co_await ask(connection, kColumnsSql));
  answers.indexes = CO_TRY(co_await ask(connection, kIndexesSql));
  answers.foreign_keys = CO_TRY(co_await ask(connection, kForeignKeysSql));
  co_return Status{};
}

Catalog to_catalog(const Answers& answers) {
  const auto& [database, type_rows, tables, columns, indexes, foreign_keys] = answers;
  Catalog catalog;
  catalog.server_version = database.number<int>(0, 0);
  catalog.database = database.text(0, 1);
  catalog.encoding = database.text(0, 2);
  auto provider = database.view(0, 4);
  bool database_is_c = is_c(database.view(0, 3)) && provider != "i";

  Types types(type_rows);
  std::unordered_map<Oid, Table> by_oid;
  for (int row = 0; row < tables.size(); ++row)
    by_oid.emplace(tables.number<Oid>(row, 0), make_table(tables, row));
  for (int row = 0; row < columns.size(); ++row)
    by_oid.at(columns.number<Oid>(row, 0)).columns.push_back(make_column(columns, row, types, database_is_c));
  for (int row = 0; row < indexes.size(); ++row)
    by_oid.at(indexes.number<Oid>(row, 0)).indexes.push_back(make_index(indexes, row));
  for (int row = 0; row < foreign_keys.size(); ++row)
    by_oid.at(foreign_keys.number<Oid>(row, 0)).foreign_keys.push_back(make_foreign_key(foreign_keys, row));
  for (auto& [oid, table] : by_oid) {
    TableName name = table.name;
    catalog.tables.emplace(std::move(name), std::move(table));
  }
  return catalog;
}

}  // namespace

Task<Catalog> read_catalog(Connection& connection) {
  Answers answers;
  auto look = [&]() -> Task<void> { co_return co_await ask(connection, answers); };
  CO_TRY(co_await look_giving_way(connection, look));
  co_return to_catalog(answers);
}

}  // namespace oxbow::postgres
