#include "services/pipeline/plan.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/catalog_builder.hpp"

namespace oxbow {
namespace {

using namespace build;
using testing::HasSubstr;

// Two tables of one entity, which fit.
struct Scene {
  Spec spec;
  Catalog legacy = catalog("billing", {of("public", "payments"), of("public", "refunds")});
  Catalog fresh = catalog("ledger", {of("ledger", "payment"), of("ledger", "refund")});

  Scene() {
    spec.file = "moves/pay.yaml";
    spec.migration = "pay";
    EntitySpec entity{.name = "payment", .key = "id", .cohorts = {{.name = "all", .rest = true}}};
    entity.tables.push_back({.legacy = {"public", "payments"},
                             .new_side = {"ledger", "payment"},
                             .mark = {8, 9},
                             .legacy_mark = {8, 17},
                             .new_mark = {9, 14}});
    entity.tables.push_back({.legacy = {"public", "refunds"},
                             .new_side = {"ledger", "refund"},
                             .mark = {12, 9},
                             .legacy_mark = {12, 17},
                             .new_mark = {13, 14}});
    spec.entities.push_back(std::move(entity));
  }

  static Table of(std::string schema, std::string name) {
    return with_primary_key(table(std::move(schema), std::move(name), {not_null("id", int8())}), {"id"});
  }
  std::vector<TableSpec>& tables() { return spec.entities[0].tables; }
  Error mistakes() const {
    auto plan = make_plan(spec, legacy, fresh);
    EXPECT_FALSE(plan);
    return plan.error();
  }
};

TEST(Plan, HoldsTheTablesOfASpecThatFits) {
  Scene scene;
  auto plan = make_plan(scene.spec, scene.legacy, scene.fresh);
  ASSERT_TRUE(plan) << to_string(plan.error());
  EXPECT_EQ(plan->tables.size(), 2u);
}

TEST(Plan, NamesAllMistakesInTheOrderOfTheFileEachWithItsPlaceAndTheNearestName) {
  Scene scene;
  scene.tables()[1].new_side.name = "refnd";
  scene.tables()[0].legacy.name = "paymnets";
  auto error = scene.mistakes();
  EXPECT_EQ(error.code, ErrorCode::spec_invalid);
  EXPECT_EQ(error.detail,
            "\n  moves/pay.yaml:8:17: database billing has no table public.paymnets; expected one of "
            "public.payments, public.refunds; did you mean 'public.payments'?"
            "\n  moves/pay.yaml:13:14: database ledger has no table ledger.refnd; expected one of "
            "ledger.payment, ledger.refund; did you mean 'ledger.refund'?");
}

TEST(Plan, NamesTheMistakesOfColumnsByTheirPlaceToo) {
  Scene scene;
  scene.tables()[1].columns.push_back(
      {.op = ColumnOp::rename, .legacy = {"idd"}, .new_side = {"id"}, .mark = {15, 13}});
  EXPECT_THAT(scene.mistakes().detail,
              HasSubstr("moves/pay.yaml:15:13: public.refunds has no column idd; did you mean id?"));
}

TEST(Plan, DoesNotListTheTablesOfALargeDatabase) {
  Scene scene;
  for (int i = 0; i < 12; ++i) {
    TableName name{"public", "t" + std::to_string(i)};
    scene.legacy.tables.emplace(name, Scene::of(name.schema, name.name));
  }
  scene.tables()[0].legacy.name = "paymnets";
  EXPECT_THAT(scene.mistakes().detail, testing::Not(HasSubstr("expected")));
  EXPECT_THAT(scene.mistakes().detail, HasSubstr("did you mean 'public.payments'?"));
}

TEST(Plan, TellsWhatTheFirstAdvanceChangesOnAllTablesOfTheSpec) {
  Scene scene;
  scene.tables()[1].identity_is_full_row = true;
  auto plan = make_plan(scene.spec, scene.legacy, scene.fresh);
  ASSERT_TRUE(plan);
  auto sentences = set_up_sentences(*plan);
  ASSERT_EQ(sentences.size(), 2u);
  EXPECT_THAT(sentences[0], HasSubstr("sets the REPLICA IDENTITY of public.refunds (FULL);"));
  EXPECT_THAT(sentences[1], HasSubstr("publishes public.payments, public.refunds"));
}

TEST(Plan, WarnsOfCohortsThatGoBackOnlyTogether) {
  Scene scene;
  scene.spec.entities[0].cohorts = {{.name = "pilot", .buckets = 100}, {.name = "rest", .rest = true}};
  for (auto& table : scene.tables()) table.identity_is_full_row = true;
  scene.tables()[1].columns.push_back(
      {.op = ColumnOp::scale, .legacy = {"id"}, .new_side = {"id"}, .argument = "10"});
  auto plan = make_plan(scene.spec, scene.legacy, scene.fresh);
  ASSERT_TRUE(plan) << to_string(plan.error());
  auto items = judge_plan(scene.spec, *plan);
  EXPECT_THAT(items.back().sentence, HasSubstr("ledger.refund does not hold id, the key of payment"));
  EXPECT_THAT(items.back().sentence, HasSubstr("rolled back only together"));
}

std::vector<PreflightItem> warnings_of_handover(const Scene& scene) {
  auto plan = make_plan(scene.spec, scene.legacy, scene.fresh);
  EXPECT_TRUE(plan) << to_string(plan.error());
  auto items = judge_plan(scene.spec, *plan);
  std::erase_if(items, [](const auto& item) { return !item.sentence.contains("a later handover"); });
  return items;
}

TEST(Plan, WarnsOfRowsThatCannotComeBackAtThePlaceThatCouldChangeIt) {
  Scene scene;
  EXPECT_TRUE(warnings_of_handover(scene).empty());
  scene.legacy.tables.at({"public", "refunds"}).columns.push_back(not_null("note", text()));
  scene.tables()[1].columns.push_back(
      {.op = ColumnOp::drop, .legacy = {"note"}, .why = "unused", .mark = {15, 13}});
  auto warnings = warnings_of_handover(scene);
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_EQ(warnings[0].verdict, PreflightItem::Verdict::warning);
  EXPECT_EQ(warnings[0].mark.line, 15);
  EXPECT_THAT(
      warnings[0].sentence,
      HasSubstr("mirroring works, but a later handover of payment does not: rows that are born on the "
                "new side cannot be brought back: nothing says what public.refunds.note holds"));
  scene.tables()[1].columns[0].backward = "''";
  EXPECT_TRUE(warnings_of_handover(scene).empty());
}

TEST(Plan, HasAWayBackWithTheSameTablesUnderTheSameNumbersAndTheSidesSwapped) {
  Scene scene;
  scene.fresh.tables.at({"ledger", "refund"}).columns.push_back(column("note", text()));
  scene.tables()[1].columns.push_back({.op = ColumnOp::constant, .new_side = {"note"}, .argument = "none"});
  auto there = make_plan(scene.spec, scene.legacy, scene.fresh);
  ASSERT_TRUE(there) << to_string(there.error());
  auto back = make_plan_back(scene.spec, *there);
  ASSERT_TRUE(back) << to_string(back.error());
  EXPECT_EQ(back->course, Course::back);
  EXPECT_EQ(back->source.database, "ledger");
  EXPECT_THAT(back->source_tables(),
              testing::ElementsAre(TableName{"ledger", "payment"}, TableName{"ledger", "refund"}));
  EXPECT_THAT(back->target_tables(),
              testing::ElementsAre(TableName{"public", "payments"}, TableName{"public", "refunds"}));
  for (std::uint32_t id = 0; id < 2; ++id) {
    EXPECT_EQ(back->tables[id].id, id);
    EXPECT_EQ(back->tables[id].mapping.target.id, id);
  }
  EXPECT_THAT(back->tables[1].mapping.source_columns, testing::ElementsAre("id")) << "legacy knows no note";
}

TEST(Plan, NamesEveryTableWhoseRowsHaveNoWayBack) {
  Scene scene;
  scene.tables()[1].legacy = scene.tables()[0].legacy;
  auto there = make_plan(scene.spec, scene.legacy, scene.fresh);
  ASSERT_TRUE(there) << to_string(there.error());
  auto back = make_plan_back(scene.spec, *there);
  ASSERT_FALSE(back);
  EXPECT_EQ(back.error().code, ErrorCode::unsupported);
  EXPECT_THAT(back.error().detail, testing::AllOf(HasSubstr("ledger.payment"), HasSubstr("ledger.refund")));
}

TEST(Plan, WarnsForEachNewTableOfALegacyTableThatBecomesSeveral) {
  Scene scene;
  scene.tables()[1].legacy = scene.tables()[0].legacy;
  auto warnings = warnings_of_handover(scene);
  ASSERT_EQ(warnings.size(), 2u);
  EXPECT_EQ(warnings[0].mark.line, 8);
  EXPECT_EQ(warnings[1].mark.line, 12);
}

TEST(Plan, LeavesOutColumnsThatCameWhileTheMirrorRunsIfItMay) {
  Scene scene;
  scene.legacy.tables.at({"public", "payments"}).columns.push_back(column("nick", text()));
  EXPECT_THAT(scene.mistakes().detail, HasSubstr("public.payments.nick goes nowhere"));
  auto plan = make_plan(scene.spec, scene.legacy, scene.fresh, UndecidedColumns::are_left_out);
  ASSERT_TRUE(plan);
  EXPECT_THAT(plan->left_out, testing::ElementsAre("column public.payments.nick on the legacy side"));
  EXPECT_THAT(plan->tables[0].mapping.source_columns, testing::ElementsAre("id"));
}

TEST(Plan, SaysOfAColumnThatAnotherNewTableCarriesThatItIsNotLeftBehind) {
  Scene scene;
  scene.legacy.tables.at({"public", "payments"}).columns.push_back(column("note", text()));
  scene.fresh.tables.at({"ledger", "refund"}).columns.push_back(column("note", text()));
  scene.tables()[1].legacy = scene.tables()[0].legacy;
  scene.tables()[0].columns.push_back({.op = ColumnOp::drop, .legacy = {"note"}, .why = "in refund"});
  auto plan = make_plan(scene.spec, scene.legacy, scene.fresh);
  ASSERT_TRUE(plan) << to_string(plan.error());
  const auto& line = plan->tables[0].mapping.report.back();
  EXPECT_EQ(line.how, "left to ledger.refund");
  EXPECT_EQ(line.loss, Loss::none);
}

TEST(Plan, NumbersTablesWithoutACatalog) {
  Scene scene;
  EXPECT_THAT(table_numbers(scene.spec, "payment"), testing::ElementsAre(0u, 1u));
  EXPECT_TRUE(table_numbers(scene.spec, "nobody").empty());
}

}  // namespace
}  // namespace oxbow
