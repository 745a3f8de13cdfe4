// Follows the log of a database through a replication slot.
#pragma once

#include "adapters/postgres/connection.hpp"
#include "ports/log.hpp"

namespace oxbow::postgres {

class PgLogStream final : public LogStream {
 public:
  // Begins at `start`, or where the slot was last confirmed if that is later. Connects with the first read().
  PgLogStream(ConnectionSettings settings, std::string migration, Lsn start, LargeTransactions large);
  ~PgLogStream() override;

  Task<void> read(std::vector<LogEvent>& out) override;
  bool idle() const override;
  void confirm(Lsn position) override;

 private:
  struct State;  // shared with the timer that keeps the server informed while nobody reads
  Task<void> start();
  Task<void> decide(std::vector<LogEvent>& out);

  ConnectionSettings settings_;
  std::string migration_;
  Lsn start_;
  LargeTransactions large_;
  std::shared_ptr<State> state_;
};

}  // namespace oxbow::postgres
