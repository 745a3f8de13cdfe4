// The names under which people write down types.
#pragma once

#include <string_view>

#include "model/catalog.hpp"

namespace oxbow {

// True if `written`, such as "bigint", "INT8", "numeric(10,2)" or "ledger.status", names this type. Without a
// modifier it names the type with any.
bool names_type(std::string_view written, const Type& type);

}  // namespace oxbow
