#include "services/control/traffic_view.hpp"

#include <boost/json.hpp>

#include "services/control/differences_view.hpp"

namespace oxbow {
namespace {

namespace json = boost::json;

double ms(Duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

json::value latency_value(const LatencyPairs& latency) {
  if (latency.count() == 0) return nullptr;
  auto side = [](const LogHistogram& times) -> json::value {
    return {{"p50_ms", ms(times.quantile(0.5))}, {"p99_ms", ms(times.quantile(0.99))}};
  };
  auto difference = [&](double q) -> json::value {
    return latency.asked_alike() == 0 ? json::value() : json::value(ms(latency.difference_quantile(q)));
  };
  return {{"pairs", latency.count()},
          {"legacy", side(latency.legacy())},
          {"new", side(latency.new_side())},
          {"asked_alike", latency.asked_alike()},
          {"new_minus_legacy_p50_ms", difference(0.5)},
          {"new_minus_legacy_p99_ms", difference(0.99)},
          {"new_slower", latency.new_slower()},
          {"legacy_slower", latency.legacy_slower()},
          {"log_e_new_slower", latency.log_e_new_slower()}};
}

json::value errors_value(const ErrorTable& errors) {
  return {{"both_ok", errors.both_ok},
          {"only_legacy_failed", errors.only_legacy_failed},
          {"only_new_failed", errors.only_new_failed},
          {"both_failed", errors.both_failed},
          {"log_e_new_fails_more", errors.log_e_new_fails_more()}};
}

json::value divergence_value(const DivergenceCounts& divergence) {
  return {{"compared", divergence.compared},
          {"differed_first", divergence.differed_first},
          {"rechecked", divergence.rechecked},
          {"differed_after_recheck", divergence.differed_after_recheck},
          {"differed", divergence.differed}};
}

json::value epoch_value(const RouteEpoch& epoch) {
  auto text_or_null = [](const std::string& text) {
    return text.empty() ? json::value() : json::value(text);
  };
  return {{"number", epoch.number},
          {"since", epoch.since == WallTime{} ? json::value() : json::value(to_string(epoch.since))},
          {"legacy_version", text_or_null(epoch.legacy.present())},
          {"new_version", text_or_null(epoch.new_side.present())}};
}

json::value route_value(const std::string& route, const RouteFigures& figures) {
  json::object skipped;
  for (const auto& [reason, count] : figures.coverage.reasons()) skipped[reason] = count;
  return {{"route", route},
          {"eligible", figures.coverage.eligible()},
          {"compared", figures.coverage.compared_count()},
          {"coverage", figures.coverage.share()},
          {"skipped", std::move(skipped)},
          {"latency", latency_value(figures.latency)},
          {"errors", errors_value(figures.errors)},
          {"divergence", divergence_value(figures.divergence)},
          {"epoch", epoch_value(figures.epoch)}};
}

json::value skew_value(const EntitySkew& entity) {
  json::array cohorts;
  for (std::size_t i = 0; i < entity.skews.size(); ++i) {
    const auto& skew = entity.skews[i];
    cohorts.push_back({{"cohort", entity.cohorts[i]},
                       {"keys", skew.keys},
                       {"requests", skew.requests},
                       {"writes", skew.writes},
                       {"keys_share", skew.keys_share},
                       {"requests_share", skew.requests_share},
                       {"writes_share", skew.writes_share},
                       {"hottest_key", skew.hottest ? json::value(skew.hottest->key) : json::value()},
                       {"hottest_share", skew.hottest_share},
                       {"sentence", describe_skew(skew)}});
  }
  return {{"entity", entity.entity}, {"cohorts", std::move(cohorts)}};
}

json::array services_value(const RequestFigures& figures) {
  json::array services;
  for (const auto& each : figures.addresses)
    services.push_back(
        {{"side", name(each.side)}, {"address", each.address}, {"left_alone", each.is_left_alone}});
  return services;
}

// Of one route, or of all together.
Coverage coverage_of(const std::map<std::string, RouteFigures>& routes, const std::string& wanted) {
  Coverage all;
  for (const auto& [route, figures] : routes)
    if (wanted.empty() || route == wanted) all.add(figures.coverage);
  return all;
}

std::uint64_t differed_of(const std::map<std::string, RouteFigures>& routes, const std::string& wanted) {
  std::uint64_t all = 0;
  for (const auto& [route, figures] : routes)
    if (wanted.empty() || route == wanted) all += figures.divergence.differed;
  return all;
}

}  // namespace

json::value traffic_value(const TrafficPlane& traffic) {
  json::array routes, entities;
  traffic.look([&](const AnswersKnown& known) {
    for (const auto& [route, figures] : known.routes) routes.push_back(route_value(route, figures));
  });
  for (const auto& entity : traffic.skew()) entities.push_back(skew_value(entity));
  return {{"routes", std::move(routes)},
          {"skew", std::move(entities)},
          {"services", services_value(traffic.requests())},
          {"spec_hash", traffic.spec_hash()}};
}

std::string traffic_json(const TrafficPlane& traffic) {
  return json::serialize(traffic_value(traffic));
}

Result<std::string> differences_of(const TrafficPlane& traffic, const DifferencesQuery& query, WallTime now) {
  const auto& [cluster, route, limit] = query;
  Result<std::string> answer = Err(ErrorCode::not_found, "no cluster of differences is called `{}`", cluster);
  traffic.look([&](const AnswersKnown& known) {
    auto listed = known.clusters.list();
    if (!route.empty())
      std::erase_if(listed, [&](const DifferenceCluster* each) { return each->signature.route != route; });
    DifferencesInput input{.now = now,
                           .coverage = coverage_of(known.routes, route),
                           .differed = differed_of(known.routes, route),
                           .differences_without_room = known.clusters.differences_without_room(route),
                           .clusters_gone = known.clusters.clusters_gone(route),
                           .clusters_total = listed.size(),
                           .with_exemplars = !cluster.empty()};
    if (!cluster.empty()) {
      const auto* found = known.clusters.find(cluster);
      if (found == nullptr) return;
      listed = {found};
    } else if (listed.size() > limit) {
      listed.resize(limit);
    }
    input.clusters = judge_clusters(listed, known.fields.report({}));
    answer = differences_json(input);
  });
  return answer;
}

}  // namespace oxbow
