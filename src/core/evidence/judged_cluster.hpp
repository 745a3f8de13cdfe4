// Clusters together with what the statistics say of their field: what people look at. Pure.
#pragma once

#include <optional>
#include <vector>

#include "core/evidence/cluster_book.hpp"
#include "core/evidence/field_book.hpp"

namespace oxbow {

struct JudgedCluster {
  const DifferenceCluster* cluster = nullptr;  // as in ClusterBook::list()
  // Of its field and kind, whatever the classes of the values; none if the field found no room, or did not
  // differ since the last change of version.
  std::optional<FieldReport> field = {};
  // Whether it may be for want of room that the field has no report.
  bool lacks_room = false;
};

// In the order of the clusters.
std::vector<JudgedCluster> judge_clusters(const std::vector<const DifferenceCluster*>& clusters,
                                          const BookReport& report);

}  // namespace oxbow
