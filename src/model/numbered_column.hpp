// A column that a sequence fills, by a default or as an identity.
//
// What a sequence has given out is at most its last value: what sessions keep in their cache counts as given
// out, and so does what was rolled back. Rows may hold larger numbers, which somebody wrote explicitly.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "model/catalog.hpp"

namespace oxbow {

struct NumberedColumn {
  TableName table;
  std::string column;
  std::string sequence;                    // quoted, for SQL; empty: none that is known
  std::int64_t increment = 1;              // not 0
  std::optional<std::int64_t> last_given;  // none: nothing yet
  std::int64_t first = 1;                  // that it gives out where nothing was
  std::int64_t largest_possible = 0;       // by the sequence's bound and the column's type
  std::optional<std::int64_t> largest_row;

  friend bool operator==(const NumberedColumn&, const NumberedColumn&) = default;
};

}  // namespace oxbow
