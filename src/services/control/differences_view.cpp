#include "services/control/differences_view.hpp"

#include <boost/json.hpp>

#include "core/evidence/answer_path.hpp"

namespace oxbow {
namespace {

namespace json = boost::json;

double seconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

json::value verdict_or_null(const std::optional<FieldReport>& field) {
  if (!field) return nullptr;
  const auto& counts = field->counts;
  const auto& verdict = field->verdict;
  return {{"state", name(verdict.state)},
          {"by_budget", verdict.by_budget},
          {"compared", counts.compared},
          {"differed", counts.differed},
          {"twins", counts.twins},
          {"twin_differed", counts.twin_differed},
          {"log_e", verdict.log_e},
          {"rate", verdict.rate},
          {"rate_low", verdict.rate_interval.low},
          {"rate_high", verdict.rate_interval.high},
          {"noise_rate", verdict.noise_rate},
          {"noise_rate_max", verdict.noise_rate_max},
          {"needs_more", verdict.needs_more},
          {"evidence", describe_counts(counts)}};
}

json::value answer_value(const ExemplarPair::Answer& answer) {
  return {{"status", answer.status}, {"value", answer.value}, {"body", answer.body}};
}

json::array exemplars_of(const DifferenceCluster& cluster) {
  json::array pairs;
  for (const auto& pair : cluster.exemplars) {
    pairs.push_back({{"at", to_string(pair.at)},
                     {"request", pair.request},
                     {"legacy", answer_value(pair.legacy)},
                     {"new", answer_value(pair.new_side)}});
  }
  return pairs;
}

json::value cluster_value(const JudgedCluster& judged, WallTime now, bool with_exemplars) {
  const auto& cluster = *judged.cluster;
  auto beginning = beginning_of_long(cluster.signature.path);
  json::object value = {{"id", cluster.id},
                        {"route", cluster.signature.route},
                        {"path", cluster.signature.path},
                        {"path_begins", beginning ? json::value(*beginning) : json::value()},
                        {"kind", cluster.signature.kind},
                        {"values", cluster.signature.values},
                        {"count", cluster.count_now()},
                        {"first_seen", to_string(cluster.first_seen)},
                        {"last_seen", to_string(cluster.last_seen)},
                        {"age_seconds", seconds(now - cluster.first_seen)},
                        {"idle_seconds", seconds(now - cluster.last_seen)},
                        {"lacks_room", judged.lacks_room},
                        {"verdict", verdict_or_null(judged.field)}};
  if (with_exemplars) value["exemplars"] = exemplars_of(cluster);
  return value;
}

}  // namespace

std::string differences_json(const DifferencesInput& input) {
  json::array skipped, clusters;
  for (const auto& [reason, count] : input.coverage.reasons())
    skipped.push_back({{"reason", reason}, {"count", count}});
  for (const auto& judged : input.clusters)
    clusters.push_back(cluster_value(judged, input.now, input.with_exemplars));
  json::value document = {{"now", to_string(input.now)},
                          {"eligible", input.coverage.eligible()},
                          {"compared", input.coverage.compared_count()},
                          {"skipped", std::move(skipped)},
                          {"differed", input.differed},
                          {"differences_without_room", input.differences_without_room},
                          {"clusters_gone", input.clusters_gone},
                          {"clusters_total", input.clusters_total},
                          {"clusters", std::move(clusters)}};
  return json::serialize(document);
}

}  // namespace oxbow
