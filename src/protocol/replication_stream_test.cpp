#include "protocol/replication_stream.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/tuple.hpp"

namespace oxbow {
namespace {

using namespace std::string_view_literals;

const WallTime kEpoch2000 = std::chrono::sys_days(std::chrono::year(2000) / 1 / 1);

TEST(ReplicationStream, HandsOutPiecesOfTheLog) {
  auto message = decode_replication_message(
      "w"
      "\0\0\0\1\0\0\0\2"
      "\0\0\0\1\0\0\0\3"
      "\0\0\0\0\0\0\0\5"
      "payload"sv);
  ASSERT_TRUE(message);
  const auto& data = std::get<LogData>(*message);
  EXPECT_EQ(to_string(data.start), "1/2");
  EXPECT_EQ(to_string(data.end), "1/3");
  EXPECT_EQ(data.sent_at, kEpoch2000 + std::chrono::microseconds(5));
  EXPECT_EQ(data.payload, "payload");
}

TEST(ReplicationStream, TellsWhereTheLogEndsAndWhetherAnAnswerIsWanted) {
  auto message = decode_replication_message("k\0\0\0\1\0\0\0\2\0\0\0\0\0\0\0\0\1"sv);
  ASSERT_TRUE(message);
  EXPECT_EQ(to_string(std::get<Keepalive>(*message).end_lsn), "1/2");
  EXPECT_TRUE(std::get<Keepalive>(*message).reply_wanted);
}

TEST(ReplicationStream, RefusesOtherMessagesAndWrongLengths) {
  EXPECT_EQ(decode_replication_message("x").error().detail,
            "the replication stream holds a message of unknown kind 0x78");
  EXPECT_EQ(decode_replication_message("").error().code, ErrorCode::malformed);
  EXPECT_EQ(decode_replication_message("w\0\0\0\0\0\0\0\1"sv).error().code, ErrorCode::malformed);
  EXPECT_EQ(decode_replication_message("k\0\0\0\1\0\0\0\2\0\0\0\0\0\0\0\0"sv).error().code,
            ErrorCode::malformed);
  EXPECT_EQ(decode_replication_message("k\0\0\0\1\0\0\0\2\0\0\0\0\0\0\0\0\1x"sv).error().detail,
            "a message 'k' of the replication stream has the wrong length, 19 bytes");
}

TEST(ReplicationStream, ReportsHowFarItIs) {
  auto message = encode_status_update({.written = Lsn(3),
                                       .flushed = Lsn(2),
                                       .applied = Lsn(1),
                                       .now = kEpoch2000 + std::chrono::microseconds(7),
                                       .reply_wanted = true});
  EXPECT_EQ(message,
            "r"
            "\0\0\0\0\0\0\0\3"
            "\0\0\0\0\0\0\0\2"
            "\0\0\0\0\0\0\0\1"
            "\0\0\0\0\0\0\0\7"
            "\1"sv);
}

TEST(ReplicationStream, BringsEveryTimeBackUnharmed) {
  for (auto time : {std::int64_t{0}, std::int64_t{-1}, std::numeric_limits<std::int64_t>::max(),
                    std::numeric_limits<std::int64_t>::min()}) {
    EXPECT_EQ(postgres_microseconds_of(wall_time_of(time)), time);
  }
}

}  // namespace
}  // namespace oxbow
