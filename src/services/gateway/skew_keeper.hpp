// How the load lies on the cohorts of every entity, as the gateway sees it. Any thread.
#pragma once

#include <mutex>
#include <string_view>
#include <vector>

#include "services/control/traffic_plane.hpp"
#include "services/gateway/routing.hpp"

namespace oxbow {

class SkewKeeper {
 public:
  // Where a spec gives other keys to its cohorts, what was counted of its entity says nothing any more.
  void record(const std::shared_ptr<const Routes>& routes, std::uint32_t entity, CohortId cohort,
              std::string_view key, bool is_write);

  std::vector<EntitySkew> report() const;

 private:
  void follow(const std::shared_ptr<const Routes>& routes);

  mutable std::mutex mutex_;
  std::shared_ptr<const Routes> routes_;
  std::vector<SkewBook> books_;  // by entity
};

}  // namespace oxbow
