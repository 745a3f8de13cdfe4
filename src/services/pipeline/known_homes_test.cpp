#include "services/pipeline/known_homes.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace oxbow {
namespace {

constexpr std::uint64_t kAttempt = 4;

class KnownHomesTest : public ::testing::Test {
 protected:
  KnownHomesTest() {
    entity_.name = "payment";
    entity_.cohorts = {{.name = "pilot"}, {.name = "rest", .rest = true}};
  }

  // Of the pilot, whose home is legacy in epoch 3, last by attempt 4.
  bool contradicts(Side side, GuardMode mode, std::uint64_t epoch, std::uint64_t attempt = kAttempt) {
    auto order = order_of(HandoverAction::end, attempt);
    return contradiction(
               entity_, side, {{mode, epoch, order}},
               {{CohortId(0), "pilot", Side::legacy, 3, kAttempt}, {CohortId(1), "rest", Side::legacy, 1, 0}})
        .has_value();
  }

  EntitySpec entity_;
};

TEST_F(KnownHomesTest, GuardsThatSayWhatTheJournalSaysAgree) {
  EXPECT_FALSE(contradicts(Side::legacy, GuardMode::open, 3));
  EXPECT_FALSE(contradicts(Side::legacy, GuardMode::near, 3));
  EXPECT_FALSE(contradicts(Side::legacy, GuardMode::fenced, 3));
  EXPECT_FALSE(contradicts(Side::new_side, GuardMode::closed, 3));
}

TEST_F(KnownHomesTest, GuardsThatHaveNotFollowedTheJournalYetAgree) {
  EXPECT_FALSE(contradicts(Side::legacy, GuardMode::closed, 2));
  EXPECT_FALSE(contradicts(Side::new_side, GuardMode::fenced, 2));
}

TEST_F(KnownHomesTest, AGuardAheadOfTheJournalContradictsIt) {
  EXPECT_TRUE(contradicts(Side::legacy, GuardMode::closed, 4));
  EXPECT_TRUE(contradicts(Side::new_side, GuardMode::open, 4));
  EXPECT_TRUE(contradicts(Side::legacy, GuardMode::fenced, 3, kAttempt + 1))
      << "a handover that the journal does not know";
}

TEST_F(KnownHomesTest, AGuardThatKnowsAnotherHomeContradictsTheJournal) {
  EXPECT_TRUE(contradicts(Side::legacy, GuardMode::closed, 3));
  EXPECT_TRUE(contradicts(Side::new_side, GuardMode::open, 3));
}

TEST_F(KnownHomesTest, WhereThereAreNoGuardsNothingContradicts) {
  EXPECT_FALSE(contradiction(entity_, Side::legacy, {}, {{CohortId(0), "pilot", Side::new_side, 2, 1}}));
}

}  // namespace
}  // namespace oxbow
