// Changes of tables that applications use all the time.
#pragma once

#include <string>

#include "adapters/postgres/connection.hpp"

namespace oxbow::postgres {

// Runs statements in one transaction that waits for each of its locks at most 2 s: a waiting lock makes
// everybody else queue behind it. Tries again for a minute, then `timeout`.
Task<void> change_under_lock(Connection& connection, std::string sql);

}  // namespace oxbow::postgres
