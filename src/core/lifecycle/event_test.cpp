#include "core/lifecycle/event.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/lifecycle/record.hpp"

namespace oxbow {
namespace {

using testing::HasSubstr;

const Scope kPilot{"payment", "pilot"};

std::vector<Happening> every_kind() {
  ProofSummary proof{
      VerifyState::equal, 5, 0, 1'000'000, Lsn(0x16B374D848), WallTime(std::chrono::seconds(9)), 3};
  return {SpecAdopted{{{kPilot, "keys"}, {{"zürich \"x\"", "a\nb"}, ""}}, {{"payment", 3}, {"zürich", 2}}},
          TransitionBegan{kPilot, State::legacy, State::mirrored, 1},
          TransitionDone{kPilot, State::mirrored, 1},
          TransitionFailed{kPilot, State::mirrored, {ErrorCode::unreachable, "no slot"}},
          Paused{kPilot},
          Resumed{kPilot},
          Halted{},
          HaltEnded{},
          RateSet{{100, 200, 3}},
          VerifyBegan{""},
          VerifyEnded{"payment", proof},
          QuarantineRetried{"payment_id=4711"},
          FindingsClosed{"rogue-write"},
          BegunAnew{"GET /payments/{payment_id}"},
          AuthorityMoved{kPilot, State::new_write, 2},
          HandoverCalledBack{kPilot},
          EnvelopeNarrowed{kPilot, "shop.purchase", "id=7", "no legacy value stands for refunded"},
          EnvelopeWidened{kPilot},
          LossAccepted{kPilot, {2, "0123abcd"}},
          Retired{"payment", "nobody was ever seen reading"},
          ForwardDecided{kPilot},
          ForwardWithdrawn{kPilot},
          ShadowsKeptAway{"payment"},
          ShadowsAllowed{"payment"},
          GateOverridden{kPilot, State::new_write, "bob"},
          GateOverrideWithdrawn{kPilot, State::new_write}};
}

TEST(Event, EveryKindComesBackAsItWasWritten) {
  auto kinds = every_kind();
  ASSERT_EQ(kinds.size(), std::variant_size_v<Happening>);
  for (std::size_t i = 0; i < kinds.size(); ++i) {
    ASSERT_EQ(kinds[i].index(), i) << "each kind once, in order";
    Event event{WallTime(std::chrono::microseconds(1'234'567)), "ann", "a \\ reason", "abc", kinds[i]};
    auto decoded = decode_event(encode(event));
    ASSERT_TRUE(decoded) << to_string(decoded.error());
    EXPECT_EQ(*decoded, event) << encode(event);
    EXPECT_FALSE(describe(event).empty());
  }
}

// The hash chain of every journal in the field rests on these bytes.
TEST(Event, TheTextOfVersion1IsFrozen) {
  Event event{WallTime(std::chrono::microseconds(7)), "ann", "", "abc",
              TransitionBegan{kPilot, State::legacy, State::mirrored, 1}};
  EXPECT_EQ(
      encode(event),
      R"({"at_us":7,"cohort":"pilot","entity":"payment","epoch":1,"from":"legacy","kind":"transition-began",)"
      R"("spec":"abc","to":"mirrored","version":1,"who":"ann","why":""})");
}

TEST(Event, AHandoverKeepsItsFiguresAndOneOfAnOlderOxbowHasNone) {
  HandoverFigures figures{.pause_us = 3'450, .steps = {{"install_guards", 12'000}, {"flip", 0}}};
  Event event{{}, "oxbow", "", "", TransitionDone{kPilot, State::new_write, 2, figures}};
  EXPECT_EQ(decode_event(encode(event)), event);
  std::get<TransitionDone>(event.what).figures->pause_us.reset();
  EXPECT_EQ(decode_event(encode(event)), event) << "a restart came in between";
  std::get<TransitionDone>(event.what).figures.reset();
  EXPECT_EQ(encode(event),
            R"({"at_us":0,"cohort":"pilot","entity":"payment","epoch":2,"kind":"transition-done","spec":"",)"
            R"("to":"new-write","version":1,"who":"oxbow","why":""})");
  EXPECT_EQ(decode_event(encode(event)), event);
}

TEST(Event, FiguresThatDoNotFitTogetherAreNotBelieved) {
  HandoverFigures figures{.pause_us = 1, .steps = {{"flip", 777}}};
  auto text = encode({{}, "oxbow", "", "", TransitionDone{kPilot, State::new_write, 2, figures}});
  for (std::string_view instead : {R"(["777","8"])", R"(["soon"])"}) {
    auto spoiled = text;
    spoiled.replace(spoiled.find(R"(["777"])"), 7, instead);
    auto decoded = decode_event(spoiled);
    ASSERT_FALSE(decoded) << spoiled;
    EXPECT_EQ(decoded.error().code, ErrorCode::malformed);
  }
}

TEST(Event, WhatANewerOxbowWroteIsNotGuessedAt) {
  auto text = encode({{}, "ann", "", "", Halted{}});
  auto newer = text;
  newer.replace(newer.find("\"version\":1"), 11, "\"version\":2");
  EXPECT_EQ(decode_event(newer).error().code, ErrorCode::unsupported);
  auto unknown = text;
  unknown.replace(unknown.find("halted"), 6, "melted");
  EXPECT_THAT(decode_event(unknown).error().detail, HasSubstr("`melted`"));
}

TEST(Record, OnlyCanonicalTextIsAccepted) {
  for (std::string_view text :
       {"", "{", "{}x", R"({"b":1,"a":2})", R"({"a":1, "b":2})", R"({"a":01})", R"({"a":-1})", R"({"a":1.5})",
        R"({"a":"\u0041"})", R"({"a":"\u00)", R"({"a":["x",]})", R"({"a":1,"a":1})",
        R"({"a":18446744073709551616})", R"({"a":"x)", R"({"a":null})"}) {
    EXPECT_FALSE(parse_canonical(text)) << text;
  }
  EXPECT_EQ(parse_canonical(R"({"a":"\u000a","b":["x","y"],"c":18446744073709551615})")->size(), 3u);
}

TEST(Record, AMissingOrMistypedFieldIsNamed) {
  Record record{{"a", std::uint64_t{1}}};
  EXPECT_EQ(text_field(record, "b").error().detail, "field b is missing");
  EXPECT_EQ(text_field(record, "a").error().detail, "field a has another type");
}

}  // namespace
}  // namespace oxbow
