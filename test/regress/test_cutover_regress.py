"""Errors around cohorts that were cut over, which were found and mended: the new side alone has their rows."""

import time

import psycopg2
import pytest

from cluster import execute
from handover import COHORTS, PILOT, move, state_of, write_legacy

PILOT_ROWS = "SELECT count(*) FROM shop.customer WHERE id IN (1, 2, 3)"
SLOTS = "SELECT count(*) FROM pg_replication_slots WHERE database = current_database()"


def advance(migration, cohort, to):
    migration.oxbow("advance", "customer", "--cohort", cohort, "--to", to, "--wait")


@pytest.fixture
def pilot_is_cut_over(databases, make_shop):
    """The others are in legacy, and another oxbow runs than that which has cut over."""
    migration = make_shop(databases.legacy, databases.new, cohorts=COHORTS)
    migration.up()
    advance(migration, "pilot", "mirrored")
    migration.wait_until_backfilled()
    migration.prove_equal("--entity", "customer")
    for state in ("new-write", "new-read", "fully-cutover"):
        move(migration, "advance", "pilot", state)
    execute(migration.new, f"UPDATE shop.customer SET note = 'only here' WHERE id = {PILOT}")
    migration.stop()
    return migration.up()


def refused_on_legacy(migration):
    with pytest.raises(psycopg2.Error) as refused:
        write_legacy(migration, PILOT, "late")
    return refused.value.pgcode == "OX001"


def test_the_copy_of_another_cohort_spares_rows_that_were_cut_over(pilot_is_cut_over):
    migration = pilot_is_cut_over
    advance(migration, "rest", "mirrored")
    migration.wait_until_backfilled()
    assert execute(migration.new, PILOT_ROWS) == [(3,)]
    assert execute(migration.new, f"SELECT note FROM shop.customer WHERE id = {PILOT}") == [("only here",)]
    assert refused_on_legacy(migration)


def test_guards_of_a_cohort_that_was_cut_over_outlive_the_mirrors_beside_it(pilot_is_cut_over):
    migration = pilot_is_cut_over
    advance(migration, "rest", "mirrored")
    migration.wait_until_backfilled()
    migration.oxbow("rollback", "customer", "--cohort", "rest", "--to", "legacy")
    migration.wait_until(lambda: state_of(migration, "rest")["state"] == "legacy", 30, "the others have gone back")
    assert refused_on_legacy(migration)
    assert execute(migration.new, PILOT_ROWS) == [(3,)]


def test_streams_that_no_cohort_needs_hold_no_log_on_either_server(pilot_is_cut_over):
    migration = pilot_is_cut_over
    for url in (migration.legacy, migration.new):
        migration.wait_until(lambda: execute(url, SLOTS) == [(0,)], 20, "its slot has gone")
    assert refused_on_legacy(migration)
    advance(migration, "rest", "mirrored")
    migration.wait_until_backfilled()
    assert execute(migration.legacy, SLOTS) == [(1,)] and execute(migration.new, SLOTS) == [(0,)]
    write_legacy(migration, 1000, "followed")
    migration.wait_until(lambda: execute(migration.new, "SELECT note FROM shop.customer WHERE id = 1000") == [("followed",)], 20,
                         "changes come over")


def test_what_somebody_has_taken_away_is_told_once(pilot_is_cut_over):
    migration = pilot_is_cut_over
    migration.stop()
    migration.oxbow("doctor", "--remove", "--open-both-sides")
    migration.up()
    told = "a stream that nobody needs has not ended yet"
    migration.wait_until(lambda: told in migration.log(), 10, "it is told")
    time.sleep(2.5)  # two further tries
    lines = [line.split(" warn ")[1] for line in migration.log().splitlines() if told in line]
    assert len(lines) == len(set(lines)), "each reason once"
    assert not [line for line in lines if "asked to stop" in line], "a stop is no reason"
