#include "services/gateway/skew_keeper.hpp"

namespace oxbow {

void SkewKeeper::record(const std::shared_ptr<const Routes>& routes, std::uint32_t entity, CohortId cohort,
                        std::string_view key, bool is_write) {
  std::lock_guard lock(mutex_);
  routes_ = routes;
  if (books_.empty())
    for (const auto& each : routes->table.entities()) books_.emplace_back(each.cohort_names.size());
  books_[entity].record(cohort, key, is_write);
}

std::vector<EntitySkew> SkewKeeper::report() const {
  std::lock_guard lock(mutex_);
  std::vector<EntitySkew> entities;
  for (std::size_t i = 0; i < books_.size(); ++i) {
    const auto& entity = routes_->table.entities()[i];
    entities.push_back({entity.name, entity.cohort_names, books_[i].report()});
  }
  return entities;
}

}  // namespace oxbow
