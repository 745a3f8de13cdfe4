// What GET /v1/traffic shows, as JSON text: of every route how much was compared, who failed, who was slower
// and how often the answers differed; of every entity how the load lies on its cohorts. Field names are part
// of the API.
#pragma once

#include <boost/json/value.hpp>
#include <string>

#include "base/result.hpp"
#include "services/control/traffic_plane.hpp"

namespace oxbow {

boost::json::value traffic_value(const TrafficPlane& traffic);
std::string traffic_json(const TrafficPlane& traffic);

// GET /v1/differences: the clusters, most frequent first; one with its examples if `cluster` names it.
// `not_found` if none has this id.
Result<std::string> differences_of(const TrafficPlane& traffic, std::string_view cluster, std::size_t limit,
                                   WallTime now);

}  // namespace oxbow
