#include "core/mapping/row_cohort.hpp"

#include "core/cohort/cohorts.hpp"
#include "model/tuple.hpp"

namespace oxbow {

Result<std::optional<CohortId>> cohort_of_row(const TableMapping& mapping, const CohortTable& cohorts,
                                              std::string_view source_tuple) {
  // Slices are contiguous, so equal ends mean one cohort.
  if (cohorts.named_keys.empty() && cohorts.by_bucket.front() == cohorts.by_bucket.back())
    return std::optional(cohorts.by_bucket.front());
  if (!mapping.entity_key_field) return std::optional<CohortId>{};
  auto field = field_at(source_tuple, *mapping.entity_key_field);
  if (field.kind != Field::Kind::value) return std::optional<CohortId>{};
  auto text = TRY(key_text(mapping.entity_key_type, field.bytes));
  return std::optional(cohort_of(cohorts, text));
}

}  // namespace oxbow
