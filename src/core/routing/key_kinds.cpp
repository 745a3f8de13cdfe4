#include "core/routing/key_kinds.hpp"

#include <set>

#include "core/cohort/cohorts.hpp"

namespace oxbow {

KeyKinds key_kinds(const Spec& spec, const Catalog& legacy) {
  KeyKinds kinds;
  for (const auto& entity : spec.entities) {
    std::set<KeyKind> found;
    for (const auto& of_spec : entity.tables) {
      const auto* table = legacy.find(of_spec.legacy);
      const auto* column = table ? table->find_column(entity.key) : nullptr;
      bool is_known = column && is_entity_key_type(column->type);
      found.insert(is_known ? key_kind(column->type) : KeyKind::unknown);
    }
    if (found.size() == 1 && !found.contains(KeyKind::unknown)) kinds[entity.name] = *found.begin();
  }
  return kinds;
}

}  // namespace oxbow
