"""Errors around one number that two homes have given out by hand: each home keeps its own row, and its own alone."""

import pytest

from cluster import execute
from handover import PILOT, REST, move, moved_shop  # noqa: F401

NUMBER = 5_000_001


@pytest.fixture
def same_number(moved_shop):
    """The pilot is at home on the new side, the rest on legacy. Each has an order of this number, and neither goes over."""
    migration = moved_shop
    move(migration, "advance", "pilot", "new-write")
    migration.oxbow("halt", "--why", "so that each side gives the number out")
    execute(migration.legacy, f"INSERT INTO orders VALUES ({NUMBER}, {REST}, 7, 'O', now(), NULL)")
    execute(migration.new, f"INSERT INTO shop.purchase VALUES ({NUMBER}, {PILOT}, 900, 'open', now(), NULL)")
    migration.oxbow("resume")
    migration.wait_until(lambda: waiting(migration) == [1, 1], 40, "each row waits")
    return migration


def waiting(migration):
    status = migration.status()
    return [status[stream]["quarantined_rows"] for stream in ("stream", "stream_back")]


def refusals(migration):
    """How often each row was refused."""
    return [finding["count"] for finding in sorted(migration.findings("quarantined-row"), key=lambda each: each["table"])]


def owners(migration):
    return [row[0] for url, table, key in ((migration.legacy, "orders", "order_id"), (migration.new, "shop.purchase", "id"))
            for row in execute(url, f"SELECT customer_id FROM {table} WHERE {key} = {NUMBER}")]


def both_streams_move(migration):
    """Each has brought what was written before."""
    execute(migration.legacy, f"UPDATE customers SET note = 'later' WHERE customer_id = {REST}")
    execute(migration.new, f"UPDATE shop.customer SET note = 'later' WHERE id = {PILOT}")
    for url, select in ((migration.new, f"SELECT note FROM shop.customer WHERE id = {REST}"),
                        (migration.legacy, f"SELECT note FROM customers WHERE customer_id = {PILOT}")):
        migration.wait_until(lambda: execute(url, select) == [("later",)], 20, "the stream moves")


def test_a_row_that_is_read_again_does_not_replace_that_of_another_home(same_number):
    migration = same_number
    seen = refusals(migration)
    migration.oxbow("quarantine", "--retry", "--all")
    both_streams_move(migration)
    migration.wait_until(lambda: all(now > before for now, before in zip(refusals(migration), seen)), 20, "both are refused again")
    assert owners(migration) == [REST, PILOT] and waiting(migration) == [1, 1]


def test_a_row_that_is_deleted_takes_none_of_another_home_with_it(same_number):
    migration = same_number
    execute(migration.new, f"DELETE FROM shop.purchase WHERE id = {NUMBER}")
    both_streams_move(migration)
    assert owners(migration) == [REST]


def test_a_row_that_is_deleted_on_legacy_takes_none_of_the_new_side_with_it(same_number):
    migration = same_number
    execute(migration.legacy, f"DELETE FROM orders WHERE order_id = {NUMBER}")
    both_streams_move(migration)
    assert owners(migration) == [PILOT]
