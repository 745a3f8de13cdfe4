#include "apps/gate_page.hpp"

#include <gtest/gtest.h>

namespace oxbow {
namespace {

const Paint kPlain(false);

TEST(GatePage, TellsOfEachConditionWhatIsAndWhatHasToBe) {
  auto gates = boost::json::parse(R"j({"to": "new-write", "verdict": "inconclusive", "cohorts": [
    {"entity": "payment", "cohort": "pilot", "state": "mirrored", "verdict": "inconclusive",
     "override": null,
     "conditions": [
       {"name": "divergence_max", "layer": "parity", "verdict": "pass", "value": "0",
        "threshold": "at most 0", "missing": null},
       {"name": "lag_max", "layer": "transport", "verdict": "inconclusive", "value": null,
        "threshold": "at most 500 ms", "missing": "it is not measured yet; ask again in a moment"}]},
    {"entity": "payment", "cohort": "rest", "state": "legacy", "verdict": "pass", "conditions": [],
     "override": {"sentence": "by ann, approved by bob, at 2027-01-29T10:00:00Z (known)"}}]})j");
  EXPECT_EQ(gate_page(gates, kPlain),
            "payment/pilot, in mirrored, to new-write: inconclusive\n"
            "CONDITION       LAYER      VERDICT       IS       HAS TO BE       MISSING\n"
            "divergence_max  parity     pass          0        at most 0\n"
            "lag_max         transport  inconclusive  unknown  at most 500 ms  it is not measured yet; ask "
            "again in a "
            "moment\n"
            "\n"
            "payment/rest, in legacy, to new-write: pass; the spec has no conditions for it\n"
            "OVERRIDDEN by ann, approved by bob, at 2027-01-29T10:00:00Z (known)\n");
}

}  // namespace
}  // namespace oxbow
