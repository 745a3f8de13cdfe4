// What the gateway decides by: the routes of a spec, what may differ in their answers, and where every cohort
// stands. Immutable; a new state or a new spec is a new value.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "core/evidence/redactor.hpp"
#include "core/parity/rules.hpp"
#include "core/routing/decision.hpp"

namespace oxbow {

struct Routes {
  RouteTable table;
  std::vector<CompareRules> rules;  // by route
  std::vector<std::string> texts;   // by route: "GET /payments/{payment_id}"
  std::vector<Redactor> redactors;  // by route
};

// `spec_invalid` with every rule of comparison that makes no sense. `today` in UTC: what may differ for a
// time counts again behind it.
Result<std::shared_ptr<const Routes>> compile_routes(const Spec& spec, std::chrono::year_month_day today);

struct Routing {
  std::shared_ptr<const Routes> routes;
  RoutingState state;
  std::uint32_t twin_buckets = 0;  // of kBucketCount shadowed reads, whose own side is asked twice
  bool shows_state = false;        // to the client, in X-Oxbow-Side and X-Oxbow-State
};

}  // namespace oxbow
