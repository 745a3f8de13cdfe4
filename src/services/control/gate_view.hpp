// Gates as the control API shows them.
#pragma once

#include <string>
#include <vector>

#include "services/control/control_service.hpp"

namespace oxbow {

// Of each cohort: every condition with its value, its threshold and what is missing.
Result<std::string> gates_json(const ControlService& service, const std::vector<Scope>& scopes, State to);

}  // namespace oxbow
