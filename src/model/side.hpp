// The two systems of a migration. `source` and `target` belong to a stream, which can run either way.
#pragma once

#include <string_view>

namespace oxbow {

enum class Side { legacy, new_side };

constexpr Side other(Side side) {
  return side == Side::legacy ? Side::new_side : Side::legacy;
}
constexpr std::string_view name(Side side) {
  return side == Side::legacy ? "legacy" : "new";
}

}  // namespace oxbow
