// One table of the spec as the stream follows it.
#pragma once

#include <cstddef>

#include "core/mapping/mapping.hpp"
#include "model/change.hpp"
#include "model/cohort.hpp"

namespace oxbow {

struct MirroredTable {
  const TableMapping* mapping = nullptr;  // outlive the applier
  const CohortTable* cohorts = nullptr;
  bool follow_new_columns = false;  // a column that appears on the source is left out instead of stopping us
  std::size_t cohort_count = 1;     // of the entity
  RelationId legacy_id{};           // of the table that the mapping was made for; zero: not known
};

}  // namespace oxbow
