"""Errors that were mended: each test fails on the code of before."""

import json
import subprocess
import time

import shop
from cluster import execute
from scenario_fixtures import versions_of_new_rows


def test_a_truncate_does_not_wait_for_copies_that_wait_for_the_stream(databases, make_shop):
    migration = make_shop(databases.legacy, databases.new, rows=150_000, extra="limits: { rows_per_second: 200000 }")
    with shop.Workload(migration.legacy, rows=150_000):
        migration.up().advance("customer")
        migration.wait_until_copying()
        for _ in range(10):
            execute(migration.legacy, "TRUNCATE visits")
            time.sleep(0.1)
        migration.wait_until_backfilled(60)
    migration.wait_until_equal()


def test_what_was_copied_before_a_restart_is_not_copied_again(shop_migration):
    migration = shop_migration
    migration.up().advance("customer")
    migration.wait_until_backfilled()
    before = versions_of_new_rows(migration)
    assert migration.stop() == 0
    migration.up()
    migration.wait_until_backfilled()
    assert versions_of_new_rows(migration) == before


def test_rows_of_an_earlier_mirror_give_their_unique_values_up(databases, make_shop):
    """Between two mirrors every address goes to another customer; each range finds its values in ranges not yet copied."""
    migration = make_shop(databases.legacy, databases.new, rows=60_000)
    migration.up().advance("customer")
    migration.wait_until_backfilled()
    migration.roll_back("customer")
    execute(migration.legacy, "UPDATE customers SET email = 'parked' || customer_id")
    execute(migration.legacy, "UPDATE customers SET email = 'user' || (60001 - customer_id) || '@example.org'")
    with shop.Workload(migration.legacy, rows=60_000):
        migration.advance("customer")
        migration.wait_until_backfilled(120)
    migration.wait_until_equal()
    assert migration.findings("quarantined-row") == []


def test_a_value_that_only_the_new_side_wants_unique_goes_to_quarantine_alone(databases, make_shop):
    migration = make_shop(databases.legacy, databases.new, rows=60_000)
    execute(migration.legacy, "ALTER TABLE customers DROP CONSTRAINT customers_email_key")
    execute(migration.legacy, "UPDATE customers SET email = 'user1@example.org' WHERE customer_id IN (30000, 59999)")
    migration.up().advance("customer")
    migration.wait_until_backfilled()
    found = migration.findings("quarantined-row")
    assert len(found) == 2, found
    assert all("customer_email_key" in finding["detail"] for finding in found)
    placed = "SELECT count(*), count(*) FILTER (WHERE email = 'user1@example.org') FROM shop.customer"
    assert execute(migration.new, placed) == [(59_998, 1)]


def test_a_verification_that_loses_its_stream_says_so_and_the_next_one_works(shop_migration, legacy_cluster):
    migration = shop_migration
    migration.up().advance("customer")
    migration.wait_until_backfilled()
    command = [migration.binary, "verify", "--rate", "100", "--json"]
    with subprocess.Popen(command, cwd=migration.directory, stdout=subprocess.PIPE, text=True) as verify:
        migration.wait_until(lambda: any(report["state"] == "running" for report in migration.status()["verifications"]),
                             30, "a verification runs")
        legacy_cluster.execute("postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                                           "WHERE backend_type = 'walsender'")
        output, _ = verify.communicate(timeout=60)
    report = json.loads(output)
    assert report["state"] == "failed"
    assert "the stream" in report["reason"]
    assert verify.returncode not in (0, 50)
    migration.wait_until(lambda: migration.status()["stream"]["phase"] == "running", 30, "the stream runs again")
    migration.prove_equal()
