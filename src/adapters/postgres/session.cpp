#include "adapters/postgres/session.hpp"

namespace oxbow::postgres {

Task<void> ensure_open(std::unique_ptr<Connection>& connection, ConnectionSettings settings,
                       std::string setup) {
  if (connection && connection->is_still_open()) co_return Status{};
  connection.reset();
  auto fresh = CO_TRY(co_await Connection::open(std::move(settings)));
  if (!setup.empty()) CO_TRY(co_await fresh->exec(std::move(setup)));
  connection = std::move(fresh);
  co_return Status{};
}

}  // namespace oxbow::postgres
