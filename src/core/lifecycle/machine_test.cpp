#include "core/lifecycle/machine.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "base/random.hpp"
#include "core/lifecycle/invariants.hpp"
#include "core/lifecycle/legality.hpp"

namespace oxbow {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using testing::SizeIs;

const Scope kPilot{"payment", "pilot"};
const Scope kRest{"payment", "rest"};

// A migration with the entities payment (pilot, rest) and order (all), driven by commands one after the
// other.
class Machine : public testing::Test {
 protected:
  Machine() {
    run(AdoptSpec{"hash-1", {{kPilot, "keys"}, {kRest, "others"}, {{"order", "all"}, "everything"}}});
  }

  Result<std::vector<Event>> ask(Wish wish) {
    return decide(lifecycle, {"ann", "because", std::move(wish)}, now);
  }

  std::vector<Event> run(Wish wish) {
    now += std::chrono::seconds(1);
    auto events = ask(std::move(wish));
    EXPECT_TRUE(events) << to_string(events.error());
    if (!events) return {};
    for (const auto& event : *events) apply(lifecycle, event);
    return *events;
  }

  std::string refused(Wish wish) {
    auto events = ask(std::move(wish));
    EXPECT_FALSE(events);
    return events ? "" : events.error().detail;
  }

  void mirror(const Scope& scope) {
    run(Advance{scope.entity, scope.cohort, State::mirrored});
    run(EndTransition{scope, {}});
  }

  void begin_handover() {
    mirror(kPilot);
    run(EndVerify{"payment", {.result = VerifyState::equal}});
    run(Advance{"payment", "pilot", State::new_write});
  }

  CohortLife& life(const Scope& scope) { return lifecycle.cohorts.at(scope); }

