// Work on tables that applications use all the time, and whose locks they want.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "adapters/postgres/connection.hpp"

namespace oxbow::postgres {

// Runs statements in one transaction that waits for each of its locks at most 1 s: a waiting lock makes
// everybody else queue behind it. Leaves as much time to the application and tries again; after a minute,
// `timeout`. Who stops waiting for the answer has not stopped the server: the change may still happen up to a
// second later, also beside the next attempt.
Task<void> change_under_lock(Connection& connection, std::string sql);

// The same with a single try of a moment; false if somebody holds a lock that it needs.
Task<bool> change_if_free(Connection& connection, std::string sql);

// A transaction that looks at tables: waits for a lock only so briefly that a session which waits for ours
// meanwhile is not taken for the loser of a deadlock, then gives all of its own back and begins again.
// `timeout` after a minute of tries. `look` runs inside the transaction.
Task<void> look_giving_way(Connection& connection, std::function<Task<void>()> look);

// The same with one query.
Task<Rows> query_giving_way(Connection& connection, std::string sql, std::vector<Param> params);

}  // namespace oxbow::postgres
