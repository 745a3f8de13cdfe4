#include "core/retirement/retirement.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace oxbow {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

WallTime day(int number) {
  return WallTime(std::chrono::days(20'000 + number));
}

RetirementFacts facts() {
  return {.entity = "payment",
          .cut_over_at = day(0),
          .watched_since = day(0),
          .quiet_for = 24h * 7,
          .now = day(8)};
}

std::string refusal(const RetirementFacts& facts) {
  auto judged = judge_retirement(facts);
  return judged ? "" : judged.error().detail;
}

TEST(Retirement, IsFreeOnceNobodyHasReadForLongEnough) {
  auto judged = judge_retirement(facts());
  ASSERT_TRUE(judged) << to_string(judged.error());
  EXPECT_THAT(*judged, HasSubstr("nobody was ever seen reading"));
}

TEST(Retirement, KeepsTheLastReadersAsEvidence) {
  auto known = facts();
  known.readers_before = {{"report of etl", "public.payments", day(1)}};
  EXPECT_THAT(*judge_retirement(known),
              HasSubstr("the last ones were report of etl (public.payments, last 2024-"));
}

TEST(Retirement, WaitsUntilReadersWereLookedForLongEnough) {
  auto early = facts();
  early.now = day(7) - 1us;
  EXPECT_THAT(refusal(early), HasSubstr("nobody may have read it for 168 h"));
  early.now = day(7);
  EXPECT_EQ(refusal(early), "");
}

TEST(Retirement, NamesTheReadersThatStandAgainstItTheNewestFirst) {
  auto read = facts();
  for (int i = 1; i <= 7; ++i)
    read.readers.push_back({"reader " + std::to_string(i), "public.payments", day(i)});
  EXPECT_THAT(refusal(read),
              AllOf(HasSubstr("by 7 readers: reader 7 (public.payments"), HasSubstr("reader 3"),
                    Not(HasSubstr("reader 2")), HasSubstr("and 2 more")));
}

TEST(Retirement, IsRefusedWhereNobodyCanLook) {
  auto blind = facts();
  blind.blind = Error{ErrorCode::unreachable, "no route to host"};
  EXPECT_THAT(refusal(blind), HasSubstr("no route to host"));
}

}  // namespace
}  // namespace oxbow
