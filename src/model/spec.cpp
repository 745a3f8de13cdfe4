#include "model/spec.hpp"

namespace oxbow {

const EntitySpec* Spec::find_entity(std::string_view name) const {
  for (const auto& entity : entities)
    if (entity.name == name) return &entity;
  return nullptr;
}

}  // namespace oxbow
