#include "flow/handover/handover.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace oxbow {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using A = HandoverAction;

const Instant kStart{};
const Error kBroken{ErrorCode::connection_lost, "the server went away"};

// Lets every action succeed until `last` is due.
void go_on_until(Handover& handover, A last, Instant now = kStart) {
  while (handover.next(now) != last) handover.succeeded(now);
}

std::vector<A> rest_of(Handover& handover, Instant now = kStart) {
  std::vector<A> actions;
  while (auto action = handover.next(now)) {
    actions.push_back(*action);
    handover.succeeded(now);
  }
  return actions;
}

TEST(Handover, GoesOneWayWhereNothingFails) {
  Handover handover({}, HandoverBegins::fresh, kStart);
  EXPECT_THAT(
      rest_of(handover),
      ElementsAre(A::install_guards, A::start_stream_back, A::announce, A::await_others, A::hold, A::fence,
                  A::drain, A::mark, A::catch_up, A::recheck, A::advance_sequences, A::confirm_fence, A::flip,
                  A::leave_stream, A::join_stream_back, A::close_old, A::open_new, A::release, A::end));
  EXPECT_FALSE(handover.given_up());
}

TEST(Handover, WhateverFailsUpToTheFlipLeadsBack) {
  for (int failing = 0; failing <= static_cast<int>(A::flip); ++failing) {
    Handover handover({}, HandoverBegins::fresh, kStart);
    go_on_until(handover, static_cast<A>(failing));
    handover.failed(kBroken);
    EXPECT_THAT(rest_of(handover), ElementsAre(A::reopen_old, A::release_back, A::end_without_change))
        << name(static_cast<A>(failing));
    EXPECT_EQ(handover.given_up(), kBroken);
  }
}

TEST(Handover, WhateverFailsBehindTheFlipIsDoneAgain) {
  for (int failing = static_cast<int>(A::leave_stream); failing <= static_cast<int>(A::end); ++failing) {
    Handover handover({}, HandoverBegins::fresh, kStart);
    go_on_until(handover, static_cast<A>(failing));
    for (int i = 0; i < 3; ++i) {
      handover.failed(kBroken);
      EXPECT_EQ(handover.next(kStart + 1h), static_cast<A>(failing));
    }
    handover.succeeded(kStart);
    EXPECT_FALSE(handover.call_back());
    EXPECT_FALSE(handover.given_up());
  }
}

TEST(Handover, TheWayBackIsWalkedToItsEndWhateverFails) {
  Handover handover({}, HandoverBegins::fresh, kStart);
  go_on_until(handover, A::drain);
  handover.failed(kBroken);
  handover.failed(kBroken);
  EXPECT_EQ(handover.next(kStart + 1h), A::reopen_old);
}

TEST(Handover, IsGivenUpWhenItsPauseIsOver) {
  Handover handover({.pause_max = 500ms}, HandoverBegins::fresh, kStart);
  go_on_until(handover, A::drain);
  handover.not_yet({ErrorCode::timeout, "session 77 of billing has not ended its transaction"});
  EXPECT_EQ(handover.next(kStart + 500ms), A::drain);
  EXPECT_EQ(handover.next(kStart + 501ms), A::reopen_old);
  EXPECT_THAT(handover.given_up()->detail,
              HasSubstr("drain was not over within 500 ms, so nothing has moved: session 77 of billing"));
}

TEST(Handover, WaitsLongerWhileNobodyNoticesAnything) {
  Handover handover({.prepare_max = 10s, .pause_max = 500ms}, HandoverBegins::fresh, kStart);
  go_on_until(handover, A::await_others);
  EXPECT_EQ(handover.next(kStart + 10s), A::await_others);
  EXPECT_EQ(handover.next(kStart + 11s), A::reopen_old);
}

TEST(Handover, NeverFlipsWhenItsPauseIsOver) {
  Handover handover({.pause_max = 500ms}, HandoverBegins::fresh, kStart);
  go_on_until(handover, A::flip);
  EXPECT_EQ(handover.next(kStart + 501ms), A::reopen_old);
}

TEST(Handover, CanBeCalledBackUntilTheFlip) {
  Handover handover({}, HandoverBegins::fresh, kStart);
  go_on_until(handover, A::flip);
  EXPECT_TRUE(handover.call_back());
  EXPECT_EQ(handover.next(kStart), A::reopen_old);
}

TEST(Handover, AfterARestartTheJournalDecidesWhichWayItGoes) {
  Handover back({}, HandoverBegins::interrupted_before_flip, kStart);
  EXPECT_THAT(rest_of(back), ElementsAre(A::reopen_old, A::release_back, A::end_without_change));
  Handover forward({}, HandoverBegins::interrupted_behind_flip, kStart);
  EXPECT_THAT(rest_of(forward), ElementsAre(A::leave_stream, A::join_stream_back, A::close_old, A::open_new,
                                            A::release, A::end));
}

TEST(Handover, TellsHowLongWritesWaited) {
  Handover handover({}, HandoverBegins::fresh, kStart);
  go_on_until(handover, A::hold, kStart + 3s);
  EXPECT_FALSE(handover.pause());
  go_on_until(handover, A::end, kStart + 3s + 20ms);
  EXPECT_EQ(handover.pause(), 20ms);
}

}  // namespace
}  // namespace oxbow
