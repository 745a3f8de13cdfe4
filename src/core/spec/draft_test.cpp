#include "core/spec/draft.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "core/mapping/mapping.hpp"
#include "support/catalog_builder.hpp"
#include "support/spec_text.hpp"

namespace oxbow {
namespace {

using namespace build;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

std::string golden(const std::string& name) {
  std::ifstream file(OXBOW_SOURCE_DIR "/test/golden/" + name);
  EXPECT_TRUE(file) << name;
  return {std::istreambuf_iterator<char>(file), {}};
}

struct Databases {
  Catalog legacy;
  Catalog fresh;

  std::string draft() const {
    return draft_spec(legacy, fresh, "postgresql:///billing", "postgresql:///ledger");
  }
};

Databases one_table(std::vector<Column> legacy, std::vector<Column> fresh) {
  return {catalog("billing", {with_primary_key(table("public", "payments", std::move(legacy)), {"id"})}),
          catalog("ledger", {with_primary_key(table("ledger", "payment", std::move(fresh)), {"id"})})};
}

// The open decisions of a draft, which must be its only mistakes.
std::vector<std::string> decisions_in(const std::string& text) {
  std::vector<std::string> sentences;
  for (const auto& mistake : parse_spec_text(text, {{"OXBOW_LEGACY_PASSWORD", "x"}}).mistakes) {
    EXPECT_EQ(mistake.kind, Mistake::Kind::undecided) << to_string(mistake, "draft") << "\n" << text;
    sentences.push_back(mistake.sentence);
  }
  std::size_t written = 0;
  for (auto at = text.find(": DECIDE"); at != std::string::npos; at = text.find(": DECIDE", at + 1))
    ++written;
  EXPECT_EQ(written, sentences.size()) << text;
  return sentences;
}

std::vector<std::string> decisions_about_columns(const Databases& databases) {
  auto decisions = decisions_in(databases.draft());
  EXPECT_GE(decisions.size(), 3u);
  decisions.erase(decisions.begin(), decisions.begin() + 3);  // the three owners
  return decisions;
}

TEST(Draft, WritesWhatIsCertainAndAsksForTheRest) {
  auto state = enumeration("public", "state", {"AUTHORISED", "captured", "refunded"});
  auto status = enumeration("ledger", "status", {"authorised", "captured", "returned"});
  Databases databases{
      catalog("billing",
              {with_primary_key(
                   table("public", "payments",
                         {not_null("payment_id", int4()), not_null("customer", build::text()),
                          not_null("amount", int8()), column("state", state), column("note", build::text())}),
                   {"payment_id"}),
               table("public", "audit_log", {column("line", build::text())})}),
      catalog("ledger", {with_primary_key(table("ledger", "payment",
                                                {not_null("id", int8()), not_null("customer", build::text()),
                                                 not_null("amount", int4()), column("state", status),
                                                 column("currency", build::text())}),
                                          {"id"}),
                         table("ledger", "outbox", {})})};
  EXPECT_EQ(draft_spec(databases.legacy, databases.fresh, "postgresql://u:secret@h/billing",
                       "postgresql:///ledger"),
            golden("draft.yaml"));
}

TEST(Draft, ParsesWithItsDecisionsAsTheOnlyMistakes) {
  auto decisions = decisions_in(
      one_table({not_null("id", int8()), column("note", build::text())}, {not_null("id", int8())}).draft());
  EXPECT_THAT(decisions,
              ElementsAre("'legacy' is undecided: who answers for the legacy system",
                          "'new' is undecided: who answers for the new system",
                          "'coexistence' is undecided: who answers for the time between",
                          "column 'note' is undecided: no new column resembles it: {drop: true, why: ...}"));
}

TEST(Draft, LeavesNothingOpenWhereBothSidesHaveTheSameShape) {
  auto databases = one_table({not_null("id", int4()), column("note", varchar(10))},
                             {not_null("id", int8()), column("note", build::text())});
  EXPECT_THAT(decisions_about_columns(databases), testing::IsEmpty());
  EXPECT_THAT(databases.draft(), Not(HasSubstr("columns:\n  ")));
}

TEST(Draft, MarksWhatCannotBeCarriedExactly) {
  EXPECT_THAT(decisions_about_columns(one_table({not_null("id", int8()), column("note", varchar(20))},
                                                {not_null("id", int8()), column("note", varchar(10))})),
              ElementsAre(HasSubstr("{to: note, cast: \"character varying(10)\"}")));
  EXPECT_THAT(decisions_about_columns(one_table({not_null("id", int8()), column("note", json())},
                                                {not_null("id", int8()), column("note", jsonb())})),
              ElementsAre(HasSubstr("keeps its meaning but not its form")));
  EXPECT_THAT(decisions_about_columns(one_table({not_null("id", int8()), column("note", jsonb())},
                                                {not_null("id", int8()), column("note", int4())})),
              ElementsAre(HasSubstr("{sql: ..., from: [note]} under add")));
}

TEST(Draft, MarksGeneratedColumns) {
  auto generated = column("total", int8());
  generated.generated = true;
  EXPECT_THAT(decisions_about_columns(one_table({not_null("id", int8()), generated},
                                                {not_null("id", int8()), column("total", int8())})),
              ElementsAre(HasSubstr("column 'total' is undecided: legacy generates it")));
  EXPECT_THAT(decisions_about_columns(one_table({not_null("id", int8()), column("total", int8())},
                                                {not_null("id", int8()), generated})),
              ElementsAre(HasSubstr("the new side computes total itself: {drop: true, why: ...}")));
  EXPECT_THAT(decisions_about_columns(
                  one_table({not_null("id", int8()), generated}, {not_null("id", int8()), generated})),
              testing::IsEmpty());
}

TEST(Draft, MarksAKeyOfSeveralColumns) {
  auto columns = std::vector{not_null("a", int8()), not_null("b", int8())};
  Databases databases{catalog("x", {with_primary_key(table("public", "t", columns), {"a", "b"})}),
                      catalog("y", {with_primary_key(table("public", "t", columns), {"a", "b"})})};
  EXPECT_THAT(decisions_about_columns(databases),
              ElementsAre("'key' is undecided: the column that says which entity a row belongs to: a or b"));
}

TEST(Draft, SurvivesNamesThatPeopleInvent) {
  auto columns = std::vector{not_null("id", int8()),   column("on", int8()), column("a: b # c", int8()),
                             column("DECIDE", int8()), column("12", int8()), column("\"q\"\n", int8())};
  auto fresh = columns;
  for (std::size_t i = 1; i < fresh.size(); ++i) fresh[i].type = build::text();
  fresh.erase(fresh.begin() + 3);
  auto name = std::string("we.ird \"t\": {x}");
  Databases databases{catalog("1 größe", {with_primary_key(table("Sch ema", name, columns), {"id"})}),
                      catalog("n", {with_primary_key(table("other", name, fresh), {"id"})})};
  auto decisions = decisions_about_columns(databases);
  EXPECT_THAT(decisions,
              testing::Contains(HasSubstr("column 'DECIDE' is undecided: no new column resembles it")));
}

TEST(Draft, OfAnEmptyDatabaseIsOneDecision) {
  EXPECT_THAT(decisions_about_columns({catalog("a", {}), catalog("b", {})}),
              ElementsAre("'entities' is undecided: the legacy database has no tables"));
}

TEST(Draft, CompilesOnceTheOwnersAreNamed) {
  auto databases = one_table({not_null("id", int4()), column("customerName", varchar(10))},
                             {not_null("id", int8()), column("customer_name", build::text())});
  auto text = databases.draft();
  for (auto at = text.find(": DECIDE"); at != std::string::npos; at = text.find(": DECIDE"))
    text.replace(at, 8, ": someone");
  auto parsed = parse_spec_text(text);
  ASSERT_TRUE(parsed.spec) << text;
  const auto& entity = parsed.spec->entities.at(0);
  const auto& spec = entity.tables.at(0);
  auto compiled = compile_mapping(entity, spec, *databases.legacy.find(spec.legacy),
                                  *databases.fresh.find(spec.new_side));
  for (const auto& problem : compiled.problems) ADD_FAILURE() << problem.sentence;
}

}  // namespace
}  // namespace oxbow
