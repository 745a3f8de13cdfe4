#include "model/table_parts.hpp"

#include <algorithm>

namespace oxbow {

const TablePart* TableParts::find(std::uint32_t part) const {
  auto at = std::ranges::find(parts, part, &TablePart::oid);
  return at == parts.end() ? nullptr : &*at;
}

}  // namespace oxbow
