// One page about a migration, for people, from the JSON of GET /v1/status.
#pragma once

#include <boost/json/fwd.hpp>
#include <string>

namespace oxbow {

std::string status_page(const boost::json::value& status);

// How far one verification is, on one line.
std::string verify_progress(const boost::json::value& report);

}  // namespace oxbow
