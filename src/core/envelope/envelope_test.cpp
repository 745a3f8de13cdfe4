#include "core/envelope/envelope.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/envelope/log_growth.hpp"

namespace oxbow {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

const Scope kPilot{"order", "pilot"};
const Scope kRest{"order", "rest"};

RowAtStake row(std::string key, std::optional<CohortId> cohort = CohortId(0), std::string entity = "order") {
  return {std::move(entity), cohort, "shop.order", std::move(key), "no legacy value stands for it"};
}

// A cohort at home on the new side whose stream back runs, with nothing in quarantine.
class AnEnvelope : public testing::Test {
 protected:
  AnEnvelope() {
    life.state = State::new_write;
    life.proof = {.result = VerifyState::equal, .taken_at = now - 1min};
    wait({});
  }

  void wait(RowsAtStake rows) { stream.waiting = std::make_shared<const RowsAtStake>(std::move(rows)); }

  Envelope judged() const { return judge_envelope({kPilot, CohortId(0), life, stream, deadline, now}); }

  CohortLife life;
  StreamBackFacts stream;
  std::optional<std::chrono::year_month_day> deadline;
  WallTime now{std::chrono::sys_days(std::chrono::year(2027) / 1 / 30)};
};

TEST_F(AnEnvelope, IsFullWhileLegacyHasAllThatIsOnTheNewSide) {
  EXPECT_EQ(judged().extent, Extent::full);
  EXPECT_EQ(judged().checked_at, now - 1min);
}

TEST_F(AnEnvelope, IsFullWhereLegacyIsHomeWhateverTheStreamBackDoes) {
  stream.is_lost = true;
  wait({row("id=1")});
  for (auto state : {State::legacy, State::mirrored}) {
    life.state = state;
    EXPECT_EQ(judged().extent, Extent::full);
  }
}

TEST_F(AnEnvelope, IsForwardOnlyBehindTheEndAndWhereTheLogIsLost) {
  life.state = State::fully_cutover;
  EXPECT_EQ(judged().extent, Extent::forward_only);
  life.state = State::new_read;
  EXPECT_EQ(judged().extent, Extent::full);
  stream.is_lost = true;
  stream.why_not = "the budget for the log was used up";
  EXPECT_EQ(judged().extent, Extent::forward_only);
  EXPECT_THAT(judged().reason, HasSubstr("budget"));
}

TEST_F(AnEnvelope, IsPartialByTheRowsOfItsOwnCohort) {
  wait({row("id=1"), row("id=2", CohortId(1)), row("id=3", CohortId(0), "payment")});
  auto envelope = judged();
  EXPECT_EQ(envelope.extent, Extent::partial);
  ASSERT_THAT(envelope.rows, SizeIs(1));
  EXPECT_EQ(envelope.rows[0].key, "id=1");
  EXPECT_THAT(envelope.reason, HasSubstr("1 row"));
  wait({row("id=2", CohortId(1))});
  EXPECT_EQ(judged().extent, Extent::full) << "others are no worse for it";
}

TEST_F(AnEnvelope, ARowThatMayBeAnybodysNarrowsEverybodysWayBack) {
  wait({row("id=2", std::nullopt)});
  EXPECT_THAT(judged().rows, SizeIs(1));
}

TEST_F(AnEnvelope, StaysPartialWhenNothingWaitsAnyMoreUntilTheJournalSaysThatItIsWide) {
  life.narrowed = Narrowed{now - 1h, "shop.order", "id=1", "no"};
  EXPECT_EQ(judged().extent, Extent::partial);
  EXPECT_THAT(judged().rows, IsEmpty());
  EXPECT_THAT(judged().reason, HasSubstr("oxbow verify --entity order"));
  life.narrowed.reset();
  EXPECT_EQ(judged().extent, Extent::full);
}

TEST_F(AnEnvelope, IsUnknownWhileTheStreamBackIsAwayOrHasNotBeenAsked) {
  stream.silent_for = kSilentMax;
  EXPECT_EQ(judged().extent, Extent::full) << "a new session is no news";
  stream.silent_for += 1ms;
  EXPECT_EQ(judged().extent, Extent::unknown);
  EXPECT_THAT(judged().reason, HasSubstr("has not moved for 5.0 s"));
  stream.silent_for = {};
  stream.is_stopped = true;
  stream.why_not = "halted: a look at the disk";
  EXPECT_EQ(judged().extent, Extent::unknown);
  EXPECT_THAT(judged().reason, HasSubstr("a look at the disk"));
  stream.is_stopped = false;
  stream.legacy_not_ready = "it takes no writes";
  EXPECT_EQ(judged().extent, Extent::unknown);
  stream.legacy_not_ready.clear();
  stream.waiting.reset();
  EXPECT_EQ(judged().extent, Extent::unknown);
}

TEST_F(AnEnvelope, IsUnknownWhereMoreDiffersThanWaits) {
  life.proof = {.result = VerifyState::differs, .divergences = 3, .rows_waiting = 3};
  EXPECT_EQ(judged().extent, Extent::full) << "what differed waited, and belonged to others";
  life.proof->rows_waiting = 2;
  EXPECT_EQ(judged().extent, Extent::unknown);
  EXPECT_THAT(judged().reason, HasSubstr("1 divergence of order"));
}

TEST_F(AnEnvelope, ThatIsUnknownIsToldInOneSentenceWithWhatIsKnownAndWhatToDo) {
  std::optional<Error> unread;
  auto said = [&] { return why_loss_is_unknown({{kRest, {}}, {kPilot, judged()}}, stream, unread); };
  EXPECT_EQ(said(), "");
  wait({row("id=1"), row("id=2"), row("id=3", CohortId(0), "customer")});
  EXPECT_EQ(said(), "") << "rows that wait are known";
  stream.is_stopped = true;
  stream.why_not = "a look at the disk";
  EXPECT_EQ(
      said(),
      "what a rollback of order/pilot would lose is not known: the stream back to legacy does not run: a "
      "look at the disk; when that was last read, 2 rows of order waited that legacy does not take; run "
      "`oxbow resume`, and ask again");
  stream.why_not = "no privilege; mend that, then run `oxbow resume`";
  EXPECT_THAT(said(), testing::EndsWith("waited that legacy does not take, and ask again"));
  stream = {};
  stream.silent_for = 7s;
  EXPECT_EQ(
      said(),
      "what a rollback of order/pilot would lose is not known: the stream back to legacy has not moved for "
      "7.0 s; since oxbow began nobody has read which rows wait that legacy does not take; oxbow goes on "
      "trying, and `oxbow status` follows it: ask again when it runs");
}

TEST_F(AnEnvelope, ThatIsKnownIsNoPreviewWhereItsRowsCannotBeRead) {
  auto said =
      why_loss_is_unknown({{kPilot, judged()}}, stream, Error{ErrorCode::connection_lost, "it has ended"});
  EXPECT_THAT(
      said, HasSubstr("order/pilot would lose is not known: it has ended; when that was last read, 0 rows"));
}

TEST_F(AnEnvelope, OfAStreamThatHasJustBegunIsKnownInAMoment) {
  stream.waiting.reset();
  EXPECT_THAT(
      why_loss_is_unknown({{kPilot, judged()}}, stream, Error{ErrorCode::connection_lost, "it does not run"}),
      testing::EndsWith(
          "is not known: which rows wait in quarantine has not been read yet; ask again in a moment"));
}

TEST_F(AnEnvelope, ThatADifferenceLeavesUnknownIsFoundOutByLookingAgain) {
  life.proof = {.result = VerifyState::differs, .divergences = 3, .rows_waiting = 2};
  EXPECT_THAT(why_loss_is_unknown({{kPilot, judged()}}, stream, {}),
              testing::EndsWith("`oxbow verify --entity order` looks again"));
}

TEST_F(AnEnvelope, ExpiresWithTheDayOfTheDeadlineOrWithTheBudgetForTheLog) {
  EXPECT_FALSE(judged().expires_at);
  deadline = std::chrono::year(2027) / 2 / 1;
  EXPECT_EQ(judged().expires_at, now + 72h) << "until the end of that day";
  stream.retained_wal_bytes = 400;
  stream.retained_wal_bytes_max = 1000;
  stream.retained_bytes_per_second = 0.1;
  EXPECT_EQ(judged().expires_at, now + 6000s);
  EXPECT_THAT(judged().expires_by, HasSubstr("budget"));
  stream.retained_bytes_per_second = 0.001;
  EXPECT_THAT(judged().expires_by, HasSubstr("deadline")) << "what comes first";
  deadline.reset();
  stream.retained_bytes_per_second = 1e-12;
  EXPECT_FALSE(judged().expires_at) << "so far nobody can see";
  stream.retained_wal_bytes_max = 0;
  stream.retained_bytes_per_second = 1;
  EXPECT_FALSE(judged().expires_at) << "no budget, no end";
}

TEST_F(AnEnvelope, EndsWithItsDeadlineHoweverWellTheStreamRuns) {
  deadline = std::chrono::year(2027) / 1 / 29;
  EXPECT_EQ(judged().extent, Extent::forward_only) << "the first moment of the day behind it";
  EXPECT_EQ(judged().reason,
            "its deadline, 2027-01-29 (`rollback.deadline`), is over; whoever needs it all the same moves "
            "that date in "
            "the spec and starts `oxbow up` again");
  EXPECT_FALSE(judged().expires_at);
  now -= 1s;
  EXPECT_EQ(judged().extent, Extent::full) << "the last one of that day";
  now += 1s;
  life.state = State::mirrored;
  EXPECT_EQ(judged().extent, Extent::full) << "legacy is home";
}

TEST(TheDeadline, KeepsCohortsFromMovingToWhereNoWayLeadsBack) {
  auto day = std::chrono::year(2027) / 1 / 29;
  WallTime behind{std::chrono::sys_days(std::chrono::year(2027) / 1 / 30)};
  EXPECT_TRUE(judge_deadline(kPilot, day, behind - 1s));
  EXPECT_TRUE(judge_deadline(kPilot, {}, behind));
  auto refused = judge_deadline(kPilot, day, behind);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().detail,
              HasSubstr("order/pilot would have no way back on the new side: its deadline, 2027-01-29"));
}

