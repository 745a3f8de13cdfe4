// Reads of what a table consists of, and how old its rows are. The catalogs say by which transaction each of
// their rows was written, and so do the table's own rows: nothing has to be installed for that.
#pragma once

#include "adapters/postgres/connection.hpp"
#include "model/table_parts.hpp"
#include "runtime/task.hpp"

namespace oxbow::postgres {

// In the order of `tables`. Waits for nobody's lock.
Task<PartsLook> look_at_parts(Connection& connection, std::vector<TableName> tables);

Task<OldRows> find_old_rows(Connection& connection, TableName part, std::uint32_t xid, std::uint32_t command);

}  // namespace oxbow::postgres
