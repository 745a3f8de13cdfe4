#include <gtest/gtest.h>

#include <array>
#include <set>

#include "base/error.hpp"
#include "base/random.hpp"
#include "base/result.hpp"
#include "base/text.hpp"
#include "base/time.hpp"

namespace oxbow {
namespace {

Result<int> half(int value) {
  if (value % 2 != 0) return Err(ErrorCode::malformed, "{} is odd", value);
  return value / 2;
}

Result<int> quarter(int value) {
  return half(TRY(half(value)));
}

TEST(Result, TryPassesTheValueOnOrReturnsTheError) {
  EXPECT_EQ(*quarter(8), 2);
  EXPECT_EQ(to_string(quarter(6).error()), "Bytes do not follow their format: 3 is odd");
}

TEST(Error, EveryExitCodeIsUsedOnce) {
  std::set<int> seen;
#define X(code, ...) EXPECT_TRUE(seen.insert(exit_code(ErrorCode::code)).second) << name(ErrorCode::code);
  OXBOW_ERROR_TABLE(X)
#undef X
}

TEST(Error, EveryNameLeadsBackToItsCode) {
#define X(code, ...) EXPECT_EQ(parse_error_code(#code), ErrorCode::code);
  OXBOW_ERROR_TABLE(X)
#undef X
  EXPECT_EQ(parse_error_code("no_such_code"), std::nullopt);
}

TEST(Text, NearestWordForgivesSwapsAndCase) {
  constexpr std::array<std::string_view, 3> words = {"mirrored", "new-write", "new-read"};
  EXPECT_EQ(nearest_word("mirorred", words), "mirrored");
  EXPECT_EQ(nearest_word("New-Wirte", words), "new-write");
  EXPECT_EQ(nearest_word("banana", words), "");
}

TEST(Text, NumbersReadWell) {
  EXPECT_EQ(human_bytes(1023), "1023 B");
  EXPECT_EQ(human_bytes(1536), "1.5 KiB");
  EXPECT_EQ(human_count(1234567), "1,234,567");
  EXPECT_EQ(human_count(123), "123");
}

TEST(Time, PrintsForPeople) {
  using namespace std::chrono_literals;
  EXPECT_EQ(human_duration(830ms), "830 ms");
  EXPECT_EQ(human_duration(200s), "3 min 20 s");
  EXPECT_EQ(human_duration(7500s), "2 h 05 min");
  EXPECT_EQ(to_string(WallTime(1us)), "1970-01-01T00:00:00.000001Z");
}

TEST(Random, OneSeedGivesOneSequence) {
  Random a(4711), b(4711);
  for (int i = 0; i < 100; ++i) ASSERT_EQ(a.next(), b.next());
  for (int i = 0; i < 1000; ++i) ASSERT_LT(a.below(7), 7u);
}

}  // namespace
}  // namespace oxbow
