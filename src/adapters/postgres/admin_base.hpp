// What administration of either side has in common: one session, which is opened when it is needed, and what
// the database says of itself.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "adapters/postgres/catalog_reader.hpp"
#include "adapters/postgres/connection.hpp"
#include "adapters/postgres/server_facts.hpp"
#include "ports/admin.hpp"

namespace oxbow::postgres {

template <class Port>
class AdminBase : public Port {
 public:
  AdminBase(ConnectionSettings settings, std::string migration)
      : settings_(std::move(settings)), migration_(std::move(migration)) {}

  Task<Catalog> read_catalog() final {
    auto* connection = CO_TRY(co_await session());
    co_return co_await postgres::read_catalog(*connection);
  }

  Task<ServerFacts> read_facts(std::vector<TableName> tables) final {
    auto* connection = CO_TRY(co_await session());
    co_return co_await postgres::read_facts(*connection, migration_, std::move(tables));
  }

 protected:
  virtual Task<Connection*> session() = 0;

  ConnectionSettings settings_;
  std::string migration_;
  std::unique_ptr<Connection> connection_;
};

}  // namespace oxbow::postgres
