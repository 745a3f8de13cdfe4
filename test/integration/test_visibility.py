"""A commit stands in the log before it is visible. A copy that trusts log positions alone takes stale rows there."""

import contextlib
import threading
import time

import psycopg2
import pytest

from cluster import Cluster, execute
from migration import Migration
from oracle import Comparison

HOT_ROWS = 200

SPEC = """
migration: hot
owners: {{ legacy: team-a, new: team-b, coexistence: team-c }}
systems:
  legacy: {{ database: "{legacy}" }}
  new: {{ database: "{new}" }}
entities:
  hot:
    key: id
    tables: [ {{ legacy: public.hot, new: public.hot }} ]
limits: {{ workers: 2 }}
"""

TABLE = "CREATE TABLE hot (id integer PRIMARY KEY, value bigint NOT NULL, who integer NOT NULL) WITH (fillfactor = 20)"


def hot_migration(tmp_path, legacy, new):
    execute(legacy, f"{TABLE}; INSERT INTO hot SELECT i, 0, 0 FROM generate_series(1, {HOT_ROWS}) AS i; ANALYZE hot")
    execute(new, TABLE)
    query = "SELECT id, value, who FROM hot"
    return Migration(tmp_path, SPEC.format(legacy=legacy, new=new), legacy, new, [Comparison("hot", query, query)])


@contextlib.contextmanager
def hot_clients(url, count):
    """Each client increments random rows as fast as the server lets it."""
    stopping = threading.Event()

    def client(number):
        with contextlib.suppress(psycopg2.OperationalError), contextlib.closing(psycopg2.connect(url)) as connection:
            connection.autocommit = True
            cursor = connection.cursor()
            while not stopping.is_set():
                cursor.execute(f"UPDATE hot SET value = value + 1, who = {number} WHERE id = 1 + floor(random() * {HOT_ROWS})::integer")

    threads = [threading.Thread(target=client, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stopping.set()
        for thread in threads:
            thread.join()


def copy_ranges_again_and_again(migration, ranges, **environment):
    """Backfills the hot table until so many ranges were copied; returns the stale rows found on the way.

    After each backfill the clients rest, the stream catches up, and the oracle compares: a stale row would stay stale.
    """
    copied = stale = 0
    migration.up(OXBOW_ROWS_PER_RANGE="10", **environment)
    while copied < ranges:
        with hot_clients(migration.legacy, 24):
            migration.advance("hot")
            migration.wait_until_backfilled()
        copied += sum(table["ranges_copied"] for table in migration.tables())
        with contextlib.suppress(AssertionError):
            migration.wait_until_equal(10)
        stale += migration.judge().differing
        if stale:
            return stale
        migration.roll_back("hot")
        execute(migration.new, "TRUNCATE hot")
    return 0


def test_a_hot_table_is_copied_without_a_stale_row(tmp_path, databases):
    migration = hot_migration(tmp_path, databases.legacy, databases.new)
    with migration:
        assert copy_ranges_again_and_again(migration, ranges=100) == 0


@pytest.mark.soak
def test_soak_a_thousand_ranges_of_a_hot_table_hold_no_stale_row(tmp_path, databases):
    migration = hot_migration(tmp_path, databases.legacy, databases.new)
    with migration:
        assert copy_ranges_again_and_again(migration, ranges=1000) == 0


@pytest.fixture
def stalled_standby(new_cluster):
    """A legacy server whose commits are in the log and invisible for as long as its synchronous standby is silent."""
    with Cluster({"synchronous_standby_names": "nobody"}) as legacy:
        yield legacy


def local(url):
    """The same database, for sessions that do not wait for the standby."""
    return f"{url}?options=-c%20synchronous_commit%3Dlocal"


def copy_past_a_stalled_commit(tmp_path, legacy_cluster, new_url, **environment):
    """Commits one update that hangs on the standby, copies the table meanwhile, then lets the commit become visible."""
    execute(local(legacy_cluster.url("postgres")), "CREATE DATABASE stalled")
    url = local(legacy_cluster.url("stalled"))
    migration = hot_migration(tmp_path, url, new_url)
    with migration:
        migration.up(OXBOW_ROWS_PER_RANGE="10", **environment)
        waiting = threading.Thread(target=execute, args=(legacy_cluster.url("stalled"), "UPDATE hot SET value = 1000000 WHERE id = 7"))
        migration.oxbow("advance", "hot", "--to", "mirrored")
        waiting.start()
        in_wait = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
        migration.wait_until(lambda: execute(url, in_wait)[0][0] > 0, 20, "the commit waits for its standby")
        migration.roll_back("hot")
        execute(new_url, "TRUNCATE hot")
        migration.oxbow("advance", "hot", "--to", "mirrored")
        time.sleep(2)  # the copy may now go wrong, or wait; both are shown by what comes after
        execute(local(legacy_cluster.url("postgres")), "ALTER SYSTEM SET synchronous_standby_names = ''")
        execute(local(legacy_cluster.url("postgres")), "SELECT pg_reload_conf()")
        waiting.join()
        migration.wait_until_backfilled()
        with contextlib.suppress(AssertionError):
            migration.wait_until_equal(10)
        return migration.judge()


def test_a_commit_that_hangs_on_a_stalled_standby_is_not_lost(tmp_path, stalled_standby, databases):
    verdict = copy_past_a_stalled_commit(tmp_path, stalled_standby, databases.new)
    assert verdict.equal and verdict.rows == HOT_ROWS, str(verdict)


def test_without_the_admissibility_rule_the_stalled_standby_shows_a_stale_row(tmp_path, stalled_standby, databases):
    verdict = copy_past_a_stalled_commit(tmp_path, stalled_standby, databases.new, OXBOW_TEST_WITHOUT="admissibility")
    assert not verdict.equal, "the test above would pass without the protection"
