// What kind of key every entity has, as the legacy database says.
#pragma once

#include <map>
#include <string>

#include "core/routing/key_text.hpp"
#include "model/spec.hpp"

namespace oxbow {

using KeyKinds = std::map<std::string, KeyKind>;  // by entity; of one that is not there nothing is known

// Where the tables of an entity keep its key in different kinds of columns, it is not known, because each
// prints it in its own way.
KeyKinds key_kinds(const Spec& spec, const Catalog& legacy);

inline KeyKind kind_in(const KeyKinds& kinds, const std::string& entity) {
  auto found = kinds.find(entity);
  return found == kinds.end() ? KeyKind::unknown : found->second;
}

}  // namespace oxbow
