// What a server lets us do.
#pragma once

#include <vector>

#include "adapters/postgres/connection.hpp"
#include "model/server_facts.hpp"

namespace oxbow::postgres {

// Tables that do not exist are left out; the catalog tells.
Task<ServerFacts> read_facts(Connection& connection, std::string migration, std::vector<TableName> tables);

}  // namespace oxbow::postgres
