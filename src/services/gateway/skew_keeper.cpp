#include "services/gateway/skew_keeper.hpp"

namespace oxbow {

void SkewKeeper::record(const std::shared_ptr<const Routes>& routes, std::uint32_t entity, CohortId cohort,
                        std::string_view key, bool is_write) {
  std::lock_guard lock(mutex_);
  if (routes != routes_) follow(routes);
  books_[entity].record(cohort, key, is_write);
}

void SkewKeeper::follow(const std::shared_ptr<const Routes>& routes) {
  std::vector<SkewBook> books;
  for (const auto& entity : routes->table.entities()) {
    auto& book = books.emplace_back(entity.cohort_names.size());
    for (std::size_t i = 0; i < books_.size(); ++i) {
      const auto& before = routes_->table.entities()[i];
      bool is_same = before.name == entity.name && before.cohort_names == entity.cohort_names &&
                     before.cohorts == entity.cohorts;
      if (is_same) book = std::move(books_[i]);
    }
  }
  books_ = std::move(books);
  routes_ = routes;
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
