// For tests: a routing with one route, GET /a, or with more, GET /b and so on.
#pragma once

#include <gtest/gtest.h>

#include "services/gateway/routing.hpp"

namespace oxbow {

inline std::shared_ptr<const Routing> routing_of_all(std::vector<Route> routes, std::uint64_t revision = 0) {
  EntitySpec entity;
  entity.name = "payment";
  entity.cohorts = {CohortSpec{.name = "all", .rest = true}};
  entity.reads = {{ReadClass::latency, State::new_read}};
  for (std::size_t i = 0; i < routes.size(); ++i) {
    routes[i].method = "GET";
    routes[i].path = {'/', static_cast<char>('a' + i)};
    routes[i].read = ReadClass::latency;
  }
  entity.routes = std::move(routes);
  Spec spec;
  spec.entities = {std::move(entity)};
  auto compiled = compile_routes(spec, {}, std::chrono::year_month_day{});
  EXPECT_TRUE(compiled);
  return std::make_shared<Routing>(Routing{.routes = *compiled, .state = {.revision = revision}});
}

inline std::shared_ptr<const Routing> routing_of(Route route, std::uint64_t revision = 0) {
  return routing_of_all({std::move(route)}, revision);
}

}  // namespace oxbow
