#include "core/routing/explain.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/spec_text.hpp"

namespace oxbow {
namespace {

using testing::ElementsAre;

constexpr std::string_view kSpec = R"(migration: billing
owners: {legacy: a, new: b, coexistence: c}
systems: {legacy: {database: "postgresql:///a"}, new: {database: "postgresql:///b"}}
entities:
  payment:
    key: payment_id
    tables: [{legacy: public.payments, new: ledger.payments}]
    cohorts: [{name: pilot, keys: ["4711"]}, {name: rest}]
    reads: {latency: new-read, bulk: mirrored}
    routes:
      - {route: "GET /payments/{payment_id}", read: latency}
      - {route: "GET /payments", read: bulk, key: none, shadow: off}
      - {route: "POST /payments", write: true, operation_key: [body.ref], key: body.payment_id}
)";

std::vector<std::string> explained(std::string_view method, std::string_view target, State state,
                                   bool copied = true, const KeyKinds& kinds = {}) {
  auto table = RouteTable::compile(*parse_spec_text(kSpec).spec, kinds);
  RequestHead head{.method = method, .target = target, .host = {}, .minor_version = 1, .fields = {}};
  auto match = table.match(head);
  std::string buffer;
  auto key = match.route ? find_key(table, match, head, buffer) : RequestKey();
  auto states = all_in(state, table);
  for (auto& cohort : states.cohorts.front()) cohort.copied = copied;
  return explain(table, head, match, key, decide(table, states, match, key, target));
}

TEST(Explanation, NamesEachStep) {
  EXPECT_THAT(explained("GET", "/payments/4711", State::mirrored),
              ElementsAre("request: GET /payments/4711",
                          "route: GET /payments/{payment_id} of payment (line 11), a read of class latency",
                          "key: path.payment_id is 4711", "cohort: pilot, which names this key",
                          "state: mirrored", "answers: legacy; this class of reads moves in new-read",
                          "shadow: new; 100% of the route's requests have one"));
  EXPECT_THAT(
      explained("GET", "/payments/1", State::fully_cutover),
      ElementsAre("request: GET /payments/1",
                  "route: GET /payments/{payment_id} of payment (line 11), a read of class latency",
                  "key: path.payment_id is 1", "cohort: rest, by bucket 6699 of 10000",
                  "state: fully-cutover", "answers: new; legacy is locked", "shadow: none in this state"));
}

TEST(Explanation, SaysWhatIsMissing) {
  EXPECT_THAT(explained("POST", "/payments", State::mirrored),
              ElementsAre("request: POST /payments", "route: POST /payments of payment (line 13), a write",
                          "key: body.payment_id: it is in the body, which was not given",
                          "cohort: not known without a key; all of them count",
                          "answers: legacy; without a key, as long as a cohort may need it",
                          "shadow: none; the route names no safe way to repeat this write"));
  EXPECT_THAT(
      explained("GET", "/payments", State::new_write),
      ElementsAre("request: GET /payments", "route: GET /payments of payment (line 12), a read of class bulk",
                  "key: requests of this route name no single key",
                  "cohort: not known without a key; all of them count",
                  "answers: new; without a key, because no cohort needs legacy any more",
                  "shadow: none; the route says off"));
}

TEST(Explanation, SaysWhoseRowsAreStillBeingCopied) {
  EXPECT_EQ(explained("GET", "/payments/4711", State::mirrored, false).back(),
            "shadow: none; until all rows of its cohort are copied, the new side cannot know them");
}

TEST(Explanation, TellsAKeyThatIsWrittenWronglyFromOneThatNobodyKnows) {
  auto key_line = [](const KeyKinds& kinds) {
    return explained("GET", "/payments/007", State::mirrored, true, kinds)[2];
  };
  EXPECT_EQ(
      key_line({}),
      "key: path.payment_id: it may not be how the database prints it, which could not be asked, so its "
      "cohort is not known");
  EXPECT_EQ(key_line({{"payment", KeyKind::integer}}),
            "key: path.payment_id: it is not written as the database prints it, so its cohort is not known");
  EXPECT_EQ(key_line({{"payment", KeyKind::text}}), "key: path.payment_id is 007");
}

TEST(Explanation, OfAnUnlistedRequestIsShort) {
  EXPECT_THAT(
      explained("DELETE", "/payments/1", State::mirrored),
      ElementsAre("request: DELETE /payments/1", "route: none; the path has routes, but none for this method",
                  "answers: legacy; requests without a route go there",
                  "shadow: none; requests without a route have none"));
  EXPECT_EQ(explained("GET", "/payments/%2e%2e", State::mirrored)[1],
            "route: none; a service could read this path in another way: it has . or .. in it");
}

}  // namespace
}  // namespace oxbow
