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

// Which clusters; what is empty does not matter.
struct DifferencesQuery {
  std::string cluster;  // the id of one, or the beginning of it
  std::string route;
  std::size_t limit = 0;
};

// GET /v1/differences: the clusters, most frequent first; one with its examples if the query names it.
// `not_found` if none has this id.
Result<std::string> differences_of(const TrafficPlane& traffic, const DifferencesQuery& query, WallTime now);

}  // namespace oxbow
