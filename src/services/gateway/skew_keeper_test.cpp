#include "services/gateway/skew_keeper.hpp"

#include <gtest/gtest.h>

namespace oxbow {
namespace {

std::shared_ptr<const Routes> routes_of(std::vector<CohortSpec> cohorts) {
  Spec spec;
  spec.migration = "m";
  spec.entities.push_back({.name = "payment", .key = "id", .cohorts = std::move(cohorts)});
  spec.entities.push_back({.name = "order", .key = "id", .cohorts = {{.name = "all", .rest = true}}});
  return *compile_routes(spec, {}, {});
}

TEST(SkewKeeper, CountsAnewWhereASpecGivesOtherKeysToTheCohorts) {
  SkewKeeper skew;
  CohortSpec rest{.name = "rest", .rest = true};
  auto before = routes_of({rest});
  skew.record(before, 0, CohortId(0), "1", true);
  skew.record(before, 1, CohortId(0), "7", true);
  auto same = routes_of({rest});
  skew.record(same, 0, CohortId(0), "2", true);
  EXPECT_EQ(skew.report()[0].skews[0].requests, 2u) << "only other rules";
  auto more = routes_of({{.name = "pilot", .keys = {"1"}}, rest});
  skew.record(more, 0, CohortId(1), "2", true);
  auto report = skew.report();
  EXPECT_EQ(report[0].cohorts, (std::vector<std::string>{"pilot", "rest"}));
  EXPECT_EQ(report[0].skews[0].requests, 0u);
  EXPECT_EQ(report[0].skews[1].requests, 1u);
  EXPECT_EQ(report[1].skews[0].requests, 1u) << "of another entity";
}

}  // namespace
}  // namespace oxbow
