// Tries rows on a temporary twin of a table: nothing is logged, nothing stays, and nobody else sees it.
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
  Task<void> copy(std::string_view tuples);

  ConnectionSettings settings_;
  std::unique_ptr<Connection> connection_;
  std::string columns_;
};

}  // namespace oxbow::postgres
