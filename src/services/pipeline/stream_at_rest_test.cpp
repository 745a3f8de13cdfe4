#include "services/pipeline/stream_at_rest.hpp"

#include <gtest/gtest.h>

namespace oxbow {
namespace {

using namespace std::chrono_literals;

constexpr Instant kStopped{100s};

StreamStatus busy_until_now() {
  StreamStatus stream;
  stream.applied = Lsn(1000);
  stream.source = Lsn(1004);
  stream.lag = 4ms;
  stream.lag_bytes = 4;
  stream.transactions_per_second = 98;
  stream.changes_per_second = 200;
  return stream;
}

TEST(StreamAtRest, ItsLagGrowsWithTheTimeAndTheLog) {
  auto stream = busy_until_now();
  show_at_rest(stream, LastLag{4ms, kStopped}, Lsn(5000), kStopped + 60s);
  EXPECT_EQ(stream.lag, 60s + 4ms);
  EXPECT_EQ(stream.lag_bytes, 4000u);
  EXPECT_EQ(stream.source, Lsn(5000));
}

TEST(StreamAtRest, NothingMoves) {
  auto stream = busy_until_now();
  show_at_rest(stream, LastLag{4ms, kStopped}, Lsn(5000), kStopped);
  EXPECT_EQ(stream.transactions_per_second, 0);
  EXPECT_EQ(stream.changes_per_second, 0);
}

TEST(StreamAtRest, ASourceThatDoesNotAnswerLeavesTheLogUnknown) {
  auto stream = busy_until_now();
  show_at_rest(stream, LastLag{4ms, kStopped}, std::nullopt, kStopped + 1s);
  EXPECT_EQ(stream.lag_bytes, std::nullopt);
  EXPECT_EQ(stream.lag, 1s + 4ms);
}

TEST(StreamAtRest, WhereNoStreamRanYetTheLagIsUnknown) {
  StreamStatus stream;
  show_at_rest(stream, std::nullopt, Lsn(5000), kStopped);
  EXPECT_EQ(stream.lag, std::nullopt);
  EXPECT_EQ(stream.lag_bytes, std::nullopt);
}

}  // namespace
}  // namespace oxbow
