// What a connection in replication mode carries inside CopyData: pieces of the log and keepalives from the
// server, status updates back. Pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "base/result.hpp"
#include "base/time.hpp"
#include "model/change.hpp"
#include "model/position.hpp"

namespace oxbow {

// A piece of the log: one message of the output plugin. `payload` points into the bytes it was decoded from.
struct LogData {
  Lsn start;
  Lsn end;
  WallTime sent_at;
  std::string_view payload;
};

using ReplicationMessage = std::variant<LogData, Keepalive>;

Result<ReplicationMessage> decode_replication_message(std::string_view copy_data);

// How far we are: received, durable (the server may forget the log before it) and applied.
struct StatusUpdate {
  Lsn written;
  Lsn flushed;
  Lsn applied;
  WallTime now;
  bool reply_wanted = false;
};

std::string encode_status_update(const StatusUpdate& status);

// PostgreSQL counts microseconds from 2000-01-01.
WallTime wall_time_of(std::int64_t postgres_microseconds);
std::int64_t postgres_microseconds_of(WallTime time);

}  // namespace oxbow
