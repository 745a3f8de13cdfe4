#include "core/mapping/identity.hpp"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/text.hpp"

namespace oxbow {
namespace {

bool tells_rows_apart(const Index& index) {
  return index.unique && !index.partial && !index.columns.empty();
}

bool takes_no_null(const Table& table, const std::vector<std::string>& columns) {
  return std::ranges::all_of(columns, [&](const auto& name) {
    const auto* column = table.find_column(name);
    return column && !column->nullable;
  });
}

// The log carries no generated columns.
bool is_logged(const Table& table, const std::vector<std::string>& columns) {
  return std::ranges::none_of(columns, [&](const auto& name) {
    const auto* column = table.find_column(name);
    return column && column->generated;
  });
}

bool same_set(std::vector<std::string> a, std::vector<std::string> b) {
  std::ranges::sort(a);
  std::ranges::sort(b);
  return a == b;
}

// PostgreSQL takes neither a deferrable constraint nor columns with NULL as replica identity.
bool can_be_replica_identity(const Table& table, const Index& index) {
  return tells_rows_apart(index) && index.immediate && takes_no_null(table, index.columns) &&
         is_logged(table, index.columns);
}

Identity by_index(const Index& index) {
  return {.columns = index.columns, .replica_index = index.primary ? "" : index.name, .needs_full = false};
}

// A deferrable primary key still tells rows apart; only the log does not use it.
Identity by_whole_rows(const Index& index) {
  return {.columns = index.columns, .replica_index = "", .needs_full = true};
}

const Index* find_usable(const Table& table) {
  auto usable = [&](const Index& index) { return can_be_replica_identity(table, index); };
  auto primary =
      std::ranges::find_if(table.indexes, [&](const Index& index) { return index.primary && usable(index); });
  if (primary != table.indexes.end()) return &*primary;
  auto any = std::ranges::find_if(table.indexes, usable);
  return any == table.indexes.end() ? nullptr : &*any;
}

std::string unknown_columns(const Table& table, const std::vector<std::string>& columns) {
  std::vector<std::string_view> known;
  for (const auto& column : table.columns) known.push_back(column.name);
  std::string out;
  for (const auto& name : columns) {
    if (table.find_column(name)) continue;
    auto near = nearest_word(name, known);
    out += fmt::format("{}{}{}", out.empty() ? "" : ", ", name,
                       near.empty() ? "" : fmt::format(" (did you mean {}?)", near));
  }
  return out;
}

std::optional<Identity> declared_identity(const TableSpec& spec, const Table& legacy,
                                          std::vector<Problem>& problems) {
  if (auto unknown = unknown_columns(legacy, spec.identity); !unknown.empty()) {
    problems.push_back({spec.mark, fmt::format("{} has no column {}, which identity names",
                                               to_string(legacy.name), unknown)});
    return std::nullopt;
  }
  const Index* fallback = nullptr;
  for (const auto& index : legacy.indexes) {
    if (!same_set(index.columns, spec.identity)) continue;
    if (can_be_replica_identity(legacy, index)) return by_index(index);
    if (tells_rows_apart(index) && takes_no_null(legacy, index.columns) && is_logged(legacy, index.columns))
      fallback = &index;
  }
  if (fallback) return by_whole_rows(*fallback);
  problems.push_back(
      {spec.mark,
       fmt::format("{} has no unique index on exactly ({}) with NOT NULL columns: create one, or write "
                   "identity: full-row",
                   to_string(legacy.name), fmt::join(spec.identity, ", "))});
  return std::nullopt;
}

}  // namespace

std::optional<Identity> choose_identity(const TableSpec& spec, const Table& legacy,
                                        std::vector<Problem>& problems) {
  if (spec.identity_is_full_row) return Identity{.columns = {}, .replica_index = "", .needs_full = true};
  if (!spec.identity.empty()) return declared_identity(spec, legacy, problems);
  if (const auto* index = find_usable(legacy)) return by_index(*index);
  if (const auto* primary = legacy.primary_key(); primary && is_logged(legacy, primary->columns))
    return by_whole_rows(*primary);
  problems.push_back(
      {spec.mark,
       fmt::format("nothing tells the rows of {} apart: it has no primary key and no unique index that is "
                   "neither partial nor deferrable and whose columns are NOT NULL and not generated. Write "
                   "identity: [columns] of an index that you know better, or identity: full-row, or list "
                   "the table under exclude",
                   to_string(legacy.name))});
  return std::nullopt;
}

bool is_unique_key(const Table& table, std::vector<std::string> columns) {
  return std::ranges::any_of(table.indexes, [&](const Index& index) {
    return tells_rows_apart(index) && same_set(index.columns, columns);
  });
}

bool rows_exclude_each_other(const Table& table, std::vector<std::string> key) {
  return std::ranges::any_of(table.indexes, [&](const Index& index) {
    return index.exclusion || (index.unique && !same_set(index.columns, key));
  });
}

}  // namespace oxbow
