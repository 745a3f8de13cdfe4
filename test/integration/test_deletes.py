"""What is deleted stays deleted, wherever the copy stands at that moment."""

import pytest

from cluster import execute

ROWS = 20_000


@pytest.fixture
def half_copied(databases, make_shop):
    """A slow backfill that has brought over some rows and not yet all."""
    migration = make_shop(databases.legacy, databases.new, rows=ROWS, extra="limits: { rows_per_second: 5000 }")
    migration.up().advance("customer")
    migration.wait_until_copying()
    assert not migration.is_backfilled()
    yield migration


def finish(migration):
    migration.set_rate(0)
    migration.wait_until_backfilled()
    return migration.wait_until_equal()


@pytest.mark.parametrize("where", ["customer_id > 19000", "customer_id < 1000", "customer_id % 10 = 3"],
                         ids=["ahead", "behind", "everywhere"])
def test_rows_deleted_around_the_copy_do_not_come_back(half_copied, where):
    gone = execute(half_copied.legacy, f"WITH gone AS (DELETE FROM customers WHERE {where} RETURNING 1) SELECT count(*) FROM gone")
    assert gone[0][0] > 500
    finish(half_copied)


def test_rows_deleted_while_their_range_is_copied_do_not_come_back(half_copied):
    while not half_copied.is_backfilled():
        execute(half_copied.legacy, "DELETE FROM orders WHERE order_id IN (SELECT order_id FROM orders ORDER BY random() LIMIT 200)")
        execute(half_copied.legacy, "DELETE FROM customers WHERE customer_id IN (SELECT customer_id FROM customers ORDER BY random() LIMIT 200)")
        half_copied.set_rate(20_000)
    finish(half_copied)


def test_rows_deleted_and_inserted_again_have_their_new_values(half_copied):
    execute(half_copied.legacy, """
        BEGIN;
        CREATE TEMP TABLE kept ON COMMIT DROP AS SELECT * FROM orders WHERE order_id % 7 = 0;
        DELETE FROM orders WHERE order_id % 7 = 0;
        INSERT INTO orders SELECT order_id, customer_id, amount + 1, state, placed, doc FROM kept;
        COMMIT""")
    execute(half_copied.legacy, "DELETE FROM orders WHERE order_id % 11 = 0")
    execute(half_copied.legacy, f"INSERT INTO orders SELECT i, 1, 1, 'O', now(), NULL FROM generate_series(11, {ROWS}, 11) AS i")
    finish(half_copied)


def test_a_table_truncated_while_it_is_copied_keeps_only_what_came_later(half_copied):
    execute(half_copied.legacy, "TRUNCATE visits; INSERT INTO visits SELECT i, i, '/later' FROM generate_series(1, 100) AS i")
    finish(half_copied)


def test_a_key_that_moves_from_behind_the_copy_to_ahead_of_it_is_there_once(half_copied):
    execute(half_copied.legacy, f"UPDATE orders SET order_id = order_id + {ROWS} * 2 WHERE order_id <= 500")
    execute(half_copied.legacy, f"UPDATE orders SET order_id = order_id - {ROWS} * 3 WHERE order_id BETWEEN {ROWS} - 500 AND {ROWS}")
    finish(half_copied)


def test_a_unique_value_that_changes_ranges_between_their_snapshots_ends_with_its_last_owner(half_copied):
    for low in range(1, 200, 10):
        high = ROWS - low
        execute(half_copied.legacy, f"UPDATE customers SET email = 'parked{low}' WHERE customer_id = {low}")
        execute(half_copied.legacy, f"UPDATE customers SET email = 'user{low}@example.org' WHERE customer_id = {high}")
        execute(half_copied.legacy, f"UPDATE customers SET email = 'user{high}@example.org' WHERE customer_id = {low}")
    finish(half_copied)
