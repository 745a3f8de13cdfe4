// Reads what a database says of its own tables, types and indexes. A handful of queries, however many tables.
#pragma once

#include "adapters/postgres/connection.hpp"
#include "model/catalog.hpp"
#include "runtime/task.hpp"

namespace oxbow::postgres {

// Ordinary and partitioned tables of all schemas that are neither the server's nor ours. All queries see one
// moment.
Task<Catalog> read_catalog(Connection& connection);

}  // namespace oxbow::postgres
