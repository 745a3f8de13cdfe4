"""A commit stands in the log before it is visible. A copy that trusts log positions alone takes stale rows there.

Rows here are inserted once and deleted once. So nothing heals a wrong copy: a row that should be gone stays for ever, a
row that should be there is missing for ever, and the oracle sees either.
"""

import contextlib
import random
import threading

import psycopg2
import pytest

from cluster import Cluster, execute
from migration import Migration
from oracle import Comparison

CLIENTS = 24
TABLES = 40  # one range each
ROWS_OF_A_CLIENT = 80  # alive at the same time, over all tables
PAUSE_S = 0.004  # between two transactions of a client: the tables are hot, the machine need not drown

SPEC = """
migration: hot
owners: {{ legacy: team-a, new: team-b, coexistence: team-c }}
systems:
  legacy: {{ database: "{legacy}" }}
  new: {{ database: "{new}" }}
entities:
  anchor:
    key: id
    tables: [ {{ legacy: public.anchor, new: public.anchor }} ]
  hot:
    key: id
    tables:
{tables}
limits: {{ workers: 2 }}
"""


def hot_migration(tmp_path, legacy, new, tables):
    names = [f"hot_{number}" for number in range(tables)]
    for url in (legacy, new):
        execute(url, ";".join(f"CREATE TABLE {name} (id bigint PRIMARY KEY, who integer)" for name in ["anchor", *names]))
    lines = "\n".join(f"      - {{ legacy: public.{name}, new: public.{name} }}" for name in names)
    comparisons = [Comparison(name, f"SELECT id, who FROM {name}", f"SELECT id, who FROM {name}") for name in names]
    return Migration(tmp_path, SPEC.format(legacy=legacy, new=new, tables=lines), legacy, new, comparisons)


@contextlib.contextmanager
def hot_clients(url):
    """Each transaction of a client inserts one row and deletes its oldest one, in tables picked by chance."""
    stopping = threading.Event()

    def client(number):
        chance, alive = random.Random(number), []
        with contextlib.closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
            while not stopping.is_set():
                row = (chance.randrange(TABLES), chance.getrandbits(60))
                cursor.execute(f"INSERT INTO hot_{row[0]} VALUES (%s, %s)", (row[1], number))
                alive.append(row)
                if len(alive) > ROWS_OF_A_CLIENT:
                    table, key = alive.pop(0)
                    cursor.execute(f"DELETE FROM hot_{table} WHERE id = %s", (key,))
                connection.commit()
                stopping.wait(PAUSE_S)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stopping.set()
        for thread in threads:
            thread.join()


def stale_rows_after_copying(migration, ranges, **environment):
    """Copies the hot tables again and again until so many ranges were copied, or until a row is wrong for good."""
    copied = 0
    migration.up(**environment).advance("anchor")
    while copied < ranges:
        with hot_clients(migration.legacy):
            migration.advance("hot")
            migration.wait_until_backfilled()
        copied += TABLES
        with contextlib.suppress(AssertionError):
            migration.wait_until_equal(15)
        if stale := migration.judge().differing:
            return stale
        migration.roll_back("hot")
        for table in range(TABLES):
            execute(migration.new, f"SET session_replication_role = replica; DELETE FROM hot_{table}")
        execute(migration.legacy, ";".join(f"DELETE FROM hot_{table}" for table in range(TABLES)))
    return 0


def test_hot_tables_are_copied_without_a_stale_row(tmp_path, databases):
    with hot_migration(tmp_path, databases.legacy, databases.new, TABLES) as migration:
        assert stale_rows_after_copying(migration, ranges=2 * TABLES) == 0


def test_without_the_snapshot_fence_hot_tables_show_stale_rows(tmp_path, databases):
    with hot_migration(tmp_path, databases.legacy, databases.new, TABLES) as migration:
        stale = stale_rows_after_copying(migration, ranges=20 * TABLES, OXBOW_TEST_WITHOUT="fence_by_snapshot")
    assert stale > 0, "the test above would pass without the protection"


@pytest.mark.soak
def test_soak_a_thousand_ranges_of_hot_tables_hold_no_stale_row(tmp_path, databases):
    with hot_migration(tmp_path, databases.legacy, databases.new, TABLES) as migration:
        assert stale_rows_after_copying(migration, ranges=1000) == 0


def set_standby(server, name):
    """Not an option of the command line, which nothing could change later."""
    system = local(server.url("postgres"))
    execute(system, f"ALTER SYSTEM SET synchronous_standby_names = '{name}'")
    execute(system, "SELECT pg_reload_conf()")


def local(url):
    """The same database, for sessions that do not wait for the standby."""
    return f"{url}?options=-c%20synchronous_commit%3Dlocal"


@pytest.fixture
def stalled_server():
    """Its commits are in the log and invisible for as long as its synchronous standby is silent."""
    with Cluster() as cluster:
        set_standby(cluster, "nobody")
        yield cluster


def copy_past_a_stalled_commit(tmp_path, server, new_url, **environment):
    """A commit hangs on the standby, the stream passes it, the table is copied, and then the commit becomes visible."""
    system = local(server.url("postgres"))
    execute(system, "CREATE DATABASE stalled")
    url = local(server.url("stalled"))
    with hot_migration(tmp_path, url, new_url, tables=1) as migration:
        execute(url, "INSERT INTO hot_0 SELECT i, 0 FROM generate_series(1, 200) AS i")
        migration.up(**environment).advance("anchor")
        hanging = threading.Thread(target=execute, args=(server.url("stalled"), "UPDATE hot_0 SET who = 1 WHERE id = 7"))
        hanging.start()
        in_wait = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
        migration.wait_until(lambda: execute(url, in_wait)[0][0] > 0, 20, "the commit waits for its standby")
        execute(url, "INSERT INTO anchor VALUES (1, 1)")
        arrived = "SELECT count(*) FROM anchor"
        migration.wait_until(lambda: execute(new_url, arrived)[0][0] == 1, 20, "the stream has passed the commit")
        migration.advance("hot")

        def range_is_copied():
            return any(table["ranges_copied"] for table in migration.tables() if table["entity"] == "hot")

        with contextlib.suppress(AssertionError):  # with the protection it waits, and must
            migration.wait_until(range_is_copied, 3, "the range is copied")
        set_standby(server, "")
        hanging.join()
        migration.wait_until_backfilled()
        with contextlib.suppress(AssertionError):
            migration.wait_until_equal(5)
        return migration.judge()


def test_a_commit_that_hangs_on_a_stalled_standby_is_not_lost(tmp_path, stalled_server, databases):
    verdict = copy_past_a_stalled_commit(tmp_path, stalled_server, databases.new)
    assert verdict.equal and verdict.rows == 200, str(verdict)


def test_without_the_admissibility_rule_a_stalled_standby_shows_a_stale_row(tmp_path, stalled_server, databases):
    verdict = copy_past_a_stalled_commit(tmp_path, stalled_server, databases.new, OXBOW_TEST_WITHOUT="remember_skipped")
    assert not verdict.equal, "the test above would pass without the protection"
