// What tells the rows of a table apart, and what the legacy database must log so that a change names its row.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/mapping/mapping.hpp"

namespace oxbow {

struct Identity {
  std::vector<std::string> columns;  // legacy columns, in the order of their index; empty: the full row
  std::string replica_index;         // unique index to be named as replica identity; empty: the primary key
  bool needs_full = false;           // nothing but whole old rows will do
};

// None, and a Problem with the choices, if rows cannot be told apart.
std::optional<Identity> choose_identity(const TableSpec& spec, const Table& legacy,
                                        std::vector<Problem>& problems);

// True if a unique index of the new table, valid for all rows, has exactly these columns.
bool is_unique_key(const Table& table, std::vector<std::string> columns);

// True if rows that differ in `key` may still exclude each other.
bool rows_exclude_each_other(const Table& table, std::vector<std::string> key);

}  // namespace oxbow
