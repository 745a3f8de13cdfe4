// Reads a database at one moment, by COPY (SELECT ...) in a REPEATABLE READ transaction.
#pragma once

#include "adapters/postgres/connection.hpp"
#include "ports/rows.hpp"

namespace oxbow::postgres {

class PgSnapshotReader final : public SnapshotReader {
 public:
  explicit PgSnapshotReader(ConnectionSettings settings) : settings_(std::move(settings)) {}

  Task<Snapshot> begin(std::vector<TableName> tables) override;
  Task<void> end() override;
  Task<Lsn> log_position() override;
  Task<std::unique_ptr<RowReader>> open(RangeRead read) override;
  Task<void> cancel() override;

 private:
  ConnectionSettings settings_;
  std::unique_ptr<Connection> connection_;
  bool in_transaction_ = false;
};

}  // namespace oxbow::postgres
