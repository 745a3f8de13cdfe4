#include "core/lifecycle/adoption.hpp"

#include <gtest/gtest.h>

namespace oxbow {
namespace {

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

std::string change(const Spec& before, const Spec& after) {
  return first_change(adopted_cohorts(before), adopted_cohorts(after)).value_or("");
}

TEST(Adoption, TheFirstChangeIsNamed) {
  auto two = spec_with({keys("pilot", {"1"}), slice("few", 100)});
  EXPECT_EQ(change(two, two), "");
  EXPECT_EQ(change(two, spec_with({keys("pilot", {"1"}), slice("few", 200)})),
            "cohort few of entity payment takes other keys");
  EXPECT_EQ(change(two, spec_with({slice("few", 100), keys("pilot", {"1"})})),
            "cohort pilot of entity payment stands at another place");
  EXPECT_EQ(change(two, spec_with({slice("few", 100)})), "cohort pilot of entity payment is gone");
  EXPECT_EQ(change(two, spec_with({keys("pilot", {"1"})})), "cohort few of entity payment is gone");
  EXPECT_EQ(change(spec_with({slice("few", 100)}), two), "cohort pilot of entity payment is new");
  auto with_order = two;
  with_order.entities.push_back({.name = "order", .key = "id", .cohorts = {slice("all", 10'000)}});
  EXPECT_EQ(change(two, with_order), "entity order is new");
  EXPECT_EQ(change(with_order, two), "entity order is gone");
}

}  // namespace
}  // namespace oxbow
