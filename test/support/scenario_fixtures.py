"""Fixtures of the scenarios: two servers shared by the session, and one fresh migration per test."""

import itertools
import signal

import psycopg2
import pytest

import shop
from cluster import Cluster, execute
from migration import Migration

_numbers = itertools.count(1)


def pytest_configure():
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))


@pytest.fixture(scope="session")
def legacy_cluster():
    with Cluster() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def new_cluster():
    with Cluster() as cluster:
        yield cluster


@pytest.fixture
def own_clusters():
    """Servers of one test alone, for those that restart, stall or count them."""
    with Cluster() as legacy, Cluster() as new:
        yield legacy, new


class Databases:
    """Two empty databases of one test; dropped with whatever slots they have."""

    def __init__(self, legacy_cluster, new_cluster):
        number = next(_numbers)
        self.clusters = legacy_cluster, new_cluster
        self.names = f"legacy_{number}", f"new_{number}"
        self.legacy, self.new = (cluster.create_database(name) for cluster, name in zip(self.clusters, self.names))

    def drop(self):
        for cluster, name in zip(self.clusters, self.names):
            if cluster.process.poll() is not None:
                continue
            end_sessions = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
            slots = f"SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = '{name}'"
            shop.settle_prepared(cluster.url(name))
            cluster.execute("postgres", end_sessions)
            for attempt in range(50):
                try:
                    cluster.execute("postgres", slots)
                    break
                except psycopg2.errors.ObjectInUse:
                    cluster.execute("postgres", end_sessions + " AND pg_sleep(0.1) IS NOT NULL")
            cluster.execute("postgres", f"DROP DATABASE {name} WITH (FORCE)")
            cluster.execute("postgres", "SELECT pg_replication_origin_drop(roname) FROM pg_replication_origin")


@pytest.fixture
def databases(legacy_cluster, new_cluster):
    pair = Databases(legacy_cluster, new_cluster)
    yield pair
    pair.drop()


class ShopMaker:
    """Builds shop migrations: make(rows=..., legacy_url=...), each in its own directory."""

    def __init__(self, tmp_path):
        self.tmp_path = tmp_path
        self.made = []

    def __call__(self, legacy, new, rows=2000, legacy_url=None, new_url=None, cohorts="", extra=""):
        execute(legacy, shop.LEGACY_SCHEMA)
        execute(legacy, shop.FILL.format(rows=rows))
        execute(legacy, "ANALYZE")
        execute(new, shop.NEW_SCHEMA)
        directory = self.tmp_path / f"migration{len(self.made)}"
        directory.mkdir()
        spec = shop.SPEC.format(legacy=legacy_url or legacy, new=new_url or new, cohorts=cohorts, extra=extra)
        self.made.append(Migration(directory, spec, legacy, new, shop.COMPARISONS))
        return self.made[-1]

    def kill_all(self):
        for migration in self.made:
            migration.kill()


@pytest.fixture
def make_shop(tmp_path, request):
    maker = ShopMaker(tmp_path)
    yield maker
    maker.kill_all()


@pytest.fixture
def shop_migration(databases, make_shop):
    """2,000 customers and their orders, not yet advanced; `databases` is dropped after it was killed."""
    return make_shop(databases.legacy, databases.new)


def versions_of_new_rows(migration):
    """Which transaction wrote each row where; unchanged if and only if no row was written."""
    tables = ("shop.customer", "shop.purchase", "shop.purchase_line", "shop.visit")
    return [execute(migration.new, f"SELECT xmin::text, ctid::text FROM {table} ORDER BY ctid") for table in tables]
