"""Gates: a state is entered only when the conditions of the spec hold, and what nobody knows is no pass."""

import json

import pytest

from cluster import execute
from handover import COHORTS, state_of

GATES = """
gates:
  mirrored: { lag_max: 1h }
  new-write: { proof_age_max: 15m, divergence_max: 0, coverage_min: 100%, lag_max: 10s }
"""
CLOSED = 52


@pytest.fixture
def gated(databases, make_shop):
    """Mirrored and copied; the spec has gates, and nothing was verified yet."""
    migration = make_shop(databases.legacy, databases.new, cohorts=COHORTS, extra=GATES)
    migration.up().advance("customer")
    migration.wait_until_backfilled()
    migration.wait_until_equal()
    return migration


def gate(migration, cohort="pilot", to="new-write"):
    """Verdict and conditions by name; the exit code says the same."""
    done = migration.oxbow("gate", "customer", "--cohort", cohort, "--to", to, "--json", check=False)
    found = json.loads(done.stdout)
    assert (done.returncode == 0) == (found["verdict"] == "pass") and done.returncode in (0, CLOSED), done
    of_cohort, = found["cohorts"]
    return of_cohort["verdict"], {each["name"]: each for each in of_cohort["conditions"]}


def advance(migration, *arguments):
    return migration.oxbow("advance", "customer", "--cohort", "pilot", "--to", "new-write", "--wait", *arguments, check=False)


def wait_for_lag(migration):
    migration.wait_until(lambda: gate(migration)[1]["lag_max"]["verdict"] == "pass", 20, "the stream keeps up")


def test_a_state_is_entered_only_when_all_conditions_are_proven(gated):
    wait_for_lag(gated)
    verdict, conditions = gate(gated)
    assert verdict == "inconclusive"
    assert {name: each["verdict"] for name, each in conditions.items()} == {
        "proof_age_max": "inconclusive", "divergence_max": "inconclusive", "coverage_min": "inconclusive", "lag_max": "pass"}
    assert "oxbow verify --entity customer" in conditions["proof_age_max"]["missing"]
    gated.prove_equal()
    wait_for_lag(gated)
    assert gate(gated)[0] == "pass"
    page = gated.oxbow("gate", "customer", "--to", "new-write").stdout
    assert "customer/pilot, in mirrored, to new-write: pass" in page and "at most 15 min" in page, page
    assert advance(gated).returncode == 0
    assert state_of(gated, "pilot")["state"] == "new-write"
    assert gate(gated, "rest", "new-read") == ("pass", {}), "without conditions a gate is open"


def test_gates_of_a_changed_spec_are_in_force_without_a_restart(gated):
    with open(f"{gated.directory}/oxbow.yaml", encoding="utf-8") as file:
        gated.write_spec(file.read().replace("divergence_max: 0,", "divergence_max: 0, in_state_min: 90d,"))
    gated.wait_until(lambda: "in_state_min" in gate(gated)[1], 10, "it is asked for")
    gated.prove_equal()
    assert "in_state_min is inconclusive" in advance(gated).stderr


def test_what_differs_keeps_a_gate_shut_until_it_is_mended_and_proven(gated):
    gated.prove_equal()
    execute(gated.new, "UPDATE shop.customer SET full_name = 'not so' WHERE id = 42")
    gated.wait_until(lambda: gate(gated)[1]["divergence_max"]["verdict"] == "fail", 20, "the write is a finding")
    refused = advance(gated)
    assert refused.returncode == CLOSED and "divergence_max is fail (1, at most 0)" in refused.stderr, refused.stderr
    assert state_of(gated, "pilot")["state"] == "mirrored"
    rehearsed = advance(gated, "--dry-run")
    assert rehearsed.returncode == CLOSED, "a rehearsal says the same"
    execute(gated.new, "UPDATE shop.customer SET full_name = 'Name 42' WHERE id = 42")
    gated.oxbow("findings", "--close", "rogue-write", "--why", "put back by hand")
    gated.prove_equal()
    gated.wait_until(lambda: gate(gated)[0] == "pass", 20, "it is open again")


def test_a_stream_that_does_not_run_is_an_error_and_no_pass(gated):
    gated.prove_equal()
    gated.oxbow("halt", "--why", "to look at it")
    gated.wait_until(lambda: gate(gated)[1]["lag_max"]["verdict"] == "error", 20, "nobody knows how far behind it is")
    verdict, conditions = gate(gated)
    assert verdict == "error" and conditions["lag_max"]["value"] is None
    gated.oxbow("resume")
    gated.wait_until(lambda: gate(gated)[0] == "pass", 20, "it runs again")


def test_an_override_needs_somebody_elses_name_and_a_reason_and_is_seen_until_it_is_withdrawn(gated):
    ask = ("gate", "customer", "--cohort", "pilot", "--to", "new-write")
    gated.prove_equal()
    execute(gated.new, "UPDATE shop.visit SET page = 'not so' WHERE id = 7")
    gated.wait_until(lambda: gate(gated)[0] == "fail", 20, "it is a finding")
    me = next(event["who"] for event in gated.status()["last_events"] if event["kind"] == "verify-began")
    for arguments, word in ((("--override", "--approver", "bob"), "--why"), (("--override", "--why", "known"), "--approver"),
                            (("--override", "--approver", me, "--why", "known"), "somebody else")):
        refused = gated.oxbow(*ask, *arguments, check=False)
        assert refused.returncode == 2 and word in refused.stderr, refused.stderr
    gated.oxbow(*ask, "--override", "--approver", "bob", "--why", "a known page, mended tomorrow")
    assert gate(gated)[0] == "fail", "an override does not change what is true"
    for page in (gated.oxbow("status").stdout, gated.oxbow(*ask, check=False).stdout):
        assert "OVERRIDDEN" in page and "approved by bob" in page and "mended tomorrow" in page, page
    gated.kill()
    gated.up()
    assert "OVERRIDDEN" in gated.oxbow("status").stdout, "a restart forgets nothing"
    gated.oxbow(*ask, "--withdraw")
    assert "OVERRIDDEN" not in gated.oxbow("status").stdout
    assert advance(gated).returncode == CLOSED
    gated.oxbow(*ask, "--override", "--approver", "bob", "--why", "again")
    gated.wait_until(lambda: gated.status()["stream"]["phase"] == "running", 20, "the stream runs")
    assert advance(gated).returncode != CLOSED
