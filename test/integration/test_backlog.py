"""What piled up while oxbow was away: its large transactions come in parts, with smaller ones between them."""

import contextlib

import psycopg2
import pytest

from cluster import execute

BACKLOG_ROWS = 250_000  # more log than oxbow takes for a backlog
FIRST = 1_000_001


def visits(first, count):
    return (f"INSERT INTO visits SELECT i, i % 1800 + 1, repeat('page', 60) "
            f"FROM generate_series({first}, {first + count - 1}) i")


@contextlib.contextmanager
def session(url):
    with contextlib.closing(psycopg2.connect(url, application_name="somebody")) as connection, connection.cursor() as cursor:
        yield cursor.execute
        connection.commit()


def came_in_parts(migration):
    """The server counts the transactions that it sent before it had read their end."""
    return execute(migration.legacy, "SELECT coalesce(sum(stream_txns), 0) FROM pg_stat_replication_slots "
                                     "JOIN pg_replication_slots USING (slot_name) WHERE database = current_database()")[0][0]


def mirrored_and_away(migration):
    migration.up().advance("customer")
    migration.wait_until_backfilled()
    migration.stop()
    return migration


def test_a_large_transaction_comes_in_parts_without_what_was_rolled_back_in_it(shop_migration):
    migration = mirrored_and_away(shop_migration)
    with session(migration.legacy) as large:
        large(visits(FIRST, BACKLOG_ROWS))
        execute(migration.legacy, "UPDATE customers SET name = 'between' WHERE customer_id < 500")
        large("SAVEPOINT s")
        large("UPDATE visits SET page = 'rolled back' WHERE visit_id % 2 = 0")
        large("ROLLBACK TO SAVEPOINT s")
        large("UPDATE customers SET name = name || ' and after' WHERE customer_id < 1000")
        large("DELETE FROM visits WHERE visit_id % 10 = 0")
    execute(migration.legacy, "UPDATE visits SET page = 'last' WHERE visit_id % 1000 = 1")
    migration.up()
    migration.wait_until_equal()
    migration.prove_equal()
    migration.wait_until(lambda: came_in_parts(migration) > 0, 10, "the server says that it sent parts")
    assert migration.findings() == []


def test_a_kill_before_all_parts_are_committed_loses_nothing(shop_migration):
    migration = mirrored_and_away(shop_migration)
    execute(migration.legacy, visits(FIRST, BACKLOG_ROWS))
    execute(migration.legacy, "DELETE FROM visits WHERE visit_id % 3 = 0")
    migration.up(failpoint="before_group_commit", wait=False)
    migration.wait_until(lambda: not migration.running(), 60, "oxbow reaches the end of the group")
    assert execute(migration.new, f"SELECT count(*) FROM shop.visit WHERE id >= {FIRST}") == [(0,)]
    migration.up()
    migration.wait_until_equal()
    migration.prove_equal()


def test_a_large_transaction_that_is_still_open_keeps_nobody_waiting(shop_migration):
    migration = mirrored_and_away(shop_migration)
    with session(migration.legacy) as large:
        large(visits(FIRST, BACKLOG_ROWS))
        execute(migration.legacy, "UPDATE customers SET name = 'meanwhile' WHERE customer_id = 1")
        migration.up()
        name = "SELECT full_name FROM shop.customer WHERE id = 1"
        migration.wait_until(lambda: execute(migration.new, name) == [("meanwhile",)], 30, "others go on")
        assert "not committed yet" in migration.log()
    migration.wait_until_equal()
    migration.prove_equal()


def test_a_row_that_the_new_side_rejects_within_a_large_transaction_goes_to_quarantine_with_its_later_changes(shop_migration):
    migration = mirrored_and_away(shop_migration)
    execute(migration.new, "ALTER TABLE shop.visit ADD CHECK (page <> 'refused')")
    rejected = FIRST + 5
    with session(migration.legacy) as large:
        large(visits(FIRST, BACKLOG_ROWS))
        large(f"UPDATE visits SET page = 'refused' WHERE visit_id = {rejected + 60_000}")
        large(visits(FIRST + BACKLOG_ROWS, 50_000))
        large(f"UPDATE visits SET page = 'fine again' WHERE visit_id = {rejected + 60_000}")
    migration.up()
    count = f"SELECT count(*) FROM shop.visit WHERE id >= {FIRST}"
    migration.wait_until(lambda: execute(migration.new, count)[0][0] >= BACKLOG_ROWS + 50_000, 90, "its neighbours are there")
    assert {finding["kind"] for finding in migration.findings()} == {"quarantined-row"}
    assert [finding["key"] for finding in migration.findings()] == [f"visit_id={rejected + 60_000}"]
    assert "step by step" in migration.log()
    assert execute(migration.new, f"SELECT left(page, 4) FROM shop.visit WHERE id = {rejected + 60_000}") == [("page",)]


@pytest.mark.soak
@pytest.mark.parametrize("is_away", [False, True], ids=["followed", "backlog"])
def test_soak_memory_does_not_grow_with_the_transaction(shop_migration, is_away):
    migration = shop_migration
    migration.up().advance("customer")
    migration.wait_until_backfilled()

    def peak_mib(first, rows):
        if is_away:
            migration.stop()
        execute(migration.legacy, f"INSERT INTO visits SELECT i, i, '/page' FROM generate_series({first}, {first + rows - 1}) AS i")
        if is_away:
            migration.up()
        last = f"SELECT count(*) FROM shop.visit WHERE id = {first + rows - 1}"
        migration.wait_until(lambda: execute(migration.new, last) == [(1,)], 1200, f"{rows:,} rows are there")
        return migration.peak_rss_bytes() >> 20

    small, large = peak_mib(FIRST, 500_000), peak_mib(FIRST + 500_000, 10_000_000)
    assert large <= max(small + 16, 96), f"{small} MiB for half a million rows, {large} MiB for ten million"
