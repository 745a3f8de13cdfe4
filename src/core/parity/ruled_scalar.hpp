// Whether two values that are neither objects nor arrays count as equal under the rules of their place. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/parity/rules.hpp"
#include "model/comparison.hpp"

namespace oxbow {

struct Scalar {
  ValueClass value_class = ValueClass::null;
  std::string text;  // of a string its characters, of anything else its JSON
};

using RulesHere = std::vector<const ReadyRule*>;

// REQUIRES: one sound JSON value without blanks around it.
Scalar read_scalar(std::string_view json);

// First legacy's value is translated (map, else scale), then both are compared, then tolerance, time_skew and
// same_class may forgive a difference.
bool same_under_rules(const RulesHere& rules, Scalar legacy, const Scalar& new_side);

}  // namespace oxbow
