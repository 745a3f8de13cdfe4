// Partitions that are not there yet. PostgreSQL gives each new one the default identity, whatever its table
// has, and where the table has no primary key, every UPDATE and DELETE of the application fails there. An
// event trigger gives it ours in the transaction that creates or attaches it; only a superuser can install
// one.
#pragma once

#include <string>
#include <vector>

#include "adapters/postgres/connection.hpp"
#include "ports/admin.hpp"

namespace oxbow::postgres {

// Does nothing for a table without partitions, or where our role may not: then a new partition waits until
// change_identity() comes to it. REQUIRES: schema oxbow is installed.
Task<void> keep_leaf_identity(Connection& connection, std::string migration, IdentityChange change);

Task<void> drop_leaf_identity(Connection& connection, std::string migration, std::vector<std::string>& done);

}  // namespace oxbow::postgres
