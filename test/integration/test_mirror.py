"""The main job: a shop is copied, followed and proven equal while it sells."""

import pytest

import shop
from cluster import execute
from scenario_fixtures import versions_of_new_rows


def test_a_busy_shop_is_mirrored_and_proven_equal_while_it_sells(shop_migration):
    migration = shop_migration
    with shop.Workload(migration.legacy, rows=2000) as work:
        migration.up().advance("customer")
        migration.wait_until_backfilled()
        written = work.committed
        migration.wait_until(lambda: work.committed > written + 300, 30, "the shop goes on selling")
        assert migration.prove_equal()["coverage_percent"] == 100
    assert migration.wait_until_equal().rows > 2000
    assert migration.findings() == []


def test_a_mirror_survives_a_planned_restart_of_oxbow(shop_migration):
    migration = shop_migration
    with shop.Workload(migration.legacy, rows=2000):
        migration.up().advance("customer")
        migration.wait_until_backfilled()
        assert migration.stop() == 0
        migration.up()
    migration.wait_until_equal()


def test_the_source_may_forget_what_has_been_applied(shop_migration, legacy_cluster):
    """The slot follows the stream, also on a quiet database, so that the source's disk does not fill."""
    migration = shop_migration
    migration.up().advance("customer")
    migration.wait_until_backfilled()
    for _ in range(3):
        execute(migration.legacy, "UPDATE orders SET amount = amount + 1")
    end = execute(migration.legacy, "SELECT pg_current_wal_lsn()")[0][0]
    confirmed = f"SELECT bool_and(confirmed_flush_lsn >= '{end}') FROM pg_replication_slots WHERE database = current_database()"
    migration.wait_until(lambda: execute(migration.legacy, confirmed)[0][0], 30, "the slot is confirmed to the end")


def test_a_second_backfill_changes_no_row(shop_migration):
    migration = shop_migration
    migration.up().advance("customer")
    migration.wait_until_backfilled()
    migration.wait_until_equal()
    before = versions_of_new_rows(migration)
    migration.roll_back("customer")
    migration.advance("customer")
    migration.wait_until_backfilled()
    assert versions_of_new_rows(migration) == before


def test_a_large_transaction_is_followed_in_bounded_memory(shop_migration):
    migration = shop_migration
    migration.up().advance("customer")
    migration.wait_until_backfilled()
    execute(migration.legacy, "INSERT INTO visits SELECT i, i, repeat('/page', 40) FROM generate_series(100000, 400000) AS i")
    execute(migration.legacy, "UPDATE visits SET customer_id = customer_id + 1")
    migration.wait_until_equal(120)
    assert migration.peak_rss_bytes() < 256 << 20


def test_a_transaction_prepared_before_the_copy_and_committed_after_it_arrives(databases, make_shop):
    migration = make_shop(databases.legacy, databases.new, rows=20_000, extra="limits: { rows_per_second: 10000 }")
    migration.up().advance("customer")
    migration.wait_until_copying()
    execute(migration.legacy, "BEGIN; UPDATE orders SET state = 'X' WHERE order_id % 100 = 0; PREPARE TRANSACTION 'early'")
    migration.set_rate(0)
    migration.wait_until_backfilled()
    execute(migration.legacy, "COMMIT PREPARED 'early'")
    migration.wait_until_equal()


def test_unique_values_that_cross_ranges_do_not_stop_the_copy(databases, make_shop):
    """The stream may wait for a row that a copy has written and not committed, while the copy waits for the stream."""
    migration = make_shop(databases.legacy, databases.new, rows=200_000)
    with shop.Workload(migration.legacy, rows=200_000):
        migration.up().advance("customer")
        migration.wait_until_backfilled(60)
    migration.wait_until_equal()


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(10))
def test_soak_other_seeds_end_equal(shop_migration, seed):
    migration = shop_migration
    with shop.Workload(migration.legacy, rows=2000, seed=seed, threads=8, transactions_per_second=2000) as work:
        migration.up().advance("customer")
        migration.wait_until_backfilled()
        migration.wait_until(lambda: work.committed > 20_000, 120, "the shop goes on selling")
        migration.prove_equal()
    migration.wait_until_equal()
