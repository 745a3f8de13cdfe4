// Computes new rows from legacy rows, field by field, in binary. Pass-through fields are copied without a
// look inside. Belongs to one thread; keeps scratch space between calls.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "core/mapping/mapping.hpp"

namespace oxbow {

class RowMapper {
 public:
  explicit RowMapper(const TableMapping& mapping);  // keeps a reference
  ~RowMapper();
  RowMapper(RowMapper&&) noexcept;

  // Appends the target tuple of `source` to `out`. A target field is unsent if a source field that it needs
  // is. `row_rejected` with a sentence if the row has no image: an unmapped enum value, a number out of
  // range. On error nothing is appended.
  Status map(std::string_view source, std::string& out);

  // Appends the target key (a tuple of target_key fields only) of a source tuple in which at least the source
  // key is sent. For full-row identity the whole target tuple.
  Status map_key(std::string_view source, std::string& out);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace oxbow
