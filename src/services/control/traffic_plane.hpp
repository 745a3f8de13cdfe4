// What the control plane asks of the gateway: what it has done, and what the comparison of answers has shown
// so far.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/evidence/cluster_book.hpp"
#include "core/evidence/field_book.hpp"
#include "core/evidence/paired_figures.hpp"
#include "core/evidence/route_epoch.hpp"
#include "core/evidence/skew.hpp"
#include "core/lifecycle/state.hpp"
#include "services/control/request_figures.hpp"

namespace oxbow {

// Of one route.
struct RouteFigures {
  Coverage coverage;
  LatencyPairs latency{std::chrono::milliseconds(1)};
  ErrorTable errors;
  DivergenceCounts divergence;
  RouteEpoch epoch;  // of the verdicts on its fields
};

// What the answers of both sides have shown.
struct AnswersKnown {
  const std::map<std::string, RouteFigures>& routes;  // by route: "GET /payments/{payment_id}"
  const FieldBook& fields;
  const ClusterBook& clusters;
};

struct EntitySkew {
  std::string entity;
  std::vector<std::string> cohorts;
  std::vector<CohortSkew> skews;  // by cohort
};

class TrafficPlane {
 public:
  virtual ~TrafficPlane() = default;

  // Lets `read` see everything at one moment. It must be quick: nothing is compared meanwhile.
  virtual void look(const std::function<void(const AnswersKnown&)>& read) const = 0;

  virtual std::vector<EntitySkew> skew() const = 0;

  virtual RequestFigures requests() const = 0;

  // Whether no write of the cohort is under way any more that was sent off before the last change of the
  // routing. Any thread.
  virtual bool has_settled(const Scope& scope) const = 0;
  // Of the spec whose routes are in force: one that was taken over since the start, or that of the start.
  virtual std::string spec_hash() const = 0;
};

}  // namespace oxbow
