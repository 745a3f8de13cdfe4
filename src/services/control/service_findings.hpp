// What the owner of a service has to know of it: that the gateway asks it in vain. Pure.
#pragma once

#include <vector>

#include "model/finding.hpp"
#include "model/spec.hpp"
#include "services/control/request_figures.hpp"

namespace oxbow {

// One for each address that fails; its key is the address.
std::vector<Finding> service_findings(const RequestFigures& figures, const Owners& owners);

}  // namespace oxbow