  Lifecycle lifecycle;
  WallTime now{std::chrono::seconds(1'800'000'000)};
};

TEST_F(Machine, AdvancesInTwoStepsSoThatAKillBetweenThemIsRemembered) {
  EXPECT_THAT(run(Advance{"payment", "pilot", State::mirrored}), SizeIs(1));
  EXPECT_EQ(life(kPilot).state, State::legacy);
  EXPECT_EQ(life(kPilot).moving_to, State::mirrored);
  run(EndTransition{kPilot, {}});
  EXPECT_EQ(life(kPilot).state, State::mirrored);
  EXPECT_EQ(life(kPilot).since, now);
  EXPECT_EQ(life(kRest).state, State::legacy);
}

TEST_F(Machine, AdvancesEveryCohortOfTheEntityWhereNoneIsNamed) {
  mirror(kPilot);
  auto events = run(Advance{"payment", std::nullopt, State::mirrored});
  ASSERT_THAT(events, SizeIs(1)) << "pilot is there already";
  EXPECT_EQ(std::get<TransitionBegan>(events[0].what).scope, kRest);
}

TEST_F(Machine, DoesNothingForWhatHoldsOrIsUnderWayAlready) {
  run(Advance{"payment", "pilot", State::mirrored});
  EXPECT_THAT(run(Advance{"payment", "pilot", State::mirrored}), IsEmpty());
  run(EndTransition{kPilot, {}});
  EXPECT_THAT(run(Advance{"payment", "pilot", State::mirrored}), IsEmpty());
  EXPECT_THAT(run(Rollback{"order", std::nullopt, State::legacy}), IsEmpty());
}

TEST_F(Machine, AFailedTransitionLeavesTheStateAndTheReason) {
  run(Advance{"payment", "pilot", State::mirrored});
  run(EndTransition{kPilot, Error{ErrorCode::rows_unexpected, "the target is not empty"}});
  EXPECT_EQ(life(kPilot).state, State::legacy);
  EXPECT_EQ(life(kPilot).moving_to, std::nullopt);
  EXPECT_EQ(life(kPilot).last_failure->detail, "the target is not empty");
  mirror(kPilot);
  EXPECT_EQ(life(kPilot).last_failure, std::nullopt);
}

TEST_F(Machine, AFailureForWantOfAProofEndsWithAProofThatBeganBehindIt) {
  auto verify = [&](VerifyState result) { run(EndVerify{"payment", {.result = result}}); };
  auto fail = [&](ErrorCode code) {
    run(Advance{"payment", "pilot", State::new_write});
    run(EndTransition{kPilot, Error{code, "1 row differs"}});
    EXPECT_EQ(life(kPilot).failed_at, now);
  };
  mirror(kPilot);
  run(BeginVerify{"payment"});
  verify(VerifyState::equal);
  for (auto code : {ErrorCode::differs, ErrorCode::incomplete}) {
    run(BeginVerify{"payment"});
    fail(code);
    verify(VerifyState::equal);
    EXPECT_TRUE(life(kPilot).last_failure) << "that one may have looked before the row was wrong";
    run(BeginVerify{"payment"});
    verify(VerifyState::equal);
    EXPECT_EQ(life(kPilot).last_failure, std::nullopt);
  }
  fail(ErrorCode::differs);
  run(BeginVerify{"payment"});
  verify(VerifyState::differs);
  EXPECT_TRUE(life(kPilot).last_failure);
}

TEST_F(Machine, AFailureThatNoProofAnswersStaysUntilTheNextTransition) {
  begin_handover();
  run(EndTransition{kPilot, Error{ErrorCode::timeout, "it waits for the nightly report"}});
  run(BeginVerify{"payment"});
  run(EndVerify{"payment", {.result = VerifyState::equal}});
  EXPECT_EQ(life(kPilot).last_failure->detail, "it waits for the nightly report");
}

TEST_F(Machine, ATransitionUnderWayCanBeCalledBack) {
  run(Advance{"payment", "pilot", State::mirrored});
  EXPECT_THAT(run(Rollback{"payment", "pilot", State::legacy}), SizeIs(1));
  EXPECT_EQ(life(kPilot).moving_to, State::legacy);
  run(EndTransition{kPilot, {}});
  EXPECT_EQ(life(kPilot).state, State::legacy);
}

TEST_F(Machine, RollbackFromMirroredForgetsPauseAndProof) {
  mirror(kPilot);
  run(Pause{"payment"});
  run(EndVerify{"payment", {.result = VerifyState::equal, .coverage_ppm = 1'000'000}});
  ASSERT_TRUE(life(kPilot).proof && life(kPilot).paused);
  run(Rollback{"payment", std::nullopt, State::legacy});
  run(EndTransition{kPilot, {}});
  EXPECT_EQ(life(kPilot).state, State::legacy);
  EXPECT_FALSE(life(kPilot).proof || life(kPilot).paused);
}

TEST_F(Machine, WritesMoveOnlyWhereTheLastVerificationFoundBothSidesEqual) {
  mirror(kPilot);
  EXPECT_THAT(refused(Advance{"payment", "pilot", State::new_write}), HasSubstr("has never been verified"));
  run(EndVerify{"payment", {.result = VerifyState::differs, .divergences = 1}});
  EXPECT_THAT(refused(Advance{"payment", "pilot", State::new_write}), HasSubstr("says `differs`"));
  run(EndVerify{"payment", {.result = VerifyState::equal}});
  EXPECT_THAT(run(Advance{"payment", "pilot", State::new_write}), SizeIs(1));
}

TEST_F(Machine, TheFlipIsOneEventAndAHandoverGoesForwardBehindIt) {
  begin_handover();
  EXPECT_EQ(refused(EndTransition{kPilot, {}}), "the authority over payment/pilot has not moved");
  run(MoveAuthority{kPilot, 1});
  EXPECT_EQ(life(kPilot).state, State::new_write);
  EXPECT_EQ(life(kPilot).epoch, 2);
  EXPECT_TRUE(life(kPilot).settling);
  EXPECT_THAT(refused(EndTransition{kPilot, Error{ErrorCode::timeout, ""}}), HasSubstr("goes forward only"));
  EXPECT_THAT(refused(Rollback{"payment", "pilot", State::mirrored}), HasSubstr("has just moved"));
  EXPECT_THAT(refused(MoveAuthority{kPilot, 1}), HasSubstr("not in a handover of epoch 1"));
  run(EndTransition{kPilot, {}});
  EXPECT_EQ(life(kPilot).moving_to, std::nullopt);
  EXPECT_FALSE(life(kPilot).settling);
}

TEST_F(Machine, AFlipBelongsToTheEpochInWhichItsHandoverBegan) {
  begin_handover();
  EXPECT_THAT(refused(MoveAuthority{kPilot, 2}), HasSubstr("not in a handover of epoch 2"));
  EXPECT_THAT(refused(MoveAuthority{kRest, 1}), HasSubstr("payment/rest is not in a handover"));
}

TEST_F(Machine, AHandoverThatWasCalledBackCanNeverFlip) {
  begin_handover();
  EXPECT_THAT(run(Rollback{"payment", "pilot", State::mirrored}), SizeIs(1));
  EXPECT_THAT(refused(MoveAuthority{kPilot, 1}), HasSubstr("not in a handover"));
  EXPECT_THAT(run(Rollback{"payment", "pilot", State::mirrored}), IsEmpty());
  EXPECT_THAT(refused(Advance{"payment", "pilot", State::new_write}), HasSubstr("was called back"));
  run(EndTransition{kPilot, Error{ErrorCode::cancelled, "it was called back"}});
  EXPECT_EQ(life(kPilot).state, State::mirrored);
  EXPECT_THAT(run(Advance{"payment", "pilot", State::new_write}), SizeIs(1));
}

TEST_F(Machine, EveryHandoverHasALargerNumberThanThoseBefore) {
  begin_handover();
  auto first = life(kPilot).attempt;
  run(EndTransition{kPilot, Error{ErrorCode::timeout, "a long transaction"}});
  run(Advance{"payment", "pilot", State::new_write});
  EXPECT_GT(life(kPilot).attempt, first);
}

TEST_F(Machine, ReadsMoveWithinAnEpoch) {
  begin_handover();
  run(MoveAuthority{kPilot, 1});
  run(EndTransition{kPilot, {}});
  for (auto to : {State::new_read, State::fully_cutover}) {
    run(Advance{"payment", "pilot", to});
    run(EndTransition{kPilot, {}});
    EXPECT_EQ(life(kPilot).state, to);
    EXPECT_EQ(life(kPilot).epoch, 2);
  }
  EXPECT_THAT(refused(Rollback{"payment", "pilot", State::new_read}), HasSubstr("no way back"));
}

TEST_F(Machine, AnEnvelopeIsNarrowedOnceAndWidensOnlyByAProofThatBeganBehindThat) {
  EXPECT_THAT(run(NarrowEnvelope{kPilot, "shop.order", "id=1", "no"}), IsEmpty()) << "legacy has it all";
  begin_handover();
  run(MoveAuthority{kPilot, 1});
  run(EndTransition{kPilot, {}});
  run(BeginVerify{"payment"});
  EXPECT_THAT(run(NarrowEnvelope{kPilot, "shop.order", "id=1", "no"}), SizeIs(1));
  EXPECT_THAT(run(NarrowEnvelope{kPilot, "shop.order", "id=2", "no"}), IsEmpty())
      << "the first one is the news";
  EXPECT_EQ(life(kPilot).narrowed->key, "id=1");
  EXPECT_THAT(refused(WidenEnvelope{kPilot}), HasSubstr("nobody has found"));
  run(EndVerify{"payment", {.result = VerifyState::equal}});
  EXPECT_THAT(refused(WidenEnvelope{kPilot}), HasSubstr("nobody has found")) << "it began before that row";
  run(BeginVerify{"payment"});
  run(EndVerify{"payment", {.result = VerifyState::differs, .divergences = 1}});
  EXPECT_THAT(refused(WidenEnvelope{kPilot}), HasSubstr("nobody has found"));
  run(BeginVerify{"payment"});
  run(EndVerify{"payment", {.result = VerifyState::equal}});
  EXPECT_THAT(run(WidenEnvelope{kPilot}), SizeIs(1));
  EXPECT_FALSE(life(kPilot).narrowed);
}

TEST_F(Machine, WhatMayBeLostIsJournaledBeforeTheRollbackBeginsAndEndsWithIt) {
  begin_handover();
  run(MoveAuthority{kPilot, 1});
  run(EndTransition{kPilot, {}});
  run(NarrowEnvelope{kPilot, "shop.order", "id=1", "no"});
  Rollback rollback{"payment", "pilot", State::mirrored, 1, {}, {{kPilot, {1, "abc"}}, {kRest, {2, "def"}}}};
  auto events = run(rollback);
  ASSERT_THAT(events, SizeIs(2));
  EXPECT_EQ(kind(events[0]), "loss-accepted");
  EXPECT_EQ(kind(events[1]), "transition-began");
  EXPECT_EQ(life(kPilot).accepted_loss, (AcceptedLoss{1, "abc"}));
  EXPECT_THAT(run(rollback), IsEmpty()) << "it is under way";
  run(EndTransition{kPilot, Error{ErrorCode::timeout, "it took too long"}});
  EXPECT_FALSE(life(kPilot).accepted_loss) << "the next one has to be accepted again";
  EXPECT_TRUE(life(kPilot).narrowed);
  run(rollback);
  run(MoveAuthority{kPilot, 2});
  EXPECT_FALSE(life(kPilot).narrowed) << "its home has everything";
  EXPECT_TRUE(life(kPilot).accepted_loss) << "what is left to do needs it";
  run(EndTransition{kPilot, {}});
  EXPECT_FALSE(life(kPilot).accepted_loss);
}

TEST_F(Machine, NamesTheWordThatWasMeant) {
  EXPECT_EQ(refused(Advance{"paymnt", std::nullopt, State::mirrored}),
            "the spec has no entity `paymnt`; did you mean `payment`?");
  EXPECT_EQ(refused(Advance{"payment", "pilto", State::mirrored}),
            "entity `payment` has no cohort `pilto`; did you mean `pilot`?");
  EXPECT_EQ(refused(Pause{"zzz"}), "the spec has no entity `zzz`; there are: order, payment");
}

TEST_F(Machine, ReadsMoveOnlyWhereTheWayBackWasGoneLately) {
  constexpr Duration kDay = std::chrono::hours(24);
  begin_handover();
  run(MoveAuthority{kPilot, 1});
  run(EndTransition{kPilot, {}, HandoverFigures{.pause_us = 20'000, .steps = {}}});
  Advance on{"payment", "pilot", State::new_read, kDay};
  EXPECT_THAT(refused(on), HasSubstr("no rollback of payment was ever rehearsed"));
  run(Rollback{"payment", "pilot", State::mirrored});
  run(MoveAuthority{kPilot, 2});
  run(EndTransition{kPilot, {}, HandoverFigures{.pause_us = 30'000, .steps = {}}});
  EXPECT_EQ(lifecycle.rehearsals.at("payment"), (Rehearsal{now, "pilot", 30'000}));
  run(EndVerify{"payment", {.result = VerifyState::equal}});
  run(Advance{"payment", "pilot", State::new_write, kDay});
  run(MoveAuthority{kPilot, 3});
  run(EndTransition{kPilot, {}, HandoverFigures{}});
  auto rehearsed = now;
  now = rehearsed + std::chrono::hours(25);
  EXPECT_THAT(refused(on), HasSubstr("(`rollback.rehearsed_within`): roll a cohort of payment back"));
  now = rehearsed + std::chrono::hours(20);
  EXPECT_THAT(run(on), SizeIs(1));
}

TEST_F(Machine, AnEntityIsRetiredOnceWhenAllOfItIsCutOver) {
  EXPECT_THAT(refused(Retire{"order"}), HasSubstr("order/all is in `legacy`"));
  lifecycle.cohorts[{"order", "all"}].state = State::fully_cutover;
  EXPECT_THAT(run(Retire{"order", "nobody reads it"}), SizeIs(1));
  EXPECT_EQ(lifecycle.retired.at("order"), now);
  EXPECT_THAT(run(Retire{"order"}), IsEmpty());
  EXPECT_THAT(refused(Advance{"order", "all", State::new_read}), HasSubstr("there is no way back"));
}

TEST_F(Machine, ACohortThatGoesForwardOnlyIsNotRolledBackUntilThatIsWithdrawn) {
  EXPECT_THAT(refused(GoForward{"payment", "pilot"}), HasSubstr("payment/pilot is in `legacy`"));
  EXPECT_THAT(refused(GoForward{"payment", {}}),
              HasSubstr("no cohort of payment is at home on the new side"));
  life(kPilot).state = life(kRest).state = State::new_read;
  EXPECT_THAT(run(GoForward{"payment", "pilot"}),
              ElementsAre(testing::Field(&Event::what, Happening(ForwardDecided{kPilot}))));
  EXPECT_THAT(run(GoForward{"payment", "pilot"}), IsEmpty());
  EXPECT_THAT(run(Rollback{"payment", "pilot", State::new_write}), SizeIs(1)) << "reads may go back";
  run(EndTransition{kPilot, {}});
  EXPECT_EQ(refused(Rollback{"payment", "pilot", State::mirrored}),
            "payment/pilot goes forward only, decided by ann at 2027-01-15T08:00:02.000000Z (because); "
            "`oxbow forward-fix "
            "payment --cohort pilot --withdraw` takes that back");
  EXPECT_THAT(run(GoForward{"payment", {}, true}), SizeIs(1));
  EXPECT_THAT(run(Rollback{"payment", "pilot", State::mirrored}), SizeIs(1));
  EXPECT_THAT(refused(GoForward{"payment", "pilot"}), HasSubstr("in a handover"))
      << "what has begun is carried out";
}

TEST_F(Machine, ShadowsOfAnEntityAreKeptAwayUntilThatIsTakenBack) {
  EXPECT_THAT(refused(KeepShadowsAway{"paiment"}), HasSubstr("did you mean `payment`?"));
  EXPECT_THAT(run(KeepShadowsAway{"payment"}), SizeIs(1));
  EXPECT_EQ(lifecycle.shadows_kept_away.at("payment"), now);
  EXPECT_THAT(run(KeepShadowsAway{"payment"}), IsEmpty());
  EXPECT_THAT(run(KeepShadowsAway{"payment", true}), SizeIs(1));
  EXPECT_THAT(lifecycle.shadows_kept_away, IsEmpty());
}

TEST_F(Machine, ACohortInThePlaceOfAnotherKnowsOfItsAttempts) {
  begin_handover();
  run(EndTransition{kPilot, Error{ErrorCode::timeout, "given up"}});
  auto attempt = life(kPilot).attempt;
  run(Rollback{"payment", "pilot", State::legacy});
  run(EndTransition{kPilot, {}});
  Scope other{"payment", "other"};
  run(AdoptSpec{"hash-2", {{other, "other keys"}, {kRest, "others"}, {{"order", "all"}, "everything"}}});
  EXPECT_GE(life(other).attempt, attempt);
  EXPECT_EQ(life(other).epoch, 1u);
}

TEST_F(Machine, AnOrderAboutAnEntityThatIsNoMoreCanBeTakenBack) {
  run(KeepShadowsAway{"order"});
  run(AdoptSpec{"hash-2", {{kPilot, "keys"}, {kRest, "others"}}});
  EXPECT_THAT(run(KeepShadowsAway{"order", true}), SizeIs(1));
  EXPECT_THAT(lifecycle.shadows_kept_away, IsEmpty());
  EXPECT_THAT(refused(KeepShadowsAway{"order", true}), HasSubstr("no entity `order`"));
}

TEST_F(Machine, AClosedGateIsPassedOnlyByAnOverrideOfSomebodyElse) {
  mirror(kPilot);
  run(EndVerify{"payment", {.result = VerifyState::equal, .rows_compared = 1, .taken_at = now}});
  Advance closed{"payment", "pilot", State::new_write, {}, {{kPilot, {ErrorCode::gate_closed, "not yet"}}}};
  EXPECT_EQ(refused(closed), "not yet");
  OverrideGate override{"payment", "pilot", State::new_write, "bob"};
  auto without_reason = decide(lifecycle, {"ann", "", override}, now);
  ASSERT_FALSE(without_reason);
  EXPECT_THAT(without_reason.error().detail, HasSubstr("--why"));
  EXPECT_THAT(refused(OverrideGate{"payment", "pilot", State::new_write, ""}), HasSubstr("--approver"));
  EXPECT_THAT(refused(OverrideGate{"payment", "pilot", State::new_write, "ann"}), HasSubstr("somebody else"));
  EXPECT_THAT(run(override), SizeIs(1));
  EXPECT_THAT(run(override), IsEmpty()) << "it stands already";
  EXPECT_EQ(life(kPilot).gate_overrides.at(State::new_write).approver, "bob");
  EXPECT_THAT(refused(Advance{
                  "payment", "rest", State::mirrored, {}, {{kRest, {ErrorCode::gate_closed, "nor here"}}}}),
              HasSubstr("nor here"));
  run(OverrideGate{"payment", "pilot", State::new_write, "", true});
  EXPECT_EQ(refused(closed), "not yet");
  run(override);
  EXPECT_THAT(run(closed), SizeIs(1));
}

TEST_F(Machine, SendsAdvanceAndRollbackToEachOther) {
  mirror(kPilot);
  EXPECT_EQ(refused(Advance{"payment", "pilot", State::legacy}),
            "payment/pilot is in `mirrored`, and `legacy` is a step back: run `oxbow rollback payment "
            "--cohort pilot --to legacy`");
  EXPECT_EQ(refused(Rollback{"order", std::nullopt, State::mirrored}),
            "order/all is in `legacy`, and `mirrored` is a step forward: run `oxbow advance order --cohort "
            "all --to "
            "mirrored`");
}

TEST_F(Machine, PausesWhatIsMirroredAndRefusesWhereNothingIs) {
  EXPECT_THAT(refused(Pause{std::nullopt}), HasSubstr("`pause` needs `mirrored`"));
  mirror(kPilot);
  run(Pause{std::nullopt});
  EXPECT_TRUE(life(kPilot).paused);
  EXPECT_FALSE(life(kRest).paused);
  run(Resume{"payment"});
  EXPECT_FALSE(life(kPilot).paused);
  EXPECT_THAT(refused(Resume{"order"}), HasSubstr("`resume` needs `mirrored`"));
  EXPECT_THAT(run(Resume{std::nullopt}), IsEmpty()) << "all that can go on goes on already";
}

TEST_F(Machine, AHaltStopsEverythingUntilAResumeForAll) {
  mirror(kPilot);
  run(Halt{});
  EXPECT_TRUE(lifecycle.halted);
  EXPECT_EQ(lifecycle.halted_why, "because");
  EXPECT_THAT(refused(Advance{"order", std::nullopt, State::mirrored}),
              HasSubstr("run `oxbow resume` first"));
  EXPECT_THAT(refused(BeginVerify{std::nullopt}), HasSubstr("run `oxbow resume` first"));
  run(Resume{"payment"});
  EXPECT_TRUE(lifecycle.halted) << "one entity's resume does not end a halt";
  run(Resume{std::nullopt});
  EXPECT_FALSE(lifecycle.halted);
}

TEST_F(Machine, KeepsTheRateThatWasOrdered) {
  run(SetRate{{.rows_per_second_max = 1000, .bytes_per_second_max = 0, .workers = 4}});
  EXPECT_EQ(lifecycle.rate->workers, 4);
  EXPECT_THAT(refused(SetRate{{.workers = 0}}), HasSubstr("say 1 to 64"));
}

TEST_F(Machine, RemembersWhenTheComparisonOfARouteBeganAnew) {
  run(BeginAnew{"GET /a"});
  auto first = now;
  run(BeginAnew{"GET /b"});
  EXPECT_THAT(lifecycle.begun_anew, ElementsAre(Pair("GET /a", first), Pair("GET /b", now)));
  run(BeginAnew{});
  EXPECT_THAT(lifecycle.begun_anew, ElementsAre(Pair("", now)));
}

TEST_F(Machine, AProofBelongsToTheMirroredCohortsOfItsEntity) {
  mirror(kPilot);
  mirror({"order", "all"});
  run(EndVerify{"payment", {.result = VerifyState::equal, .rows_compared = 7}});
  EXPECT_EQ(life(kPilot).proof->rows_compared, 7u);
  EXPECT_FALSE(life(kRest).proof) << "not mirrored, so nothing was compared";
  EXPECT_FALSE(life({"order", "all"}).proof);
}

TEST_F(Machine, ANewSpecMayNotTakeKeysFromACohortInUse) {
  mirror(kPilot);
  EXPECT_THAT(refused(AdoptSpec{"hash-2", {{kPilot, "other keys"}}}),
              HasSubstr("a key never changes cohort"));
  EXPECT_THAT(refused(AdoptSpec{"hash-2", {{kRest, "others"}}}), HasSubstr("no longer names payment/pilot"));
  run(AdoptSpec{"hash-2", {{kPilot, "keys"}, {{"invoice", "all"}, "everything"}}});
  EXPECT_EQ(lifecycle.spec_hash, "hash-2");
  EXPECT_EQ(life(kPilot).state, State::mirrored);
  EXPECT_FALSE(lifecycle.cohorts.contains(kRest));
}

TEST_F(Machine, ANewSpecMayNotNameAKeyOfAShareInUseInALaterCohort) {
  run(AdoptSpec{"hash-2", {{kPilot, "chain"}, {kRest, "others"}}});
  mirror(kPilot);
  EXPECT_THAT(refused(AdoptSpec{"hash-3", {{kPilot, "chain-later"}, {kRest, "others"}}}),
              HasSubstr("names other keys behind payment/pilot that are of its share"));
}

TEST_F(Machine, AFingerprintThatSaysMoreOfTheSameFileMovesNobody) {
  run(AdoptSpec{"hash-2", {{kPilot, "chain"}, {kRest, "others"}}});
  mirror(kPilot);
  EXPECT_THAT(run(AdoptSpec{"hash-2", {{kPilot, "chain-later"}, {kRest, "others"}}}), SizeIs(1));
  EXPECT_THAT(life(kPilot).definition, "chain-later");
  EXPECT_THAT(refused(AdoptSpec{"hash-2", {{kPilot, "chain"}, {kRest, "others"}}}),
              HasSubstr("of its share"));
}

// Its guards in the databases may be those of a cohort that stood in the same place, and they never go back.
TEST_F(Machine, ACohortWithOtherKeysBeginsInTheLastEpochOfItsEntity) {
  begin_handover();
  run(MoveAuthority{kPilot, 1});
  run(EndTransition{kPilot, {}});
  run(AdoptSpec{"hash-2",
                {{kPilot, "keys"}, {{"payment", "new"}, "some"}, {{"order", "all"}, "everything"}}});
  EXPECT_EQ(life(kPilot).epoch, 2u);
  EXPECT_EQ(life({"payment", "new"}).epoch, 2u);
  EXPECT_EQ(life({"order", "all"}).epoch, 1u) << "of another entity";
  run(Rollback{"payment", "pilot", State::mirrored});
  run(MoveAuthority{kPilot, 2});
  run(EndTransition{kPilot, {}});
  run(Rollback{"payment", "pilot", State::legacy});
  run(EndTransition{kPilot, {}});
  run(AdoptSpec{"hash-3", {{{"payment", "new"}, "some"}}});
  EXPECT_EQ(life({"payment", "new"}).epoch, 2u) << "its keys are the same, and so is its place";
  run(AdoptSpec{"hash-4", {{{"payment", "new"}, "some"}, {{"payment", "newer"}, "more"}}});
  EXPECT_EQ(life({"payment", "newer"}).epoch, 3u) << "also of a cohort that is gone";
}

TEST_F(Machine, TheSameSpecAgainIsNoEvent) {
  auto same = AdoptSpec{"hash-1", {{kPilot, "keys"}, {kRest, "others"}, {{"order", "all"}, "everything"}}};
  EXPECT_THAT(run(same), IsEmpty());
}

TEST_F(Machine, EveryEventNamesWhoWhyAndTheSpec) {
  auto events = run(Advance{"order", std::nullopt, State::mirrored});
  ASSERT_THAT(events, SizeIs(1));
  EXPECT_EQ(events[0].who, "ann");
  EXPECT_EQ(events[0].why, "because");
  EXPECT_EQ(events[0].spec_hash, "hash-1");
  EXPECT_EQ(events[0].at, now);
}

TEST_F(Machine, ADryRunListsTheActionsInOrder) {
  auto events = ask(Advance{"payment", "pilot", State::mirrored});
  ASSERT_TRUE(events);
  EXPECT_THAT(actions_of(*events), ElementsAre("journal: payment/pilot began to move from legacy to mirrored",
                                               HasSubstr("replication slot"), HasSubstr("watching triggers"),
                                               HasSubstr("copy the rows of payment/pilot"),
                                               "journal: payment/pilot is in mirrored"));
}

// Every state with every operation. A line without a sentence is legal.
TEST(Legality, HoldsForEveryStateAndOperation) {
  std::ifstream file(OXBOW_SOURCE_DIR "/test/golden/lifecycle/legality.txt");
  std::string golden((std::istreambuf_iterator<char>(file)), {});
  std::string table;
  for (std::size_t i = 0; i < kStateNames.size(); ++i) {
    auto state = static_cast<State>(i);
    table += fmt::format("{}\n", name(state));
    for (auto operation : kOperations) {
      auto verdict = legality(state, operation);
      std::string text = verdict == Legality::yes       ? "(legal)"
                         : verdict == Legality::already ? "(already)"
                                                        : refusal(kPilot, state, operation);
      table += fmt::format("  {}: {}\n", name(operation), text);
    }
  }
  EXPECT_EQ(table, golden);
}

// Whatever is asked, in whatever order: every accepted command keeps the invariants (apply() asserts them),
// and the journal gives the same state again.
TEST(Lifecycle, AnySequenceOfCommandsReplaysToTheSameState) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    Random random(seed);
    Lifecycle lifecycle;
    ChainHead head;
    std::vector<JournalRecord> journal;
    WallTime now{};
    std::vector<Scope> scopes = {kPilot, kRest, {"order", "all"}};
    auto any_wish = [&]() -> Wish {
      auto scope = scopes[random.below(scopes.size())];
      std::optional<std::string> cohort, entity;
      if (random.chance(0.5)) cohort = scope.cohort;
      if (random.chance(0.5)) entity = scope.entity;
      auto state = static_cast<State>(random.below(kStateNames.size()));
      switch (random.below(11)) {
        case 10:
          return MoveAuthority{scope, random.below(4)};
        case 0:
          return Rollback{scope.entity, cohort, state};
        case 1:
          return Pause{entity};
        case 2:
          return Resume{entity};
        case 3:
          return Halt{};
        case 4:
          return SetRate{{.workers = static_cast<int>(random.below(70))}};
        case 5:
          return BeginVerify{entity};
        case 6:
          return EndVerify{entity,
                           {.result = random.chance(0.5) ? VerifyState::equal : VerifyState::differs}};
        case 7:
          return EndTransition{scope, random.chance(0.3)
                                          ? std::optional(Error{ErrorCode::timeout, "no \"luck\"\n"})
                                          : std::nullopt};
        case 8:
          return AdoptSpec{fmt::format("h{}", random.below(3)),
                           {{kPilot, "keys"},
                            {kRest, "others"},
                            {{"order", "all"}, random.chance(0.8) ? "everything" : "less"}}};
        default:
          return Advance{scope.entity, cohort, state};
      }
    };
    for (int i = 0; i < 100; ++i) {
      now += std::chrono::milliseconds(random.below(1000));
      Command command{"seed", "why not", i == 0 ? AdoptSpec{"h0", {{kPilot, "keys"}}} : any_wish()};
      auto events = decide(lifecycle, command, now);
      if (!events) continue;
      for (const auto& event : *events) {
        apply(lifecycle, event);
        journal.push_back(chain(head, encode(event)));
      }
    }
    Replayed replayed;
    auto status = replay(replayed, journal);
    ASSERT_TRUE(status) << "seed " << seed << ": " << to_string(status.error());
    ASSERT_EQ(replayed.lifecycle, lifecycle) << "seed " << seed;
    ASSERT_EQ(replayed.head, head) << "seed " << seed;
  }
}

class Journal : public testing::Test {
 protected:
  void add(Happening what) { records.push_back(chain(head, encode({{}, "ann", "", "h", std::move(what)}))); }
  std::string refused() {
    Replayed replayed;
    auto status = replay(replayed, records);
    EXPECT_FALSE(status);
    if (status) return "";
    EXPECT_EQ(status.error().code, ErrorCode::store_corrupt);
    return status.error().detail;
  }

  ChainHead head;
  std::vector<JournalRecord> records;
};

TEST_F(Journal, AChangedRecordIsFound) {
  add(Halted{});
  add(HaltEnded{});
  add(Halted{});
  auto sound = records;
  records[1].body.replace(records[1].body.find("ann"), 3, "bob");
  EXPECT_THAT(refused(), HasSubstr("record 2 of the journal does not follow"));
  records = sound;
  records.erase(records.begin() + 1);
  EXPECT_THAT(refused(), HasSubstr("record 2 of the journal is missing"));
  records = sound;
  records[1].hash = chain_hash(records[1].previous_hash, records[1].body + " ");
  EXPECT_THAT(refused(), HasSubstr("record 2"));
  records = sound;
  std::swap(records[0], records[1]);
  EXPECT_THAT(refused(), HasSubstr("record 1"));
}

TEST_F(Journal, EventsThatCannotBeTrueAreRefusedAndNotApplied) {
  add(SpecAdopted{{{kPilot, "keys"}}});
  auto sound = std::pair(head, records);
  add(TransitionDone{kPilot, State::mirrored, 1});
  EXPECT_THAT(refused(), HasSubstr("without having been on its way"));
  std::tie(head, records) = sound;
  add(TransitionBegan{kPilot, State::legacy, State::new_read, 1});
  EXPECT_THAT(refused(), HasSubstr("past a state between"));
  std::tie(head, records) = sound;
  add(Paused{kPilot});
  EXPECT_THAT(refused(), HasSubstr("where nothing is copied"));
}

TEST(Invariants, CatchAnEnvelopeThatWidensWithoutAProof) {
  Lifecycle before;
  before.cohorts[kPilot] = {
      .state = State::new_write, .epoch = 2, .narrowed = Narrowed{WallTime(), "t", "k", "r"}};
  auto after = before;
  after.cohorts[kPilot].narrowed.reset();
  EXPECT_THAT(broken_invariant(before, after).value_or(""), HasSubstr("widens without a proof"));
  after.cohorts[kPilot].proof = {.result = VerifyState::equal};
  after.cohorts[kPilot].compared_since = WallTime(std::chrono::seconds(1));
  EXPECT_FALSE(broken_invariant(before, after));
}

TEST(Invariants, CatchFallingEpochsAndSilentHandovers) {
  Lifecycle before, after;
  before.cohorts[kPilot] = {.state = State::mirrored, .epoch = 2, .moving_to = State::new_write};
  after.cohorts[kPilot] = {.state = State::mirrored, .epoch = 1};
  EXPECT_THAT(*broken_invariant(before, after), HasSubstr("falls from 2 to 1"));
  after.cohorts[kPilot] = {.state = State::new_write, .epoch = 2};
  EXPECT_THAT(*broken_invariant(before, after), HasSubstr("changes hands within epoch 2"));
  after.cohorts[kPilot].epoch = 3;
  EXPECT_THAT(*broken_invariant(before, after), HasSubstr("changes hands without a flip"));
  after.cohorts[kPilot].settling = true;
  EXPECT_THAT(*broken_invariant(before, after), HasSubstr("is not on its way there"));
  after.cohorts[kPilot].moving_to = State::new_write;
  EXPECT_EQ(broken_invariant(before, after), std::nullopt);
  after.cohorts[kPilot].definition = "other keys";
  EXPECT_THAT(*broken_invariant(before, after), HasSubstr("would change cohort"));
  after.cohorts.clear();
  EXPECT_THAT(*broken_invariant(before, after), HasSubstr("is forgotten"));
}

}  // namespace
}  // namespace oxbow
