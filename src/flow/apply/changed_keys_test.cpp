#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "flow/apply/touched_keys.hpp"

namespace oxbow {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

const CohortId kPilot(0), kRest(1);

TEST(ChangedKeys, RemembersWhatChangesWhileAProofIsMadeAndBehindIt) {
  ChangedKeys changed;
  changed.start();
  changed.record(kPilot, "1");
  changed.proven({kPilot, kRest});
  changed.record(kPilot, "2");
  changed.record(kRest, "9");
  EXPECT_TRUE(changed.is_proven(kPilot));
  EXPECT_THAT(changed.take(kPilot), ElementsAre("1", "2"));
  EXPECT_THAT(changed.take(kPilot), IsEmpty());
  EXPECT_EQ(changed.size_of(kRest), 1u);
}

TEST(ChangedKeys, AKeyWhoseCohortIsNotKnownMayBeAnybodys) {
  ChangedKeys changed;
  changed.start();
  changed.proven({kPilot, kRest});
  changed.record(std::nullopt, "5");
  EXPECT_THAT(changed.take(kPilot), ElementsAre("5"));
  EXPECT_THAT(changed.take(kRest), ElementsAre("5"));
}

TEST(ChangedKeys, BehindATruncateTheWholeTableHasToBeLookedAt) {
  ChangedKeys changed;
  changed.start();
  changed.proven({kPilot});
  changed.record(kPilot, "1");
  changed.truncated();
  EXPECT_TRUE(changed.is_proven(kPilot) && changed.is_whole(kPilot));
  changed.take(kPilot);
  EXPECT_FALSE(changed.is_whole(kPilot));
}

TEST(ChangedKeys, WhoRemembersTooManyKnowsNothing) {
  ChangedKeys changed;
  changed.start();
  changed.proven({kPilot});
  for (std::size_t key = 0; key <= ChangedKeys::kKeysMax; ++key) changed.record(kPilot, std::to_string(key));
  EXPECT_FALSE(changed.is_proven(kPilot) || changed.is_active());
}

TEST(ChangedKeys, ACohortThatIsEqualAtThisMomentIsProvenWithoutALook) {
  ChangedKeys changed;
  changed.is_equal_now(kPilot);
  EXPECT_TRUE(changed.is_proven(kPilot));
  changed.record(kPilot, "3");
  EXPECT_THAT(changed.take(kPilot), ElementsAre("3"));
}

TEST(ChangedKeys, OfACohortThatIsUnknownFromNowOnNothingIsProvenAndNothingKept) {
  ChangedKeys changed;
  changed.is_equal_now(kPilot);
  changed.is_equal_now(kRest);
  changed.record(kPilot, "3");
  changed.is_unknown_now(kPilot);
  EXPECT_FALSE(changed.is_proven(kPilot));
  EXPECT_TRUE(changed.is_proven(kRest));
  EXPECT_THAT(changed.take(kPilot), IsEmpty());
}

}  // namespace
}  // namespace oxbow
