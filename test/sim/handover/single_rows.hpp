// A batch as statements of one row each, between which others have their turn. Pure.
#pragma once

#include <vector>

#include "flow/apply/applier.hpp"

namespace oxbow::sim {

std::vector<WriteStep> single_rows(std::vector<WriteStep> steps);

}  // namespace oxbow::sim
