// One rule of the spec for columns that were found: which step computes the new value, how both databases
// compute it for the comparison, and whether there is a way back. One function per kind of rule.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "core/mapping/column_plan.hpp"

namespace oxbow {

// The columns that a rule names.
struct RuleColumns {
  struct Legacy {
    const Column* column = nullptr;
    std::size_t place = 0;    // in the source tuple
    bool identifies = false;  // different values must stay different
  };
  std::vector<Legacy> legacy;
  std::vector<const Column*> new_side;
};

// One new column of a rule. The program's `reads` and `column` are left to the caller.
struct StepPlan {
  ColumnPlan plan;
  std::string how;               // for the report
  std::string why;               // what the report says if the spec gives no reason
  bool loses_something = false;  // the new value does not tell all that the legacy value told
  bool has_inverse = true;       // false: a rule of this kind cannot be undone, and `why` says so
};

// One plan per new column, or what is wrong with the rule and what to write instead. Not for drop and
// use_default.
Result<std::vector<StepPlan>> plan_step(const ColumnRule& rule, const RuleColumns& columns);

}  // namespace oxbow
