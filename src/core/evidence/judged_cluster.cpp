#include "core/evidence/judged_cluster.hpp"

#include <map>
#include <set>
#include <string_view>
#include <tuple>

namespace oxbow {

std::vector<JudgedCluster> judge_clusters(const std::vector<const DifferenceCluster*>& clusters,
                                          const BookReport& report) {
  std::map<std::tuple<std::string_view, std::string_view, std::string_view>, const FieldReport*> fields;
  for (const auto& field : report.fields) fields[{field.route, field.path, field.kind}] = &field;
  std::set<std::string_view> full_routes;
  for (const auto& route : report.routes)
    if (route.differences_untracked > 0) full_routes.insert(route.route);
  std::vector<JudgedCluster> judged;
  for (const auto* cluster : clusters) {
    const auto& signature = cluster->signature;
    auto& each = judged.emplace_back(JudgedCluster{.cluster = cluster});
    auto found = fields.find({signature.route, signature.path, signature.kind});
    if (found != fields.end()) each.field = *found->second;
    each.lacks_room = !each.field && cluster->count_now() > 0 && full_routes.contains(signature.route);
  }
  return judged;
}

}  // namespace oxbow
