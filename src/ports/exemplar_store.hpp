// Clusters of differences and their exemplar pairs, kept for after a restart. An aid for people and no proof:
// whoever cannot keep them says so once and goes on. Safe from any thread; a call blocks for the disk.
#pragma once

#include <vector>

#include "base/result.hpp"
#include "model/difference_cluster.hpp"

namespace oxbow {

class ExemplarStore {
 public:
  virtual ~ExemplarStore() = default;

  // Adds each or replaces it, by its signature, all or none. Where that is more than the store may hold, it
  // forgets those that were not seen for the longest time.
  virtual Status save(const std::vector<DifferenceCluster>& clusters) = 0;

  // Last seen first.
  virtual Result<std::vector<DifferenceCluster>> load() = 0;

  virtual Status forget(const std::vector<ClusterSignature>& signatures) = 0;
};

}  // namespace oxbow
