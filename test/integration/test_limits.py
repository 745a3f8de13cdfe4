"""The backfill is a guest on the source: it can be paused, held to a rate and kept to a part of the keys."""

import time

from cluster import execute
from oracle import Comparison


def rows_copied(migration):
    return sum(table["rows_copied"] for table in migration.tables())


def test_pause_holds_within_two_seconds_and_changes_are_still_applied(databases, make_shop):
    migration = make_shop(databases.legacy, databases.new, rows=20_000, extra="limits: { rows_per_second: 5000 }")
    migration.up().advance("customer")
    migration.wait_until_copying()
    migration.oxbow("pause")
    time.sleep(2)
    held = rows_copied(migration)
    time.sleep(1.5)
    assert rows_copied(migration) == held
    assert not migration.is_backfilled()
    migration.oxbow("resume")
    migration.set_rate(0)
    migration.wait_until_backfilled()
    migration.wait_until_equal()


def test_the_rate_is_held_within_a_tenth(databases, make_shop):
    migration = make_shop(databases.legacy, databases.new, rows=20_000, extra="limits: { rows_per_second: 8000 }")
    migration.up().advance("customer")
    migration.wait_until_copying()
    samples = []
    while not migration.is_backfilled() and len(samples) < 60:
        samples.append((time.monotonic(), rows_copied(migration)))
        time.sleep(0.1)
    (first_at, first), (last_at, last) = samples[0], samples[-1]
    assert last_at - first_at > 3
    assert 7200 <= (last - first) / (last_at - first_at) <= 8800


def only(comparison, condition):
    """The same comparison over the legacy rows of some cohorts."""
    return Comparison(comparison.name, f"{comparison.legacy} WHERE {condition}", comparison.new, comparison.key)


def test_a_small_cohort_is_mirrored_first_and_alone(databases, make_shop):
    migration = make_shop(databases.legacy, databases.new,
                          cohorts='    cohorts: [ { name: pilot, keys: ["7", "8", "9"] }, { name: rest } ]')
    everything = migration.comparisons
    migration.comparisons = [only(comparison, "customer_id IN (7, 8, 9)") for comparison in everything]
    migration.up()
    migration.oxbow("advance", "customer", "--cohort", "pilot", "--to", "mirrored")
    migration.wait_until_backfilled()
    execute(migration.legacy, "UPDATE customers SET name = 'all of them'")
    execute(migration.legacy, "INSERT INTO orders VALUES (900001, 7, 1, 'O', now(), NULL), (900002, 1700, 1, 'O', now(), NULL)")
    migration.wait_until_equal()
    migration.prove_equal()

    migration.comparisons = everything
    migration.oxbow("advance", "customer", "--cohort", "rest", "--to", "mirrored")
    migration.wait_until_backfilled()
    assert migration.wait_until_equal().rows > 10_000


def test_a_row_that_moves_between_cohorts_follows_its_key(databases, make_shop):
    migration = make_shop(databases.legacy, databases.new,
                          cohorts='    cohorts: [ { name: pilot, keys: ["7", "8"] }, { name: rest } ]')
    migration.comparisons = [only(comparison, "customer_id IN (7, 8)") for comparison in migration.comparisons]
    migration.up()
    migration.oxbow("advance", "customer", "--cohort", "pilot", "--to", "mirrored")
    migration.wait_until_backfilled()
    execute(migration.legacy, "UPDATE orders SET customer_id = 1234 WHERE customer_id = 7")
    execute(migration.legacy, "UPDATE orders SET customer_id = 8 WHERE order_id IN (100, 200)")
    migration.wait_until_equal()


def test_a_cohort_that_went_back_is_mirrored_again_beside_one_that_stayed(databases, make_shop):
    migration = make_shop(databases.legacy, databases.new,
                          cohorts='    cohorts: [ { name: pilot, percent: 30 }, { name: rest } ]')
    migration.up().advance("customer")
    migration.wait_until_backfilled()
    migration.oxbow("rollback", "customer", "--cohort", "pilot", "--to", "legacy")
    migration.wait_until(lambda: any(cohort["state"] == "legacy" for cohort in migration.status()["cohorts"]), 30,
                         "the pilot is back")
    execute(migration.legacy, "DELETE FROM customers WHERE customer_id % 3 = 0; DELETE FROM orders WHERE order_id % 3 = 0")
    execute(migration.legacy, "UPDATE customers SET name = 'changed meanwhile' WHERE customer_id % 3 = 1")
    migration.prove_equal()  # of the rest; what is left of the pilot is nobody's business
    migration.oxbow("advance", "customer", "--cohort", "pilot", "--to", "mirrored")
    migration.wait_until_backfilled()
    migration.prove_equal()
    migration.wait_until_equal()


def test_a_verification_held_to_its_rate_takes_its_time(shop_migration):
    migration = shop_migration
    migration.up().advance("customer")
    migration.wait_until_backfilled()
    started = time.monotonic()
    migration.prove_equal("--rate", "5000")
    assert time.monotonic() - started >= 0.8 * 10_000 / 5000
