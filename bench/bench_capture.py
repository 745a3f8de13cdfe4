"""Capture: oxbow drains a backlog, against a native subscription that drains the very same one. Then steady lag."""

import contextlib
import tempfile
import threading
import time

import psycopg2

from common import THREE_TABLES, Scoreboard, bank_migration, binary, create_bank, create_empty_copy, execute, pgbench, run, say, servers, settle

SCALE = 10  # 1 million accounts
SMALL_TRANSACTIONS = 120_000
STEADY_PER_SECOND = 2_000
STEADY_S = 30

SPEC = THREE_TABLES + """\
  probe:
    key: id
    tables: [ {{ legacy: public.probe, new: public.probe }} ]
exclude: [ public.pgbench_history ]
"""

SMALL = """
\\set aid random(1, :accounts)
UPDATE pgbench_accounts SET abalance = abalance + 1 WHERE aid = :aid;
"""


class Backlog:
    """Two followers of one source, both held back while changes pile up, then released one after the other."""

    def __init__(self, clusters, source, native, migration):
        self.clusters = clusters
        self.source = source
        self.native = native
        self.migration = migration
        self.probe = 0

    def follow(self):
        execute(self.source, "CREATE PUBLICATION native FOR TABLE pgbench_branches, pgbench_tellers, pgbench_accounts, probe")
        execute(self.native, f"CREATE SUBSCRIPTION native CONNECTION '{self.source}' PUBLICATION native WITH (binary = true)")
        ready = "SELECT bool_and(srsubstate = 'r') FROM pg_subscription_rel"
        self.migration.wait_until(lambda: execute(self.native, ready)[0][0], 600, "the subscription has copied its tables")
        self.migration.up().advance("branch", "probe")
        self.migration.wait_until_backfilled(600)

    def hold(self):
        execute(self.native, "ALTER SUBSCRIPTION native DISABLE")
        self.migration.stop()

    def mark(self):
        """A row behind everything so far; who has it has everything."""
        self.probe += 1
        execute(self.source, f"INSERT INTO probe VALUES ({self.probe}, now())")

    def drain(self, url, release):
        settle(*self.clusters)  # each begins with the same: written pages, and files of the log to use again
        started = time.monotonic()
        release()
        with contextlib.closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
            connection.autocommit = True
            while True:
                cursor.execute("SELECT max(id) FROM probe")
                if cursor.fetchone()[0] == self.probe:
                    return time.monotonic() - started
                time.sleep(0.02)

    def race(self, what):
        self.mark()
        native = self.drain(self.native, lambda: execute(self.native, "ALTER SUBSCRIPTION native ENABLE"))
        execute(self.native, "ALTER SUBSCRIPTION native DISABLE")
        ours = self.drain(self.migration.new, self.migration.up)
        say(f"{what}: native subscription {native:.1f} s, oxbow {ours:.1f} s")
        return native / ours


@contextlib.contextmanager
def small_script(source):
    """Options that make pgbench run the small transaction over all accounts."""
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write(SMALL)
        script.flush()
        accounts = execute(source, "SELECT max(aid) FROM pgbench_accounts")[0][0]
        yield ["-f", script.name, "-D", f"accounts={accounts}"]


def without_waiting_for_the_disk(url):
    """The load generator's own commits are not what is measured."""
    return f"{url}?options=-c%20synchronous_commit%3Doff"


def small_transactions(source, count, clients=8):
    with small_script(source) as options:
        run([binary("pgbench"), "-n", "-c", str(clients), "-t", str(count // clients), *options,
             without_waiting_for_the_disk(source)])


def steady_lag_ms(source, new):
    """Age of a row when it can first be read on the new side: one probe every 20 ms while pgbench writes."""
    execute(source, "DELETE FROM probe")
    committed, seen, stopping = {}, {}, threading.Event()

    def watch():
        with contextlib.closing(psycopg2.connect(new)) as connection, connection.cursor() as cursor:
            connection.autocommit = True
            while not stopping.is_set():
                cursor.execute("SELECT id FROM probe WHERE id > %s", (max(seen, default=0),))
                now = time.monotonic()
                seen.update((number, now) for (number,) in cursor.fetchall())
                time.sleep(0.002)

    watcher = threading.Thread(target=watch)
    load = without_waiting_for_the_disk(source)
    with small_script(source) as options, contextlib.closing(psycopg2.connect(source)) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        with pgbench(load, "-c", "4", "-R", str(STEADY_PER_SECOND), *options):
            time.sleep(3)
            before = execute(source, "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()")[0][0]
            watcher.start()
            started = time.monotonic()
            while (now := time.monotonic()) < started + STEADY_S:
                number = len(committed) + 1_000_000
                cursor.execute("INSERT INTO probe VALUES (%s, now())", (number,))
                committed[number] = time.monotonic()
                time.sleep(max(0, 0.02 - (time.monotonic() - now)))
            after = execute(source, "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()")[0][0]
            deadline = time.monotonic() + 30
            while max(seen, default=0) < max(committed) and time.monotonic() < deadline:
                time.sleep(0.05)
    stopping.set()
    watcher.join()
    rate = (after - before) / STEADY_S
    say(f"steady: {rate:,.0f} tx/s committed on the source, {len(committed)} probes")
    assert rate >= 0.95 * STEADY_PER_SECOND, "the machine cannot hold the stated rate; the lag would mean nothing"
    lags = sorted((seen.get(number, float("inf")) - at) * 1000 for number, at in committed.items())
    return lags[len(lags) // 2], lags[int(len(lags) * 0.99)]


def measure(share):
    board = Scoreboard("capture")
    with servers() as (legacy, new):
        source = create_bank(legacy, "bank", max(1, round(SCALE * share)))
        execute(source, "CREATE TABLE probe (id bigint PRIMARY KEY, at timestamptz)")
        native, mirror = (create_empty_copy(source, new, name) for name in ("native", "mirror"))
        with bank_migration(source, mirror, spec=SPEC) as migration:
            backlog = Backlog((legacy, new), source, native, migration)
            backlog.follow()

            backlog.hold()
            execute(source, "UPDATE pgbench_accounts SET abalance = abalance + 1")
            large = backlog.race(f"one transaction of {round(SCALE * share * 100_000):,} updates")

            migration.stop()
            small_transactions(source, round(SMALL_TRANSACTIONS * share))
            small = backlog.race(f"{round(SMALL_TRANSACTIONS * share):,} small transactions")

            execute(native, "DROP SUBSCRIPTION native")
            median, p99 = steady_lag_ms(source, mirror)
            say(f"steady: apply lag median {median:.0f} ms, p99 {p99:.0f} ms")
    board.at_least("large backlog", large, 2.0, "x native")
    board.at_least("small backlog", small, 3.0, "x native")
    board.at_most("lag p99", p99, 250, "ms")
    return board.close()
