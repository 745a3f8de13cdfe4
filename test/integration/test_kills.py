"""oxbow, its connections and both servers die at bad moments. Afterwards nothing is lost, doubled or stale."""

import random
import time

import pytest

import shop
from chaos_proxy import ChaosProxy
from cluster import execute

FAILPOINTS = ["after_range_snapshot", "during_range_copy", "before_range_commit", "after_range_commit",
              "before_group_commit", "after_group_commit", "before_confirm", "after_marker"]


def start_mirroring(migration):
    """The process may die before it answers; the command is repeated after the next start."""
    migration.oxbow("advance", "customer", "--to", "mirrored", check=False)


@pytest.mark.parametrize("name", FAILPOINTS)
def test_a_kill_at_a_named_point_loses_nothing(shop_migration, name):
    migration = shop_migration
    with shop.Workload(migration.legacy, rows=2000):
        migration.up(failpoint=name)
        start_mirroring(migration)
        if name == "after_marker":  # only a verification comes there
            migration.wait_until_backfilled()
            migration.oxbow("verify", check=False)
        migration.wait_until(lambda: not migration.running(), 30, f"oxbow reaches {name}")
        migration.up().advance("customer")
        migration.wait_until_backfilled()
    migration.wait_until_equal()
    assert migration.findings() == []


def kill_at_random(migration, rows, times, seed):
    chance = random.Random(seed)
    with shop.Workload(migration.legacy, rows=rows, seed=seed):
        for _ in range(times):
            migration.up(wait=False)
            time.sleep(chance.uniform(0.02, 1))
            start_mirroring(migration)
            time.sleep(chance.uniform(0.02, 1))
            migration.kill()
        migration.up().advance("customer")
        migration.wait_until_backfilled()
    migration.wait_until_equal()
    assert migration.findings() == []


def test_fifty_kills_at_random_moments_lose_nothing(databases, make_shop):
    migration = make_shop(databases.legacy, databases.new, rows=20_000)
    kill_at_random(migration, rows=20_000, times=50, seed=1)


@pytest.mark.soak
@pytest.mark.parametrize("seed", [2, 3, 4])
def test_soak_kills_amid_many_ranges_lose_nothing(databases, make_shop, seed):
    migration = make_shop(databases.legacy, databases.new, rows=200_000)
    kill_at_random(migration, rows=200_000, times=50, seed=seed)


def test_a_kill_costs_at_most_one_range_per_worker(databases, make_shop):
    """The server counts every row that was ever inserted, also by transactions that died."""
    kills, workers = 4, 2
    migration = make_shop(databases.legacy, databases.new, rows=60_000, extra="limits: { rows_per_second: 60000 }")
    migration.up().advance("customer")
    for _ in range(kills):
        migration.wait_until_copying()
        time.sleep(0.3)
        migration.kill()
        migration.up()
    migration.wait_until_backfilled()
    rows = migration.wait_until_equal().rows
    rows_per_range = max(table["rows_copied"] / max(table["ranges_total"], 1) for table in migration.tables())
    counted = "SELECT sum(n_tup_ins) FROM pg_stat_user_tables WHERE schemaname = 'shop'"
    migration.wait_until(lambda: execute(migration.new, counted)[0][0] >= rows, 10, "the server has counted")
    assert execute(migration.new, counted)[0][0] - rows <= kills * workers * rows_per_range * 1.5


def end_sessions(url):
    """Ends what oxbow has open on this database; returns how many sessions that were."""
    return execute(url, """SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                           WHERE datname = current_database() AND application_name LIKE 'oxbow%'""")[0][0]


def test_ended_sessions_on_either_side_are_opened_again(shop_migration):
    migration = shop_migration
    ended = {"legacy": 0, "new": 0}
    with shop.Workload(migration.legacy, rows=2000):
        migration.up()
        start_mirroring(migration)
        for _ in range(6):
            for side in ended:
                ended[side] += end_sessions(getattr(migration, side))
                time.sleep(0.25)
        assert migration.running()
        migration.advance("customer")
        migration.wait_until_backfilled()
    migration.wait_until_equal()
    assert min(ended.values()) >= 3, f"too few sessions were there to be ended: {ended}"


@pytest.mark.parametrize("how", ["restart", "crash"])
@pytest.mark.parametrize("side", ["legacy", "new"])
def test_a_server_that_goes_away_and_comes_back_is_found_again(own_clusters, make_shop, side, how):
    legacy, new = own_clusters
    migration = make_shop(legacy.create_database("legacy"), new.create_database("new"))
    server = legacy if side == "legacy" else new
    with shop.Workload(migration.legacy, rows=2000):
        migration.up()
        start_mirroring(migration)
        for _ in range(2):
            time.sleep(0.5)
            server.stop() if how == "restart" else server.crash()
            time.sleep(1)
            assert migration.running() and migration.answers(), "oxbow still answers while the server is away"
            server.start()
        migration.advance("customer")
        migration.wait_until_backfilled()
    migration.wait_until_equal()


@pytest.mark.parametrize("side", ["legacy", "new"])
def test_a_network_silent_for_a_minute_is_survived(own_clusters, make_shop, side):
    legacy, new = own_clusters
    old_url, new_url = legacy.create_database("legacy"), new.create_database("new")
    cluster = legacy if side == "legacy" else new
    with ChaosProxy(cluster.port) as proxy:
        through = cluster.url(side, port=proxy.port)
        migration = make_shop(old_url, new_url, **{f"{side}_url": through})
        with shop.Workload(migration.legacy, rows=2000, transactions_per_second=100):
            migration.up()
            start_mirroring(migration)
            with proxy.blackhole():
                time.sleep(60)
                assert migration.running() and migration.answers(), "oxbow still answers behind a silent network"
            proxy.cut()
            migration.advance("customer")
            migration.wait_until_backfilled(120)
        migration.wait_until_equal()
        migration.kill()
