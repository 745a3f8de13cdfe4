#include "core/routing/moved_users.hpp"

#include <fmt/core.h>

#include <map>

namespace oxbow {
namespace {

// By route, entity and cohort. Routes of one text differ in their conditions; any that is on the new side
// counts.
using Answering = std::map<std::array<std::string, 3>, Side>;

Answering answering(const RouteTable& table, const RoutingState& state) {
  Answering sides;
  for (std::uint32_t i = 0; i < table.routes().size(); ++i) {
    const auto& routed = table.routes()[i];
    const auto& entity = table.entities()[routed.entity];
    for (std::uint32_t j = 0; j < entity.cohort_names.size(); ++j) {
      auto side = answering_side(table, state, i, CohortId(j));
      auto text = fmt::format("{} {}", routed.route.method, routed.route.path);
      auto& known = sides.try_emplace({text, entity.name, entity.cohort_names[j]}, side).first->second;
      if (side == Side::new_side) known = side;
    }
  }
  return sides;
}

}  // namespace

std::vector<std::string> moved_users(const RouteTable& before, const RoutingState& state_before,
                                     const RouteTable& after, const RoutingState& state_after) {
  auto were = answering(before, state_before), are = answering(after, state_after);
  for (const auto& [of, side] : were) are.try_emplace(of, Side::legacy);  // without a route, legacy answers
  std::vector<std::string> sentences;
  for (const auto& [of, side] : are) {
    auto known = were.find(of);
    auto was = known == were.end() ? Side::legacy : known->second;
    if (was == side) continue;
    const auto& [route, entity, cohort] = of;
    sentences.push_back(fmt::format("{} of {}/{} is answered by {} from now on, and was by {}", route, entity,
                                    cohort, name(side), name(was)));
  }
  return sentences;
}

}  // namespace oxbow
