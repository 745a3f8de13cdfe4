// What a database says of its own tables: the part of its catalog that decides whether and how a row can be
// carried. Read once per connection by an adapter; values afterwards.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace oxbow {

struct TableName {
  std::string schema;
  std::string name;

  friend auto operator<=>(const TableName&, const TableName&) = default;
};

std::string to_string(const TableName& name);         // public.payments, for people
std::string quoted(const TableName& name);            // "public"."payments", for SQL
std::string quote_identifier(std::string_view name);  // "na""me"
std::string quote_literal(std::string_view text);  // 'it''s', safe whatever standard_conforming_strings says

enum class TypeKind { base, domain, enumeration, array, range, multirange, composite, pseudo };

// A data type as one database knows it. Built-in types have the same oid everywhere; others have not.
struct Type {
  std::uint32_t oid = 0;
  std::int32_t modifier = -1;
  std::string schema;
  std::string name;  // "int8", "numeric", "payment_state"
  std::string sql;   // as format_type() prints it: "numeric(10,2)"
  TypeKind kind = TypeKind::base;
  std::vector<std::string> labels;  // of an enumeration, in order
  std::vector<Type> inner;          // base of a domain, element of an array, subtype of a range: exactly one

  bool is_builtin() const { return schema == "pg_catalog"; }
  friend bool operator==(const Type&, const Type&) = default;
};

// The type below any domains.
const Type& base_type(const Type& type);

// Two values of these types with the same bytes are the same value, and each type takes all values of the
// other. Enumerations compare by labels; arrays of non-built-in types carry an oid and are equal only if
// re-stamped.
bool same_values(const Type& a, const Type& b);

struct Column {
  std::string name;
  Type type;
  bool nullable = true;
  bool generated = false;  // GENERATED ALWAYS AS (...) STORED: not in the log, not writable
  bool identity_always = false;
  bool identity_by_default = false;
  std::optional<std::string> default_sql;
  bool collation_is_c = true;  // false: this column's order is that of a locale
  std::string collation;

  friend bool operator==(const Column&, const Column&) = default;
};

struct Index {
  std::string name;
  std::vector<std::string> columns;  // empty if the index is on an expression
  bool unique = false;
  bool primary = false;
  bool partial = false;
  bool immediate = true;  // false: a deferrable constraint
  bool exclusion =
      false;  // an exclusion constraint: `columns` need not be equal to stand in each other's way

  // Of a unique index or an exclusion constraint.
  std::vector<std::string> key_sql;    // what is compared, over the columns of the table
  std::vector<std::string> operators;  // by which, for exclusion
  std::string predicate_sql;           // which rows, if it is partial
  bool nulls_equal = false;

  friend bool operator==(const Index&, const Index&) = default;
};

struct ForeignKey {
  std::string name;
  std::vector<std::string> columns;
  TableName parent;
  std::vector<std::string> parent_columns;
  bool match_full = false;  // all columns are NULL, or none

  friend bool operator==(const ForeignKey&, const ForeignKey&) = default;
};

// What the log holds of an old row, by the letter that both the catalog and the log use for it.
enum class ReplicaIdentity : char { default_key = 'd', nothing = 'n', full = 'f', index = 'i' };

std::optional<ReplicaIdentity> to_replica_identity(char letter);

struct Table {
  TableName name;
  std::uint32_t oid = 0;  // another one means that the table was made anew, or that another took its name
  std::vector<Column> columns;
  std::vector<Index> indexes;
  std::vector<ForeignKey> foreign_keys;
  ReplicaIdentity replica_identity = ReplicaIdentity::default_key;
  std::string replica_identity_index;
  bool partitioned = false;
  bool is_partition = false;  // its root carries it
  double estimated_rows = 0;
  std::uint64_t bytes = 0;

  const Column* find_column(std::string_view column) const;
  std::optional<std::size_t> column_index(std::string_view column) const;
  const Index* primary_key() const;

  friend bool operator==(const Table&, const Table&) = default;
};

struct Catalog {
  int server_version = 0;  // 150020
  std::string database;
  std::string encoding;
  std::map<TableName, Table> tables;

  const Table* find(const TableName& name) const;
};

}  // namespace oxbow
