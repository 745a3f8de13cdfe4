// A copy onto rows that are there already, as after a rollback to `legacy`: only what differs is written, so
// a second copy of the same rows changes nothing. Holds one range in memory. A value of one copy; not
// thread-safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/mapping/mapping.hpp"
#include "core/mapping/row_mapper.hpp"
#include "flow/apply/applier.hpp"
#include "flow/backfill/range_copy.hpp"

namespace oxbow {

class Reconciliation {
 public:
  explicit Reconciliation(const TableMapping& mapping)
      : mapping_(mapping), mapper_(mapping) {}  // keeps a reference

  // Whole target tuples that the range holds now.
  void add_present(std::string_view tuples);
  bool finds_nothing() const { return present_.empty(); }

  // What whole source tuples mean for them; rows without an image are handed to `copy`.
  std::vector<MergedRow> judge(RangeCopy& copy, std::string_view source_tuples);

  // Rows that no source row stood for: they go.
  RowWrite leftovers();

 private:
  std::string key_of(std::string_view target_tuple) const;

  const TableMapping& mapping_;
  RowMapper mapper_;
  std::unordered_multimap<std::string, std::string> present_;  // by target key; without one, by the whole row
};

}  // namespace oxbow
