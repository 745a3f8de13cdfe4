#include "core/gate/gate.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace oxbow {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::IsEmpty;

// Of a cohort that is mirrored, was proven equal a minute ago, and whose stream is 20 ms behind.
class AGate : public testing::Test {
 protected:
  AGate() {
    life.state = State::mirrored;
    life.since = now - 2h;
    life.proof = {.result = VerifyState::equal,
                  .rows_compared = 100,
                  .coverage_ppm = 1'000'000,
                  .taken_at = now - 1min};
  }

  GateReport judged() const {
    return judge_gate(gate, {.scope = {"order", "pilot"},
                             .life = life,
                             .divergences = divergences,
                             .has_stream = has_stream,
                             .away = away,
                             .lag = lag,
                             .lag_bytes = lag_bytes,
                             .now = now});
  }
  GateVerdict verdict() const { return judged().verdict; }

  WallTime now{std::chrono::sys_days(std::chrono::year(2027) / 1 / 30)};
  GateSpec gate;
  CohortLife life;
  std::uint64_t divergences = 0;
  bool has_stream = true;
  std::string away;
  std::optional<Duration> lag = 20ms;
  std::optional<std::uint64_t> lag_bytes = 1000;
};

TEST_F(AGate, WithoutConditionsIsOpen) {
  EXPECT_EQ(verdict(), GateVerdict::pass);
  EXPECT_THAT(judged().conditions, IsEmpty());
}

TEST_F(AGate, IsAsGoodAsItsWorstCondition) {
  gate = {.proof_age_max = 15min,
          .divergence_max = 0,
          .coverage_min_percent = 99.9,
          .lag_max = 500ms,
          .lag_bytes_max = 1 << 20,
          .in_state_min = 1h};
  EXPECT_EQ(verdict(), GateVerdict::pass);
  life.proof->taken_at = now - 1h;
  EXPECT_EQ(verdict(), GateVerdict::inconclusive);
  away = "the stream does not run";
  EXPECT_EQ(verdict(), GateVerdict::error);
  divergences = 1;
  EXPECT_EQ(verdict(), GateVerdict::fail);
}

TEST_F(AGate, TakesNothingForGoodThatWasNotCompared) {
  life.proof.reset();
  for (auto [of_proof, name] : {std::pair(GateSpec{.proof_age_max = 15min}, "proof_age_max"),
                                {GateSpec{.divergence_max = 0}, "divergence_max"},
                                {GateSpec{.coverage_min_percent = 50}, "coverage_min"}}) {
    gate = of_proof;
    EXPECT_EQ(verdict(), GateVerdict::inconclusive) << name;
    EXPECT_THAT(judged().conditions.at(0).missing, HasSubstr("oxbow verify --entity order"));
  }
  life.proof = {.result = VerifyState::failed, .coverage_ppm = 1'000'000, .taken_at = now};
  EXPECT_EQ(verdict(), GateVerdict::inconclusive) << "a verification that failed proves nothing";
}

TEST_F(AGate, IsNotOpenedByAClockThatWasPutBack) {
  gate.proof_age_max = 15min;
  life.proof->taken_at = now + 1h;
  EXPECT_EQ(verdict(), GateVerdict::inconclusive);
  gate = {.in_state_min = 1h};
  life.since = now + 1h;
  EXPECT_EQ(verdict(), GateVerdict::inconclusive);
}

TEST_F(AGate, StopsWhatWasFoundToDifferWhateverTheProofSays) {
  gate.divergence_max = 2;
  divergences = 3;
  life.proof.reset();
  EXPECT_EQ(verdict(), GateVerdict::fail);
  divergences = 2;
  life.proof = {.result = VerifyState::differs, .taken_at = now};
  EXPECT_EQ(verdict(), GateVerdict::pass);
}

TEST_F(AGate, KnowsNoLagOfAStreamThatDoesNotRunOrWasNotMeasured) {
  gate.lag_max = 500ms;
  away = "the stream does not run: the server is away";
  EXPECT_EQ(verdict(), GateVerdict::error);
  EXPECT_THAT(judged().conditions.at(0).value, IsEmpty()) << "a figure of before says nothing";
  away.clear();
  lag.reset();
  EXPECT_EQ(verdict(), GateVerdict::inconclusive);
  lag = 501ms;
  EXPECT_EQ(verdict(), GateVerdict::fail);
  gate = {.lag_bytes_max = 999};
  EXPECT_EQ(verdict(), GateVerdict::fail);
}

TEST_F(AGate, LetsTheFirstOnesInWhereNothingCanLagYet) {
  gate.lag_max = 500ms;
  has_stream = false;
  lag.reset();
  EXPECT_EQ(verdict(), GateVerdict::pass);
}

TEST_F(AGate, SaysWhenTimeAloneOpensIt) {
  gate.in_state_min = 3h;
  ASSERT_EQ(verdict(), GateVerdict::inconclusive);
  EXPECT_EQ(judged().conditions.at(0).passes_after, 1h);
  EXPECT_THAT(judged().conditions.at(0).missing, HasSubstr("1 h 00 min more in `mirrored`"));
}

TEST_F(AGate, IsRefusedWithAllThatIsMissingInOneSentence) {
  gate = {.proof_age_max = 15min, .divergence_max = 0};
  EXPECT_TRUE(refuse_unless_passed({"order", "pilot"}, State::new_write, judged()));
  life.proof->taken_at = now - 20min;
  divergences = 1;
  auto refused = refuse_unless_passed({"order", "pilot"}, State::new_write, judged());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::gate_closed);
  EXPECT_EQ(refused.error().detail,
            "the gate of order/pilot to `new-write` does not open: proof_age_max is inconclusive (20 min 00 "
            "s, at most "
            "15 min 00 s): the last proof is too old; run `oxbow verify --entity order`; divergence_max is "
            "fail (1, at "
            "most 0): `oxbow findings` shows the divergences of order; mend them, and run `oxbow verify "
            "--entity order`");
}

}  // namespace
}  // namespace oxbow
