// For whom our sessions wait, out of the server's own views.
#pragma once

#include "adapters/postgres/connection.hpp"
#include "ports/session_watch.hpp"

namespace oxbow::postgres {

class PgSessionWatch final : public SessionWatch {
 public:
  PgSessionWatch(ConnectionSettings settings, std::string migration)
      : settings_(std::move(settings)), migration_(std::move(migration)) {}

  Task<std::vector<SessionWait>> read_waits() override;

 private:
  ConnectionSettings settings_;
  std::string migration_;
  std::unique_ptr<Connection> connection_;
};

}  // namespace oxbow::postgres
