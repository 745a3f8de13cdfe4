// What GET /v1/differences shows, as JSON text. Field names are part of the API: they are added to, never
// renamed. `oxbow diff` reads this document and nothing else:
//
// {
//   "now": "2026-11-21T06:00:00.000000Z",
//   "eligible": 120000, "compared": 119000, "skipped": [{"reason": "too_large", "count": 1000}],
//   "differed": 812,                      // of the compared requests, after the second look
//   "differences_without_room": 0,        // counted, but in no cluster, or in one that gave way
//   "clusters_gone": 0,                   // those that gave way to others
//   "clusters_total": 31,                 // `clusters` may be fewer, most frequent first
//   "clusters": [{
//     "id": "3f9a12c07b1e",
//     "route": "GET /payments/{payment_id}", "path": "$.amount", "kind": "value",
//     "path_begins": null | "$.a",        // if the path is too long to be whole, what of it is
//     "values": "number / number", "count": 812,              // requests since the cluster was first seen
//     "first_seen": "...", "last_seen": "...", "age_seconds": 3600.0, "idle_seconds": 2.0,
//     "lacks_room": false,                // whether there is no verdict because too many fields differ
//     "verdict": null | {                 // of field and kind, since the last change of version
//       "state": "clean | noise | difference | undetermined", "by_budget": false,
//       "compared": 9800, "differed": 9412, "twins": 1200, "twin_differed": 1164, "log_e": -1.2,
//       "rate": 0.96, "rate_low": 0.956, "rate_high": 0.964, "noise_rate": 0.97, "noise_rate_max": 0.98,
//       "needs_more": 0, "evidence": "differs in 9,412 of 9,800 requests, and ..." },
//     "exemplars": [{                     // where one cluster is asked for; otherwise left out
//       "at": "...", "request": "GET /payments/4711",
//       "legacy": {"status": 200, "value": "12.50", "body": "{...}"}, "new": {...} }]
//   }]
// }
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/time.hpp"
#include "core/evidence/judged_cluster.hpp"
#include "core/evidence/paired_figures.hpp"

namespace oxbow {

struct DifferencesInput {
  WallTime now;
  Coverage coverage;
  std::uint64_t differed = 0;
  std::uint64_t differences_without_room = 0;
  std::uint64_t clusters_gone = 0;
  std::size_t clusters_total = 0;
  std::vector<JudgedCluster> clusters;
  bool with_exemplars = false;
};

std::string differences_json(const DifferencesInput& input);

}  // namespace oxbow
