// Tries rows on a temporary twin of a table: nothing is logged, nothing stays, and nobody else sees it. Where
// SQL computes columns, rows are staged in a second temporary table and computed from there.
#pragma once

#include "adapters/postgres/connection.hpp"
#include "ports/row_trial.hpp"

namespace oxbow::postgres {

class PgRowTrial final : public RowTrial {
 public:
  explicit PgRowTrial(ConnectionSettings settings) : settings_(std::move(settings)) {}

  Task<void> begin(const TargetTable& table) override;
  Task<std::optional<std::string>> refusal(std::string_view tuples) override;

 private:
  Task<void> stage(const TargetTable& table);
  Task<void> check_expressions(const TargetTable& table);
  Task<void> take(std::string_view tuples);

  ConnectionSettings settings_;
  std::unique_ptr<Connection> connection_;
  std::string copy_;     // where tuples go
  std::string compute_;  // and how they get into the twin from there; empty: they are in it already
};

}  // namespace oxbow::postgres
