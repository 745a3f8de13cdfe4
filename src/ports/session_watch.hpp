// Looks at our own sessions on one server from outside: for whom do they wait? One connection.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/time.hpp"
#include "runtime/task.hpp"

namespace oxbow {

enum class SessionRole { set_up, read_log, apply, copy, other };

// A session of ours that waits for a lock which somebody else's transaction holds.
struct SessionWait {
  SessionRole role = SessionRole::other;
  std::int64_t pid = 0;              // of the other one; 0: a prepared transaction
  std::string who;                   // its application and user, or the name of the prepared transaction
  std::optional<Duration> age;       // of that transaction, where we may know it
  bool idle_in_transaction = false;  // it waits for its client
};

class SessionWatch {
 public:
  virtual ~SessionWatch() = default;

  virtual Task<std::vector<SessionWait>> read_waits() = 0;
};

}  // namespace oxbow
