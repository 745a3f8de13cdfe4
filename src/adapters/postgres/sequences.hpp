// Sequences of PostgreSQL: of serial and identity columns, and those that a default names.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "adapters/postgres/connection.hpp"
#include "ports/sequences.hpp"

namespace oxbow::postgres {

class PgSequences final : public Sequences {
 public:
  explicit PgSequences(ConnectionSettings settings) : settings_(std::move(settings)) {}

  Task<std::vector<NumberedColumn>> read(std::vector<TableName> tables) override;
  Task<std::vector<NumberedColumn>> read_again(std::vector<NumberedColumn> columns) override;
  Task<void> advance(NumberedColumn column, std::int64_t next) override;

 private:
  ConnectionSettings settings_;
  std::unique_ptr<Connection> connection_;
};

}  // namespace oxbow::postgres
