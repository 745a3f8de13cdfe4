#include "services/pipeline/reach.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace oxbow {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;

const Error kRefused{ErrorCode::unreachable, "database x at h:1: Connection refused"};
const Error kWrongPassword{ErrorCode::access_denied, "database x at h:1"};

Instant at(int second) {
  return Instant{} + seconds(second);
}

TEST(Reach, SaysAnOutageAtPausesThatGrowToAMinute) {
  Reach reach(Side::legacy);
  std::vector<int> said;
  for (int second = 0; second < 300; ++second)
    if (reach.failed(at(second), kRefused)) said.push_back(second);
  EXPECT_THAT(said, testing::ElementsAre(10, 30, 70, 130, 190, 250));
}

TEST(Reach, SaysWhichSideHowLongAndWhy) {
  Reach reach(Side::new_side);
  reach.failed(at(0), kRefused);
  EXPECT_EQ(
      reach.failed(at(10), kRefused),
      "new side: away for 10.0 s, and tried every second: A server cannot be reached: database x at h:1: "
      "Connection refused");
  EXPECT_EQ(reach.worked(at(12)), "new side: can be reached again after 12.0 s");
  EXPECT_EQ(reach.worked(at(13)), std::nullopt);
}

TEST(Reach, IsSilentAboutAMomentOnceItWasReached) {
  Reach reach(Side::legacy);
  EXPECT_EQ(reach.worked(at(0)), std::nullopt);
  EXPECT_EQ(reach.failed(at(1), kRefused), std::nullopt);
  EXPECT_EQ(reach.worked(at(2)), std::nullopt);
}

TEST(Reach, SaysThatADatabaseThatWasAwayAtTheStartIsThere) {
  Reach reach(Side::legacy);
  reach.failed(at(0), kRefused);
  EXPECT_THAT(reach.worked(at(1)).value_or(""), HasSubstr("can be reached again"));
}

TEST(Reach, IsHopelessOnlyBeforeTheFirstTimeAndForWhatAPersonMustMend) {
  Reach reach(Side::legacy);
  EXPECT_FALSE(reach.is_hopeless(kRefused));
  EXPECT_TRUE(reach.is_hopeless(kWrongPassword));
  reach.worked(at(0));
  EXPECT_FALSE(reach.is_hopeless(kWrongPassword)) << "a password that changes while oxbow runs may be mended";
}

}  // namespace
}  // namespace oxbow
