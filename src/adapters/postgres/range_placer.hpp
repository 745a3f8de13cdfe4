// Takes the rows of a range from the stage to their table: what is there and not in the stage goes, what
// differs is written again, what is missing is added, and equal rows are not touched. Rows that the table
// refuses are found by halving. Works in the open transaction of a writer's session; a value of one range.
#pragma once

#include <string>
#include <vector>

#include "adapters/postgres/connection.hpp"
#include "model/row_batch.hpp"
#include "ports/rows.hpp"
#include "ports/target.hpp"

namespace oxbow::postgres {

// The stage of a table: its columns that are written, with the constraints that concern one row. One
// statement after the other.
std::string create_stage_sql(const TargetTable& table, const std::string& stage);

class RangePlacer {
 public:
  // `all_columns`: of the table in the database, generated ones left out.
  RangePlacer(Connection& connection, const TargetTable& table, std::string stage,
              const std::vector<std::string>& all_columns, const RangeRead& rows);

  // `row_rejected`: nothing has happened.
  Task<void> place();

  // REQUIRES: place() was refused, and the transaction will be rolled back.
  Task<std::vector<UnplacedRow>> find_refused();

 private:
  std::string remove_leftovers() const;
  std::string remove_changed() const;
  std::string rewrite_changed() const;
  std::string find_missing() const;
  std::string insert_missing(std::string_view condition) const;
  std::string keys_match() const;
  std::string differs() const;
  std::string images() const;

  Task<void> insert_by_halves(std::vector<std::string> places, std::vector<UnplacedRow>& refused);
  Task<std::string> identity_at(const std::string& place);

  Connection& connection_;
  const TargetTable& table_;
  std::string stage_;
  std::string selection_;
  std::string not_spared_;
  bool beside_other_cohorts_;             // keys of this range may stand there as rows of another
  std::vector<std::string> all_columns_;  // quoted
  std::vector<std::string> columns_;      // quoted; those that are written
  std::vector<std::string> keys_;         // quoted, in the order of the identity; empty: full-row identity
};

}  // namespace oxbow::postgres
