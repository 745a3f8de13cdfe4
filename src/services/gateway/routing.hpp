// What the gateway decides by: the routes of a spec, what may differ in their answers, and where every cohort
// stands. Immutable; a new state or a new spec is a new value.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/evidence/redactor.hpp"
#include "core/parity/rules.hpp"
#include "core/routing/decision.hpp"
#include "model/gateway_spec.hpp"

namespace oxbow {

struct Routes {
  RouteTable table;
  std::vector<CompareRules> rules;           // by route
  std::vector<CompareRules> rules_of_twins;  // by route: those that hold between two answers of legacy
  std::vector<std::vector<CompareRule>> rules_as_written;  // by route, with those of the mapping
  std::vector<std::string> texts;                          // by route: "GET /payments/{payment_id}"
  std::vector<Redactor> redactors;                         // by route
  std::string version_header;  // of both services; empty: their versions are not known
};

// `spec_invalid` with the place of every rule of comparison that makes no sense. `today` in UTC: what may
// differ for a time counts again behind it.
Result<std::shared_ptr<const Routes>> compile_routes(const Spec& spec, const KeyKinds& kinds,
                                                     std::chrono::year_month_day today);

// By what two answers are compared.
struct WayToCompare {
  std::vector<CompareRule> rules;
  std::vector<std::string> headers;

  friend bool operator==(const WayToCompare&, const WayToCompare&) = default;
};

// By what the answers of all routes with this text are compared, in the order of the routes.
std::vector<WayToCompare> ways_to_compare(const Routes& routes, std::string_view text);

struct Routing {
  // When an operator had the comparison begin anew, by the text of the route; "": of all.
  using BegunAnew = std::map<std::string, WallTime>;

  std::shared_ptr<const Routes> routes;
  RoutingState state;
  std::uint32_t twin_buckets = 0;  // of kBucketCount shadowed reads, for which legacy is asked twice
  bool shows_state = false;        // to the client, in X-Oxbow-Side and X-Oxbow-State
  BegunAnew begun_anew;
  ReadYourWrites read_your_writes;
};

}  // namespace oxbow
