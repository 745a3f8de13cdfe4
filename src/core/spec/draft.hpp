// The first version of a spec, from two databases: what is certain is written down, what is not is written as
// DECIDE with the choices behind it, so that `oxbow check` refuses the draft until a person has decided.
#pragma once

#include <string>
#include <string_view>

#include "model/catalog.hpp"

namespace oxbow {

// Passwords in the addresses become ${OXBOW_LEGACY_PASSWORD} and ${OXBOW_NEW_PASSWORD}. The text parses with
// no other mistakes than its open decisions.
std::string draft_spec(const Catalog& legacy, const Catalog& new_side, std::string_view legacy_address,
                       std::string_view new_address);

}  // namespace oxbow
