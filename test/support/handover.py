"""The shop in two cohorts, pilot (customers 1, 2 and 3) and rest, and what handovers of them are asked for."""

import pytest

from cluster import execute

COHORTS = """
    cohorts:
      - { name: pilot, keys: [ "1", "2", "3" ] }
      - { name: rest }
"""
PILOT, REST = 2, 1000


@pytest.fixture
def moved_shop(databases, make_shop):
    """Both cohorts are mirrored and proven equal."""
    migration = make_shop(databases.legacy, databases.new, cohorts=COHORTS)
    migration.up().advance("customer")
    migration.wait_until_backfilled()
    migration.prove_equal()
    return migration


def state_of(migration, cohort):
    return next(each for each in migration.status()["cohorts"] if each["cohort"] == cohort)


def wait_for_full_way_back(migration, *cohorts):
    """A moment after the authority has moved it is read for the first time which rows wait."""
    migration.wait_until(lambda: all(state_of(migration, cohort)["envelope"] == "full" for cohort in cohorts), 10,
                         f"the envelopes of {', '.join(cohorts)} are full")


def move(migration, verb, cohort, to):
    migration.oxbow(verb, "customer", "--cohort", cohort, "--to", to)
    migration.wait_until(lambda: not state_of(migration, cohort)["moving_to"], 90, f"{cohort} has arrived")
    now = state_of(migration, cohort)
    assert now["state"] == to, now
    return now


def write_new(migration, key, note):
    execute(migration.new, f"UPDATE shop.customer SET note = '{note}' WHERE id = {key}")


def write_legacy(migration, key, note):
    execute(migration.legacy, f"UPDATE customers SET note = '{note}' WHERE customer_id = {key}")
