// Which legacy rows would break what the new side demands of rows together, found before anything is set up.
#pragma once

#include <functional>
#include <vector>

#include "core/spec/row_constraints.hpp"
#include "ports/violation_counter.hpp"

namespace oxbow {

// Told which constraint is looked at.
using ConstraintProgress = std::function<void(const ConstraintQuestion&)>;

// One item per question. What cannot be counted is unknown, and the others are counted all the same.
Task<std::vector<PreflightItem>> check_constraints(const std::vector<ConstraintQuestion>& questions,
                                                   ViolationCounter& counter, ConstraintProgress progress);

}  // namespace oxbow
