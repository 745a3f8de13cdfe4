// What `oxbow gate` prints. Pure.
#pragma once

#include <boost/json.hpp>
#include <string>

#include "apps/terminal.hpp"

namespace oxbow {

// Of each cohort its verdict, who overrides it, and a line for every condition.
std::string gate_page(const boost::json::value& gates, Paint paint);

}  // namespace oxbow
