// What the ports of this adapter share: a session that opens itself when it is needed.
#pragma once

#include <memory>
#include <string>

#include "adapters/postgres/connection.hpp"

namespace oxbow::postgres {

// Opens `connection` if it is not open, or was ended from outside while it rested, and then runs `setup` on
// it (which may be empty).
Task<void> ensure_open(std::unique_ptr<Connection>& connection, ConnectionSettings settings,
                       std::string setup);

}  // namespace oxbow::postgres
