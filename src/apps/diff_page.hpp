// What `oxbow diff` shows, from the JSON of GET /v1/differences (services/control/differences_view.hpp).
#pragma once

#include <boost/json/fwd.hpp>
#include <cstddef>
#include <string>

#include "apps/terminal.hpp"

namespace oxbow {

// One line for each cluster, most frequent first, below how much was compared.
std::string differences_page(const boost::json::value& document, Paint paint);

// One cluster with one of its pairs of answers: next to each other if there is room, else one below the
// other. `example` counts from 0. REQUIRES: a cluster that was asked for by its id, so that its exemplars are
// there.
std::string cluster_page(const boost::json::value& cluster, std::size_t example, std::size_t columns,
                         Paint paint);

// For a field that legacy changes by itself: the rule for `compare:` and the evidence for it, in words. Empty
// where nothing is to be proposed.
std::string proposed_rule(const boost::json::value& cluster);

}  // namespace oxbow
