// One page about a migration, for people, from the JSON of GET /v1/status.
#pragma once

#include <boost/json/fwd.hpp>
#include <string>

namespace oxbow {

std::string status_page(const boost::json::value& status);

}  // namespace oxbow
