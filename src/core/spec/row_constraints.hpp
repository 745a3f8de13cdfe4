// What the new side demands of rows together (unique values, exclusion, foreign keys), as questions to the
// legacy side: how many of its rows, mapped, would break that. One statement each, so that it sees one
// moment. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/mapping/mapping.hpp"
#include "core/spec/preflight.hpp"
#include "model/catalog.hpp"

namespace oxbow {

// Where counting stops: enough to see what is wrong.
inline constexpr std::uint64_t kRefusalsCountedMax = 1000;
inline constexpr std::size_t kRefusalSamples = 3;

struct ConstraintQuestion {
  std::string constraint;  // "foreign key order_customer of shop.order"
  bool is_foreign_key = false;
  TableName legacy;
  std::string sql;          // rows of (how many break it, an example); none if none does
  std::string why_unknown;  // then there is no SQL
};

struct MappedTable {
  const TableMapping* mapping;
  const Table* legacy;
  const Table* new_side;
};

// What is not implied by the legacy table's own unique indexes, in the order of the tables.
std::vector<ConstraintQuestion> questions_on_constraints(const std::vector<MappedTable>& tables);

struct ConstraintAnswer {
  std::uint64_t rows = 0;  // kRefusalsCountedMax: at least so many
  std::vector<std::string> samples;
  std::string why_unknown;  // nobody knows, and this is why
};

PreflightItem judge(const ConstraintQuestion& question, const ConstraintAnswer& answer);

}  // namespace oxbow