class ARollback : public testing::Test {
 protected:
  static Envelope partial(RowsAtStake rows) { return {.extent = Extent::partial, .rows = std::move(rows)}; }

  std::string refused(std::optional<std::uint64_t> accepted_rows = {},
                      const std::optional<std::string>& seen = {}) const {
    auto judged = judge_rollback(envelopes, accepted_rows, seen);
    EXPECT_FALSE(judged);
    return judged ? "" : judged.error().detail;
  }

  std::vector<ScopedEnvelope> envelopes;
};

TEST_F(ARollback, InsideTheEnvelopeNeedsNoWords) {
  envelopes = {{kPilot, {}}, {kRest, {}}};
  EXPECT_THAT(judge_rollback(envelopes, {}).value(), IsEmpty());
  EXPECT_THAT(judge_rollback(envelopes, 0).value(), IsEmpty());
  EXPECT_THAT(refused(1), HasSubstr("would lose nothing"));
}

TEST_F(ARollback, ThatLosesRowsIsRefusedWithTheirNumberAndWhatCanBeDone) {
  envelopes = {{kPilot, partial({row("id=1"), row("id=2")})}, {kRest, {}}};
  for (const auto* word :
       {"2 rows", "--preview", "forward-fix", "oxbow quarantine --retry", "--accept-loss 2 --seen DIGEST"})
    EXPECT_THAT(refused(), HasSubstr(word));
}

