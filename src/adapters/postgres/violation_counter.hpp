// Counts rows in a read-only transaction that the server ends after a while.
#pragma once

#include "adapters/postgres/connection.hpp"
#include "ports/violation_counter.hpp"

namespace oxbow::postgres {

class PgViolationCounter final : public ViolationCounter {
 public:
  PgViolationCounter(ConnectionSettings settings, Duration time_max)
      : settings_(std::move(settings)), time_max_(time_max) {}

  Task<Violations> count(std::string sql) override;

 private:
  Task<Violations> count_within(std::string sql);

  ConnectionSettings settings_;
  Duration time_max_;
  std::unique_ptr<Connection> connection_;
};

}  // namespace oxbow::postgres
