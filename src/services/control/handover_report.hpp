// What is kept of a handover that has ended: its times in words, and as figures. Pure.
#pragma once

#include <string>

#include "core/lifecycle/handover_figures.hpp"
#include "services/control/handover_order.hpp"

namespace oxbow {

std::string describe(const HandoverReport& report);  // "writes waited 12.3 ms: install_guards 1.2, ..."
HandoverFigures figures_of(const HandoverReport& report);

}  // namespace oxbow
