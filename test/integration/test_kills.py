"""oxbow, its connections and both servers die at bad moments. Afterwards nothing is lost, doubled or stale."""

import random
import time

import pytest

import shop
from chaos_proxy import ChaosProxy
from cluster import execute

FAILPOINTS = ["after_range_snapshot", "during_range_copy", "before_range_commit", "after_range_commit",
              "before_group_commit", "after_group_commit", "before_confirm", "after_marker",
              "set_up_after_install", "set_up_after_identities", "set_up_before_slot", "set_up_after_slot",
              "set_up_after_position", "set_up_after_ranges"]
ROLLBACK_FAILPOINTS = ["rollback_before_ranges", "rollback_after_ranges", "rollback_after_legacy", "rollback_after_new"]


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


def left_by_the_mirror(migration):
    """What a mirror keeps in the databases for as long as it is one."""
    slots = "SELECT slot_name FROM pg_replication_slots WHERE database = current_database()"
    kept = "SELECT 'range' FROM oxbow.range UNION SELECT 'stream' FROM oxbow.stream"
    return execute(migration.legacy, slots) + execute(migration.new, kept)


@pytest.mark.parametrize("name", ROLLBACK_FAILPOINTS)
def test_a_rollback_that_is_killed_goes_on_to_its_end(shop_migration, name):
    migration = shop_migration
    with shop.Workload(migration.legacy, rows=2000):
        migration.up(failpoint=name).advance("customer")
        migration.wait_until_backfilled()
        migration.oxbow("rollback", "customer", "--to", "legacy", check=False)
        migration.wait_until(lambda: not migration.running(), 30, f"oxbow reaches {name}")
        assert left_by_the_mirror(migration) != [] or name == ROLLBACK_FAILPOINTS[-1]
        migration.up().roll_back("customer")
        assert left_by_the_mirror(migration) == []
        migration.advance("customer")
        migration.wait_until_backfilled()
    migration.wait_until_equal()
    assert migration.findings() == []


@pytest.mark.parametrize("name", ["rollback_before_ranges", "rollback_after_ranges"])
def test_a_rollback_of_one_cohort_that_is_killed_takes_its_rows_away_all_the_same(databases, make_shop, name):
    """Rows of a cohort that nobody follows would stand in the way of rows that move to the other one."""
    migration = make_shop(databases.legacy, databases.new, cohorts='    cohorts: [ { name: pilot, keys: ["1"] }, { name: rest } ]')
    migration.up(failpoint=name).advance("customer")
    migration.wait_until_backfilled()
    rollback = ["rollback", "customer", "--cohort", "rest", "--to", "legacy"]
    migration.oxbow(*rollback, check=False)
    migration.wait_until(lambda: not migration.running(), 30, f"oxbow reaches {name}")
    migration.up().oxbow(*rollback)
    migration.wait_until(lambda: all(not cohort["moving_to"] for cohort in migration.status()["cohorts"]), 30, "rest is back")
    assert execute(migration.new, "SELECT count(*) FROM shop.purchase WHERE customer_id <> 1") == [(0,)]
    execute(migration.legacy, "UPDATE orders SET customer_id = 1 WHERE order_id BETWEEN 100 AND 200")
    migration.oxbow("advance", "customer", "--cohort", "rest", "--to", "mirrored")
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


WORKERS = 2


def rows_inserted(migration):
    """What the server counted for the visits, also in transactions that died. Exact once no session of ours is left."""
    ours = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'oxbow%'"
    migration.wait_until(lambda: execute(migration.new, ours)[0][0] == 0, 20, "the server has ended what was killed")
    return execute(migration.new, "SELECT n_tup_ins FROM pg_stat_user_tables WHERE relid = 'shop.visit'::regclass")[0][0]


def copies_of_visits(migration):
    """range -> (rows, snapshot of the copy), for ranges of the visits that were copied."""
    table = "SELECT table_number FROM oxbow.range GROUP BY 1 ORDER BY count(*) DESC LIMIT 1"
    copied = f"SELECT id, row_count, snapshot FROM oxbow.range WHERE phase <> 'pending' AND table_number = ({table})"
    return {number: (rows, snapshot) for number, rows, snapshot in execute(migration.new, copied)}


def test_a_kill_costs_at_most_one_range_per_worker(databases, make_shop):
    """The visits come in ranges of 200,000 rows. No copy that was committed is made again, and what each kill threw
    away is counted by the server to the row."""
    kills, visits = 3, 3_000_000
    migration = make_shop(databases.legacy, databases.new, rows=100,
                          extra=f"limits: {{ workers: {WORKERS}, rows_per_second: 800000 }}")
    execute(migration.legacy, f"INSERT INTO visits SELECT i, i, '/page' FROM generate_series(101, {visits}) AS i; ANALYZE visits")
    migration.up().advance("customer")
    thrown_away, kept = [], {}
    for _ in range(kills):
        migration.wait_until(lambda: len(copies_of_visits(migration)) >= len(kept) + 2, 60, "two more ranges are copied")
        time.sleep(0.1)  # into the next ones
        migration.kill()
        inserted = rows_inserted(migration)
        before, kept = kept, copies_of_visits(migration)
        assert before.items() <= kept.items(), "a range that was copied is copied again"
        thrown_away.append(inserted - sum(rows for rows, _ in kept.values()) - sum(thrown_away))
        migration.up()
    migration.set_rate(0)
    migration.wait_until_backfilled()
    migration.wait_until_equal()
    migration.kill()
    copies = copies_of_visits(migration)
    assert kept.items() <= copies.items(), "a range that was copied is copied again"
    assert sum(rows for rows, _ in copies.values()) == visits
    assert rows_inserted(migration) == visits + sum(thrown_away)
    largest = max(rows for rows, _ in copies.values())
    assert len(copies) >= 12 and largest < 2 * visits / len(copies), "the bound below means something"
    assert all(0 <= rows <= WORKERS * largest for rows in thrown_away), thrown_away
    assert sum(thrown_away) > 0, "every kill came between two ranges"


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
