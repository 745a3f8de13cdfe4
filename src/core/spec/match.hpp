// Which new table or column a legacy one most surely became, by its name. Only what is certain counts as a
// match: one candidate with the same name but for case, underscores and a plural s. A first word that all
// tables of a side share (pgbench_accounts) and a table's own name in front of a column (payment_id and id)
// do not count. Pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "model/catalog.hpp"

namespace oxbow {

// "PaymentItems", "payment_items" and "payment_item" are the same word: "payment item".
std::string normalised_name(std::string_view name);

struct TableMatch {
  const Table* legacy = nullptr;
  const Table* new_side = nullptr;       // null if none or several resemble it
  std::vector<const Table*> candidates;  // where several do
};

struct TableMatches {
  std::vector<TableMatch> tables;   // every legacy table that has to go somewhere
  std::vector<const Table*> unfed;  // new tables that no legacy table resembles
};

// Partitions are left out, their root stands for them; so is schema oxbow.
TableMatches match_tables(const Catalog& legacy, const Catalog& new_side);

struct ColumnMatch {
  const Column* legacy = nullptr;
  const Column* new_side = nullptr;  // null if none resembles it
};

struct ColumnMatches {
  std::vector<ColumnMatch> columns;  // every legacy column that the log carries
  std::vector<const Column*> unfed;  // new columns that have to come from somewhere
};

ColumnMatches match_columns(const Table& legacy, const Table& new_side);

}  // namespace oxbow
