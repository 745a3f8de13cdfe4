// The page of `oxbow locks` for people, out of its JSON.
#pragma once

#include <boost/json.hpp>
#include <string>

#include "apps/terminal.hpp"

namespace oxbow {

std::string locks_page(const boost::json::value& locks, Paint paint);

}  // namespace oxbow
