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
ROWS_OF_A_CLIENT = 8  # alive at the same time: 192 rows of all clients
COPIES = 40  # of the hot table on the new side, each of one range
PAUSE_S = 0.1  # between two transactions of a client; every copy follows each of them
STALL_S = 0.15  # for so long the standby is silent, and then for as long it answers

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


def hot_migration(tmp_path, legacy, new, copies):
    """One legacy table and so many copies of it on the new side."""
    names = [f"hot_{number}" for number in range(copies)]
    execute(legacy, "CREATE TABLE anchor (id bigint PRIMARY KEY, who integer); CREATE TABLE hot (LIKE anchor INCLUDING ALL)")
    execute(new, ";".join(f"CREATE TABLE {name} (id bigint PRIMARY KEY, who integer)" for name in ["anchor", *names]))
    lines = "\n".join(f"      - {{ legacy: public.hot, new: public.{name} }}" for name in names)
    everywhere = f"SELECT copy, id, who FROM hot, generate_series(0, {copies - 1}) AS copy"
    copied = " UNION ALL ".join(f"SELECT {number}, id, who FROM {name}" for number, name in enumerate(names))
    comparison = Comparison("hot", everywhere, copied, key=2)
    return Migration(tmp_path, SPEC.format(legacy=legacy, new=new, tables=lines), legacy, new, [comparison])


class HotClients:
    """Each transaction of a client inserts one row and deletes its oldest one. Their rows stay from one run to the next."""

    def __init__(self, url):
        self.url = url
        self.alive = [[] for _ in range(CLIENTS)]
        self.chances = [random.Random(number) for number in range(CLIENTS)]
        with self.writing():
            while any(len(rows) < ROWS_OF_A_CLIENT for rows in self.alive):
                threading.Event().wait(0.1)

    @contextlib.contextmanager
    def writing(self):
        stopping = threading.Event()
        threads = [threading.Thread(target=self._write, args=(number, stopping)) for number in range(CLIENTS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stopping.set()
            for thread in threads:
                thread.join()

    def _write(self, number, stopping):
        chance, alive = self.chances[number], self.alive[number]
        with contextlib.closing(psycopg2.connect(self.url)) as connection, connection.cursor() as cursor:
            while not stopping.wait(chance.uniform(0, 2 * PAUSE_S)):
                alive.append(chance.getrandbits(60))
                cursor.execute("INSERT INTO hot VALUES (%s, %s)", (alive[-1], number))
                if len(alive) > ROWS_OF_A_CLIENT:
                    cursor.execute("DELETE FROM hot WHERE id = %s", (alive.pop(0),))
                connection.commit()


def set_standby(server, name):
    """Not an option of the command line, which nothing could change later."""
    system = local(server.url("postgres"))
    execute(system, f"ALTER SYSTEM SET synchronous_standby_names = '{name}'")
    execute(system, "SELECT pg_reload_conf()")


def local(url):
    """The same database, for sessions that do not wait for the standby."""
    return f"{url}?options=-c%20synchronous_commit%3Dlocal"


@contextlib.contextmanager
def stalling_standby(server):
    """Again and again commits are in the log and stay invisible until the standby answers."""
    stopping = threading.Event()

    def stall():
        while not stopping.is_set():
            for name in ("nobody", ""):
                set_standby(server, name)
                stopping.wait(STALL_S)

    thread = threading.Thread(target=stall)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


def stale_rows_after_copying(tmp_path, server, new_url, ranges, **environment):
    """Copies the hot table again and again until so many ranges were copied, or until a row is wrong for good."""
    set_standby(server, "")
    execute(local(server.url("postgres")), "CREATE DATABASE hot")
    clients, copied = None, 0
    with hot_migration(tmp_path, local(server.url("hot")), new_url, COPIES) as migration:
        clients = HotClients(server.url("hot"))
        migration.up(**environment).advance("anchor")
        while copied < ranges:
            with stalling_standby(server), clients.writing():
                migration.advance("hot")
                migration.wait_until_backfilled()
            copied += sum(table["ranges_copied"] for table in migration.tables() if table["entity"] == "hot")
            with contextlib.suppress(AssertionError):
                migration.wait_until_equal(15)
            verdict = migration.judge()
            if verdict.differing:
                return verdict.differing
            assert verdict.rows == COPIES * CLIENTS * ROWS_OF_A_CLIENT
            migration.roll_back("hot")
            truncate = ";".join(f"TRUNCATE hot_{number}" for number in range(COPIES))
            execute(migration.new, f"SET session_replication_role = replica; {truncate}")
    return 0


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
    with hot_migration(tmp_path, url, new_url, copies=1) as migration:
        execute(url, "INSERT INTO hot SELECT i, 0 FROM generate_series(1, 200) AS i")
        migration.up(**environment).advance("anchor")
        hanging = threading.Thread(target=execute, args=(server.url("stalled"), "UPDATE hot SET who = 1 WHERE id = 7"))
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


def test_a_hot_table_is_copied_a_thousand_times_without_a_stale_row(tmp_path, stalled_server, databases):
    assert stale_rows_after_copying(tmp_path, stalled_server, databases.new, ranges=1000) == 0


@pytest.mark.parametrize("protection", ["remember_skipped", "fence_by_snapshot"])
def test_without_the_fence_the_hot_table_shows_stale_rows(tmp_path, stalled_server, databases, protection):
    stale = stale_rows_after_copying(tmp_path, stalled_server, databases.new, ranges=1000, OXBOW_TEST_WITHOUT=protection)
    assert stale > 0, "the test above would pass without the protection"


@pytest.mark.soak
def test_soak_a_hot_table_is_copied_ten_thousand_times_without_a_stale_row(tmp_path, stalled_server, databases):
    assert stale_rows_after_copying(tmp_path, stalled_server, databases.new, ranges=10_000) == 0
