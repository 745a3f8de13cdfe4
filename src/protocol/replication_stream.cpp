#include "protocol/replication_stream.hpp"

#include "protocol/byte_reader.hpp"

namespace oxbow {
namespace {

constexpr std::uint64_t kEpochMicroseconds = 946'684'800'000'000;  // 2000-01-01 in Unix time

}  // namespace

// Unsigned, because a time from outside may lie anywhere and only has to come back unharmed.
WallTime wall_time_of(std::int64_t postgres_microseconds) {
  auto unix_time = static_cast<std::uint64_t>(postgres_microseconds) + kEpochMicroseconds;
  return WallTime(std::chrono::microseconds(static_cast<std::int64_t>(unix_time)));
}

std::int64_t postgres_microseconds_of(WallTime time) {
  auto unix_time = static_cast<std::uint64_t>(time.time_since_epoch().count());
  return static_cast<std::int64_t>(unix_time - kEpochMicroseconds);
}

Result<ReplicationMessage> decode_replication_message(std::string_view copy_data) {
  ByteReader reader(copy_data);
  auto kind = reader.number<char>();
  if (kind == 'w') {
    LogData data;
    data.start = Lsn(reader.number<std::uint64_t>());
    data.end = Lsn(reader.number<std::uint64_t>());
    data.sent_at = wall_time_of(reader.number<std::int64_t>());
    data.payload = reader.rest();
    if (!reader.is_short()) return data;
  } else if (kind == 'k') {
    Keepalive keepalive;
    keepalive.end_lsn = Lsn(reader.number<std::uint64_t>());
    reader.number<std::int64_t>();  // when it was sent
    keepalive.reply_wanted = reader.number<std::uint8_t>() != 0;
    if (!reader.is_short() && reader.rest().empty()) return keepalive;
  } else {
    return Err(ErrorCode::malformed, "the replication stream holds a message of unknown kind {:#04x}",
               static_cast<unsigned char>(kind));
  }
  return Err(ErrorCode::malformed, "a message '{}' of the replication stream has the wrong length, {} bytes",
             kind, copy_data.size());
}

std::string encode_status_update(const StatusUpdate& status) {
  std::string out = "r";
  append_big_endian(out, status.written.value());
  append_big_endian(out, status.flushed.value());
  append_big_endian(out, status.applied.value());
  append_big_endian(out, postgres_microseconds_of(status.now));
  out += status.reply_wanted ? '\1' : '\0';
  return out;
}

}  // namespace oxbow
