"""What the benchmarks share: two durable servers, pgbench, a mirrored bank, and the way a result is shown.

Every figure is a ratio between oxbow and a peer on the same servers in the same run, or a share of what the machine
does without oxbow; nothing asserts an absolute time of this machine.
"""

import contextlib
import os
import platform
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
for folder in ("support", "oracle"):
    sys.path.insert(0, os.path.join(ROOT, "test", folder))

from cluster import DURABLE, Cluster, binary, execute  # noqa: E402  (needs the path above)
from migration import Migration  # noqa: E402
from oracle import Comparison  # noqa: E402

OXBOW = os.path.join(ROOT, "build", "release", "src", "apps", "oxbow")
DISK = "/var/tmp"  # a disk everywhere, where /tmp may be memory

THREE_TABLES = """
migration: bank
owners: {{ legacy: team-a, new: team-b, coexistence: team-c }}
systems:
  legacy: {{ database: "{legacy}" }}
  new: {{ database: "{new}" }}
entities:
  branch:
    key: bid
    tables:
      - {{ legacy: public.pgbench_branches, new: public.pgbench_branches }}
      - {{ legacy: public.pgbench_tellers, new: public.pgbench_tellers }}
      - {{ legacy: public.pgbench_accounts, new: public.pgbench_accounts }}
"""
SPEC = THREE_TABLES + """\
      - {{ legacy: public.pgbench_history, new: public.pgbench_history, identity: full-row }}
"""

TABLES = ["pgbench_branches", "pgbench_tellers", "pgbench_accounts"]
COMPARISONS = [Comparison(table, f"SELECT * FROM {table}", f"SELECT * FROM {table}") for table in TABLES] + [
    Comparison("pgbench_history", "SELECT tid, bid, aid, delta, mtime FROM pgbench_history",
               "SELECT tid, bid, aid, delta, mtime FROM pgbench_history", key=5)]


def say(text):
    print(text, flush=True)


@contextlib.contextmanager
def servers():
    """Two servers with the same settings, which are printed because a figure means nothing without them."""
    with Cluster(DURABLE, base=DISK) as legacy, Cluster(DURABLE, base=DISK) as new:
        version = legacy.execute("postgres", "SHOW server_version")[0][0]
        say(f"PostgreSQL {version} twice on this machine ({os.cpu_count()} cores, {platform.machine()}); "
            + ", ".join(f"{name}={value}" for name, value in DURABLE.items()))
        yield legacy, new


def create_bank(cluster, name, scale):
    """A pgbench database of 100,000 accounts per unit of scale; returns its URL."""
    url = cluster.create_database(name)
    say(f"pgbench -i -s {scale}: {scale * 100_000:,} accounts")
    run([binary("pgbench"), "-i", "-q", "-s", str(scale), url])
    settle(cluster)
    return url


def create_empty_copy(source_url, cluster, name):
    """A database with the tables and keys of the source and no rows; returns its URL."""
    url = cluster.create_database(name)
    schema = subprocess.run([binary("pg_dump"), "-s", source_url], capture_output=True, check=True, text=True).stdout
    execute(url, "\n".join(line for line in schema.splitlines() if not line.startswith("\\")))
    return url


def settle(*clusters):
    for cluster in clusters:
        cluster.execute("postgres", "CHECKPOINT")


def run(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed:\n{done.stderr[-2000:]}")
    return done.stdout


@contextlib.contextmanager
def pgbench(url, *options):
    """pgbench in the background for as long as the block lasts; its options bound rate and clients."""
    process = subprocess.Popen([binary("pgbench"), "-n", "-T", "100000", *options, url],
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield process
        assert process.poll() is None, f"pgbench ended by itself: {process.stdout.read()[-1000:]}"
    finally:
        process.kill()
        process.communicate()
        execute(url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pgbench'")


@contextlib.contextmanager
def bank_migration(legacy_url, new_url, spec=SPEC, comparisons=COMPARISONS):
    with tempfile.TemporaryDirectory(prefix="oxbow-bench-") as directory:
        text = spec.format(legacy=legacy_url, new=new_url)
        with Migration(directory, text, legacy_url, new_url, comparisons, binary=OXBOW) as migration:
            yield migration


def seconds(work):
    started = time.monotonic()
    work()
    return time.monotonic() - started


class Scoreboard:
    """Figures against their bars; the last line of a benchmark prints them, and its exit code follows from them."""

    def __init__(self, name):
        self.name = name
        self.parts = []
        self.reached = True

    def at_most(self, what, figure, bar, unit):
        self._add(what, figure, bar, unit, "at most", figure <= bar)

    def at_least(self, what, figure, bar, unit):
        self._add(what, figure, bar, unit, "at least", figure >= bar)

    def _add(self, what, figure, bar, unit, word, held):
        self.reached = self.reached and held
        self.parts.append(f"{what} {figure:.2f} {unit} (bar: {word} {bar:g})")
        say(f"{'reached' if held else 'MISSED '}  {self.parts[-1]}")

    def close(self):
        say(f"{self.name}: {'; '.join(self.parts)}: {'reached' if self.reached else 'MISSED'}")
        return 0 if self.reached else 1
