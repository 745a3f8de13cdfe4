// Cuts a table into key ranges of similar size.
#pragma once

#include <cstdint>
#include <vector>

#include "adapters/postgres/connection.hpp"
#include "model/key_range.hpp"

namespace oxbow::postgres {

// Ascending bounds. From a sample of the table's pages where it is large, exactly where it is small. Empty
// where one range is enough, or where the order is not known.
Task<std::vector<KeyBound>> plan_ranges(Connection& connection, TableName table, std::vector<KeyColumn> key,
                                        std::uint64_t rows_per_range);

}  // namespace oxbow::postgres
