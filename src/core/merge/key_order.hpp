// The order of keys, as the database that holds them has it, over keys in binary (model/tuple.hpp). Only
// orders that bytes can reproduce exactly are known here; a table with any other key is one range. Immutable
// values; safe from any thread.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "model/key_range.hpp"

namespace oxbow {

class KeyOrder {
 public:
  // None if some column's order is not known: a locale's collation, numeric, a range, ...
  static std::optional<KeyOrder> of(const std::vector<KeyColumn>& key);

  // Negative, zero or positive, column by column. REQUIRES: both are tuples of this key without NULLs.
  int compare(std::string_view a, std::string_view b) const;

  bool contains(const KeyRange& range, std::string_view key) const;

 private:
  enum class Kind { signed_integer, unsigned_integer, bytes };

  std::vector<Kind> columns_;
};

}  // namespace oxbow