TEST_F(ARollback, LosesExactlyWhatAPersonHasSeen) {
  envelopes = {{kPilot, partial({row("id=1"), row("id=2")})}, {kRest, partial({row("id=3", CohortId(1))})}};
  EXPECT_THAT(refused(2), HasSubstr("3 rows"));
  EXPECT_THAT(refused(4), HasSubstr("3 rows"));
  EXPECT_THAT(refused(3), HasSubstr("nobody has said which of them he has seen"));
  EXPECT_THAT(refused(3, seen_of({row("id=1"), row("id=2"), row("id=4")})),
              HasSubstr("others than those that were seen"));
  auto losses = judge_rollback(envelopes, 3, seen_of({row("id=3"), row("id=2"), row("id=1")})).value();
  EXPECT_EQ(losses.at(kPilot).rows, 2u);
  EXPECT_EQ(losses.at(kRest).rows, 1u);
  EXPECT_EQ(losses.at(kPilot).digest, digest_of({row("id=2"), row("id=1")})) << "whatever their order";
  EXPECT_NE(losses.at(kPilot).digest, digest_of({row("id=1"), row("id=3")}));
}

TEST_F(ARollback, DoesNotGiveUpRowsThatMayBeSomebodyElses) {
  envelopes = {{kPilot, partial({row("id=1", std::nullopt)})}};
  EXPECT_THAT(refused(1), HasSubstr("whose they are"));
}

TEST_F(ARollback, BehindMendedRowsNeedsAComparisonOrAWord) {
  envelopes = {{kPilot, partial({})}};
  EXPECT_THAT(refused(), HasSubstr("oxbow verify --entity order"));
  EXPECT_EQ(judge_rollback(envelopes, 0).value().at(kPilot).rows, 0u);
}

TEST_F(ARollback, IsRefusedWhereNothingIsKnownOrNothingLeadsBack) {
  envelopes = {{kPilot, {.extent = Extent::unknown, .reason = "the stream back is away"}}};
  EXPECT_THAT(refused(), HasSubstr("the stream back is away"));
  EXPECT_THAT(refused(0), HasSubstr("the stream back is away")) << "nobody can accept what nobody knows";
  envelopes = {{kPilot, {.extent = Extent::forward_only, .reason = "the log is lost"}}};
  EXPECT_THAT(refused(), HasSubstr("forward only"));
}

TEST(LogGrowth, IsSeenBehindTheUpAndDownOfConfirmations) {
  LogGrowth growth;
  Instant began{};
  auto look = [&](int second, std::uint64_t bytes) {
    growth.observe(began + std::chrono::seconds(second), bytes);
  };
  for (int second = 0; second <= 60; ++second)
    look(second, 1000 + 100 * static_cast<std::uint64_t>(second % 15));
  EXPECT_EQ(growth.bytes_per_second(), 0);
  growth.forget();
  for (int second = 0; second <= 10; ++second) look(second, 100 * static_cast<std::uint64_t>(second));
  EXPECT_EQ(growth.bytes_per_second(), 0) << "too short to say";
  for (int second = 11; second <= 60; ++second) look(second, 100 * static_cast<std::uint64_t>(second));
  EXPECT_NEAR(growth.bytes_per_second(), 100, 1);
}

}  // namespace
}  // namespace oxbow
