// Readers of tables, out of the server's own views, of its counts and of what hangs on the tables.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "adapters/postgres/connection.hpp"
#include "ports/reader_search.hpp"

namespace oxbow::postgres {

class PgReaderSearch final : public ReaderSearch {
 public:
  PgReaderSearch(ConnectionSettings legacy, ConnectionSettings new_side, std::string migration)
      : legacy_settings_(std::move(legacy)),
        new_settings_(std::move(new_side)),
        migration_(std::move(migration)) {}

  Task<ReadersSeen> look_at_sessions(std::vector<TableName> tables) override;
  Task<ReadersSeen> look(std::vector<TableName> tables) override;

 private:
  Task<Connection*> legacy();
  Task<void> compare_counts(const std::vector<TableName>& tables, ReadersSeen& seen);
  Task<void> compare_statements(const std::vector<TableName>& tables, ReadersSeen& seen);

  ConnectionSettings legacy_settings_, new_settings_;
  std::string migration_;
  std::unique_ptr<Connection> legacy_, new_;

  // By role and statement: how often it had run at the last look.
  std::map<std::string, std::uint64_t> calls_;
  bool knows_calls_ = false;
};

}  // namespace oxbow::postgres
