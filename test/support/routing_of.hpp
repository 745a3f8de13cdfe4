// For tests: a routing with one route, GET /a.
#pragma once

#include <gtest/gtest.h>

#include "services/gateway/routing.hpp"

namespace oxbow {

inline std::shared_ptr<const Routing> routing_of(Route route, std::uint64_t revision = 0) {
  EntitySpec entity;
  entity.name = "payment";
  entity.cohorts = {CohortSpec{.name = "all", .rest = true}};
  entity.reads = {{ReadClass::latency, State::new_read}};
  route.method = "GET";
  route.path = "/a";
  route.read = ReadClass::latency;
  entity.routes = {std::move(route)};
  Spec spec;
  spec.entities = {std::move(entity)};
  auto routes = compile_routes(spec, {}, std::chrono::year_month_day{});
  EXPECT_TRUE(routes);
  return std::make_shared<Routing>(Routing{.routes = *routes, .state = {.revision = revision}});
}

}  // namespace oxbow
