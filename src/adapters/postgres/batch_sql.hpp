// The set-based statements of a target table, as text. Each takes its rows as parameter $1, an array of the
// composite type `rows_type`; those that return rows number them from 1 as s.oxbow_row.
#pragma once

#include <string>
#include <vector>

#include "model/row_batch.hpp"

namespace oxbow::postgres {

struct BatchSql {
  const TargetTable& table;
  std::string rows_type;                 // pg_temp."oxbow_3_1"
  std::vector<std::string> all_columns;  // of the table in the database, generated ones left out
  std::string not_spared = {};           // what is asked of each row beside its key, see not_spared_sql()

  std::string create_type() const;

  std::string insert() const;

  // Sets the columns sent; other columns keep their values.
  std::string update(const std::vector<bool>& sent) const;

  // Updates of several batches at once, the nth in parameter $n, by removing all rows and inserting them
  // again: unique values can change places, and identity columns that are GENERATED ALWAYS can be set.
  // Returns batch and row (each from 1) and whether the row found its place; if one did not, roll back.
  std::string rewrite(const std::vector<std::vector<bool>>& sent_of_batches) const;

  // Returns s.oxbow_row of each row that was there. Without a key, one physical row for each row given.
  std::string remove() const;

  // s.oxbow_row of each row whose key is not in the table. REQUIRES: table.has_key
  std::string missing() const;

 private:
  std::string rows() const;
  std::string numbered_rows(std::size_t parameter = 1) const;
  std::vector<std::string> new_values(const std::vector<bool>& sent) const;
  std::string keys_match() const;
  std::string remove_by_value() const;
};

// True if the database computes something from staged values, so that rows cannot be copied straight into the
// table.
bool needs_staging(const TargetTable& table);

}  // namespace oxbow::postgres
