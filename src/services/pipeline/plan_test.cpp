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

}  // namespace
}  // namespace oxbow
