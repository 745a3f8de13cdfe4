#include "apps/status_page.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

namespace oxbow {
namespace {

namespace json = boost::json;
using testing::HasSubstr;
using testing::Not;

json::value status_with(std::string_view phase) {
  auto status = json::parse(R"({
    "migration": "payments", "now": "2026-01-01T00:00:00Z", "findings_open": 0, "halted": null,
    "shadows_kept_away": [],
    "cohorts": [{"entity": "payment", "cohort": "pilot", "state": "new-write", "moving_to": null,
      "waits_for": null, "authority": "new", "epoch": 2, "paused": false, "proof": null,
      "envelope": "partial",
      "gate_overrides": [], "problem": null, "last_failure": null,
      "way_back": {"extent": "partial", "reason": "1 row of the new side", "rows_count": 1,
                   "rows": [{"table": "ledger.payment", "key": "id=7", "reason": "no value for refunded"}],
                   "expires_at": "2027-02-02T00:00:00Z", "expires_by": "the deadline of the spec"}}],
    "ready": {"ready": false, "reasons": ["the stream back has not moved for 7 s"]}, "stream_back": null,
    "verifications": [], "traffic": null, "last_events": [],
    "stream": {"phase": "running", "reason": null, "waits": [], "applied_position": "0/1", "lag_bytes": 5,
               "lag_seconds": 40.0, "retained_wal_bytes": 0, "retained_wal_bytes_max": 0, "budget": "green",
               "transactions_per_second": 0.0, "changes_per_second": 0.0, "quarantined_rows": 0,
               "rogue_writes": 0, "pace": "none", "throttle_reason": "the stream is 40.0 s behind"},
    "tables": [{"entity": "payment", "legacy": "public.payment", "new": "ledger.payment", "reason": null,
                "rows_copied": 1, "rows_estimated": 2, "bytes_copied": 0, "rows_per_second": 0.0,
                "bytes_per_second": 0.0, "ranges_total": 2, "ranges_copied": 1, "ranges_settled": 1,
                "eta_seconds": null}]})");
  status.at("tables").at(0).as_object()["phase"] = phase;
  return status;
}

TEST(StatusPage, ABackfillWaitsOnlyWhereThereIsOne) {
  EXPECT_THAT(status_page(status_with("copying")),
              HasSubstr("the backfill waits: the stream is 40.0 s behind"));
  EXPECT_THAT(status_page(status_with("following")), Not(HasSubstr("the backfill")));
}

// A key is what some client has sent.
TEST(StatusPage, NothingOfAKeyReachesTheTerminalThatItWouldObey) {
  auto status = status_with("following");
  status.at("traffic") = json::parse(R"({"routes": [], "services": [],
    "skew": [{"entity": "payment", "cohorts": [
    {"cohort": "pilot", "requests": 1, "sentence": "hottest key \u009b31m\u001b[31m: 90 %"}]}]})");
  EXPECT_THAT(status_page(status), HasSubstr("hottest key \\x9b31m\\x1b[31m: 90 %"));
}

TEST(StatusPage, AnEnvelopeNamesItsRowsAndItsEnd) {
  auto page = status_page(status_with("following"));
  for (const auto* words : {"partial, 1 row", "ledger.payment id=7: no value for refunded",
                            "the way back ends 2027-02-02T00:00:00Z, by the deadline of the spec",
                            "NOT READY to go back: the stream back has not moved for 7 s"})
    EXPECT_THAT(page, HasSubstr(words));
}

TEST(StatusPage, AWayBackThatEndedBeforeTheCutoverSaysWhy) {
  auto status = status_with("following");
  auto& cohort = status.at("cohorts").at(0);
  cohort.at("way_back").at("extent") = "forward-only";
  cohort.at("way_back").at("reason") = "its deadline is over";
  EXPECT_THAT(status_page(status), HasSubstr("payment/pilot: its deadline is over"));
  cohort.at("state") = "fully-cutover";
  EXPECT_THAT(status_page(status), Not(HasSubstr("its deadline is over")));
}

TEST(StatusPage, ShadowsThatAreKeptAwayAreToldWithTheWayToEndThat) {
  auto status = status_with("following");
  EXPECT_THAT(status_page(status), Not(HasSubstr("shadow")));
  status.at("shadows_kept_away") =
      json::parse(R"([{"entity": "payment", "since": "2026-01-01T00:00:00.123Z"}])");
  EXPECT_THAT(status_page(status),
              HasSubstr("requests of payment have no shadow since 2026-01-01T00:00:00Z: `oxbow "
                        "shadow payment --on` ends that"));
}

TEST(StatusPage, AFailureSaysWhenItWas) {
  auto status = status_with("following");
  status.at("cohorts").at(0).as_object()["last_failure"] = json::parse(
      R"({"code": "differs", "sentence": "The two sides differ", "detail": "1 row", "age_seconds": 75.0})");
  EXPECT_THAT(status_page(status),
              HasSubstr("payment/pilot: given up 1 min 15 s ago: The two sides differ: 1 row"));
}

TEST(StatusPage, AVerificationSaysWhatItWaitsFor) {
  auto report = json::parse(R"({"rows_compared": 10, "rows_estimated": 10, "rows_per_second": 0.0,
                                "eta_seconds": null, "reason": "it waits until the stream has passed"})");
  EXPECT_THAT(verify_progress(report), HasSubstr("99.9 %  10 of about 10 rows; it waits until"));
}

}  // namespace
}  // namespace oxbow
