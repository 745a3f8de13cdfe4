#include "apps/locks_page.hpp"

#include <gtest/gtest.h>

namespace oxbow {
namespace {

const Paint kPlain(false);

TEST(LocksPage, BeforeTheFirstHandoverNobodyIsGuarded) {
  auto locks =
      boost::json::parse(R"({"guards": [], "writers": [], "waits": [], "blocked": [], "unknown": []})");
  EXPECT_EQ(locks_page(locks, kPlain),
            "no guard stands on either side: before the first handover of an entity everybody may write\n");
}

TEST(LocksPage, SaysWhoWritesAndWhichHandoverWaitsForThem) {
  auto locks = boost::json::parse(R"({
    "guards": [
      {"entity": "payment", "cohort": "pilot", "side": "legacy", "mode": "near", "epoch": 3},
      {"entity": "payment", "cohort": "pilot", "side": "new", "mode": "closed", "epoch": 3}],
    "writers": [
      {"side": "legacy", "entity": "payment", "cohorts": ["pilot"], "pid": 47, "who": "psql of ann",
       "age_seconds": 75.0, "idle_in_transaction": true, "keeps_guards_off": false,
       "waited_for_by": ["payment/pilot"]},
      {"side": "legacy", "entity": "payment", "cohorts": [], "pid": null, "who": "prepared x",
       "age_seconds": 0.2, "idle_in_transaction": false, "keeps_guards_off": false, "waited_for_by": []}],
    "waits": [
      {"side": "new", "pid": 12, "who": "cron of bob", "age_seconds": null, "idle_in_transaction": false}],
    "blocked": [
      {"side": "new", "pid": 13, "who": "app", "age_seconds": 1.0, "waits_for": "oxbow:p:guards"}],
    "unknown": []})");
  const char* page = R"(
COHORT         SIDE    GUARD   EPOCH  MEANING
payment/pilot  legacy  near    3      writes pass; a handover waits for who writes
payment/pilot  new     closed  3      writes get OX001 with the name of the home

WRITER              SIDE    SINCE       DOES                 WROTE           WAITED FOR BY
pid 47 psql of ann  legacy  1 min 15 s  idle in transaction  payment: pilot  the handover of payment/pilot
prepared x          legacy  200 ms      at work              payment
new: oxbow waits for pid 12 cron of bob
new: pid 13 app waits since 1.0 s for oxbow:p:guards
)";
  EXPECT_EQ("\n" + locks_page(locks, kPlain), page);
}

TEST(LocksPage, SaysWhoKeepsTheFirstGuardsOffAndWhatItMayNotSee) {
  auto locks = boost::json::parse(R"({
    "guards": [], "waits": [], "blocked": [],
    "writers": [
      {"side": "legacy", "entity": "payment", "cohorts": [], "pid": 47, "who": "psql of ann",
       "age_seconds": null, "idle_in_transaction": false, "keeps_guards_off": true,
       "waited_for_by": ["payment/pilot"]}],
    "unknown": ["legacy: since when is hidden"]})");
  const char* page = R"(
no guard stands on either side: before the first handover of an entity everybody may write

WRITER              SIDE    SINCE  DOES  WROTE    WAITED FOR BY
pid 47 psql of ann  legacy  ?      ?     payment  the handover of payment/pilot, to put guards on
legacy: since when is hidden
)";
  EXPECT_EQ("\n" + locks_page(locks, kPlain), page);
}

}  // namespace
}  // namespace oxbow
