// A part of a table, by key: lower <= key < upper in the key's own order. The unit of copying, fencing and
// proving.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/strong.hpp"
#include "model/catalog.hpp"

namespace oxbow {

using RangeId = Strong<std::uint64_t, struct RangeTag>;

struct KeyColumn {
  std::string name;
  Type type;
  bool collation_is_c = true;
};

// A place between keys. `tuple` holds the key's fields in binary, to be compared here; `literals` the same as
// text, to be compared by the database ('4711', one per key column, without quotes).
struct KeyBound {
  std::string tuple;
  std::vector<std::string> literals;

  friend bool operator==(const KeyBound&, const KeyBound&) = default;
};

// An empty bound is unbounded. A range without bounds is the whole table and needs no order. Equal bounds are
// a point: exactly this key.
struct KeyRange {
  KeyBound lower;
  KeyBound upper;

  bool is_whole_table() const { return lower.tuple.empty() && upper.tuple.empty(); }
  bool is_point() const { return !lower.tuple.empty() && lower.tuple == upper.tuple; }
  friend bool operator==(const KeyRange&, const KeyRange&) = default;
};

}  // namespace oxbow
