#include "core/lifecycle/adoption.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/cohort/cohorts.hpp"

namespace oxbow {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

Spec spec_with(std::vector<CohortSpec> cohorts) {
  Spec spec;
  spec.entities.push_back({.name = "payment", .key = "payment_id", .cohorts = std::move(cohorts)});
  return spec;
}

CohortSpec keys(std::string name, std::vector<std::string> list) {
  return {.name = std::move(name), .keys = std::move(list)};
}
CohortSpec slice(std::string name, std::uint32_t buckets) {
  return {.name = std::move(name), .buckets = buckets};
}

TEST(Adoption, ACohortKeepsItsFingerprintWhileThoseBehindItChange) {
  auto before =
      adopted_cohorts(spec_with({keys("pilot", {"1"}), slice("few", 100), {.name = "rest", .rest = true}}));
  auto after =
      adopted_cohorts(spec_with({keys("first", {"1"}), slice("few", 200), {.name = "rest", .rest = true}}));
  ASSERT_EQ(before.size(), 3u);
  EXPECT_EQ(before[0].scope, (Scope{"payment", "pilot"}));
  EXPECT_EQ(before[0].definition, after[0].definition) << "a name takes no keys";
  EXPECT_NE(before[1].definition, after[1].definition);
  EXPECT_NE(before[2].definition, after[2].definition) << "what is left over is less";
}

TEST(Adoption, ACohortPutInFrontChangesAllBehindIt) {
  auto before = adopted_cohorts(spec_with({slice("few", 100)}));
  auto after = adopted_cohorts(spec_with({keys("pilot", {"1"}), slice("few", 100)}));
  EXPECT_NE(before[0].definition, after[1].definition);
}

TEST(Adoption, AnotherKeyColumnIsAnotherDivision) {
  auto spec = spec_with({slice("few", 100)});
  auto before = adopted_cohorts(spec);
  spec.entities[0].key = "customer_id";
  EXPECT_NE(before[0].definition, adopted_cohorts(spec)[0].definition);
}

// Names come before shares, so who names a key of an earlier share takes it from there.
TEST(Adoption, AKeyThatALaterCohortNamesChangesTheShareThatItComesFrom) {
  auto salt = cohort_salt("payment", "");
  auto is_of_few = [&](int key) { return bucket_of(salt, std::to_string(key)) < 5000; };
  std::string inside, outside;
  for (int key = 0; inside.empty() || outside.empty(); ++key)
    (is_of_few(key) ? inside : outside) = std::to_string(key);
  CohortSpec rest{.name = "rest", .rest = true};
  auto alone = adopted_cohorts(spec_with({slice("few", 5000), rest}))[0].definition;
  auto with = [&](std::vector<std::string> named) {
    return adopted_cohorts(spec_with({slice("few", 5000), keys("pilot", std::move(named)), rest}))[0]
        .definition;
  };
  EXPECT_EQ(with({outside}), alone) << "which was never of that share";
  EXPECT_NE(with({inside}), alone);
  EXPECT_EQ(with({inside, outside}), with({outside, inside}));
  EXPECT_TRUE(differ_by_later_names(alone, with({inside})));
  EXPECT_TRUE(says_more(alone, with({inside})));
  EXPECT_FALSE(says_more(with({inside}), alone));
  EXPECT_FALSE(
      differ_by_later_names(alone, adopted_cohorts(spec_with({slice("few", 4000), rest}))[0].definition));
}

// Journals in the field hold them.
TEST(Adoption, FingerprintsAreFrozen) {
  auto spec = spec_with({keys("pilot", {"1", "2"}), slice("few", 100), {.name = "rest", .rest = true}});
  auto adopted = adopted_cohorts(spec);
  EXPECT_EQ(adopted[0].definition, "788f4d4b99da8313b6f70433ac5f25be4f5af64e98dbfc5190942c07cac16c05");
  EXPECT_EQ(adopted[1].definition, "f93eef139a54c6c673054b500ae41851560ce98fa00a015775d080bbf8734f62");
  EXPECT_EQ(adopted[2].definition, "ba3ba3d1b6742f1c961347fcfe9c7428862d2553989ae3db93f0e4b6d45e066a");
}

TEST(Adoption, WhatIsMoreThanCohortsIsNamed) {
  auto two = spec_with({keys("pilot", {"1"}), slice("few", 100)});
  EXPECT_EQ(what_waits(two, spec_with({slice("many", 500)})), std::nullopt);
  auto with_order = two;
  with_order.entities.push_back({.name = "order", .key = "id", .cohorts = {slice("all", 10'000)}});
  EXPECT_EQ(what_waits(two, with_order), "entity order is new");
  EXPECT_EQ(what_waits(with_order, two), "entity order is gone");
  auto with_table = two;
  with_table.entities.front().tables.emplace_back();
  EXPECT_EQ(what_waits(two, with_table), "entity payment has other tables");
  auto by_customer = two;
  by_customer.entities[0].key = "customer_id";
  EXPECT_EQ(what_waits(two, by_customer), "the key of entity payment is customer_id, and was payment_id");
  auto renamed = two;
  renamed.migration = "billing";
  EXPECT_EQ(what_waits(two, renamed), "the migration is called billing, and was ");
}

TEST(Adoption, EntitiesWithOtherCohortsAreFoundWhateverTheirOrder) {
  auto before = spec_with({keys("pilot", {"1"}), slice("few", 100)});
  before.entities.push_back({.name = "order", .key = "id", .cohorts = {slice("all", 10'000)}});
  auto after = before;
  std::swap(after.entities[0], after.entities[1]);
  EXPECT_THAT(with_other_cohorts(before, after), IsEmpty());
  after.entities[1].cohorts[0].name = "first";
  EXPECT_THAT(with_other_cohorts(before, after), ElementsAre("payment"));
}

}  // namespace
}  // namespace oxbow
