// Transactions that hold locks which say that they write, or are about to, out of the server's own views.
#pragma once

#include <string>
#include <vector>

#include "adapters/postgres/connection.hpp"
#include "ports/guards.hpp"

namespace oxbow::postgres {

// `condition` is SQL about a granted lock `l`. Our own sessions are among them: what a session calls itself
// proves nothing.
Task<std::vector<WriterAtWork>> writers_where(Connection& connection, std::string condition,
                                              std::vector<Param> params);

}  // namespace oxbow::postgres
