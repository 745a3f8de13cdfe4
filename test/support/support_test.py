"""The helpers do what scenarios believe of them; a workload that never swaps a unique value proves nothing about swaps."""

import os
import random
import signal
import subprocess
import sys
import threading
import time

import psycopg2
import pytest

import postings
import shop
from chaos_proxy import ChaosProxy
from cluster import Cluster, execute

HERE = os.path.dirname(os.path.abspath(__file__))


@pytest.fixture(scope="module")
def cluster():
    with Cluster() as running:
        yield running


def test_a_crashed_server_comes_back_with_its_data(cluster):
    cluster.execute("postgres", "CREATE TABLE kept AS SELECT 1 AS one")
    cluster.crash()
    cluster.start()
    assert cluster.execute("postgres", "SELECT one FROM kept") == [(1,)]


def test_a_server_does_not_outlive_the_process_that_started_it():
    parent = subprocess.Popen([sys.executable, os.path.join(HERE, "cluster.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    url = parent.stdout.readline().strip()
    assert execute(url, "SELECT 1") == [(1,)]
    parent.send_signal(signal.SIGKILL)
    parent.communicate()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            psycopg2.connect(url).close()
            time.sleep(0.05)
        except psycopg2.OperationalError:
            return
    raise AssertionError("the server is still there")


def test_every_act_of_the_workload_changes_something(cluster):
    url = cluster.create_database("acts")
    execute(url, shop.LEGACY_SCHEMA)
    execute(url, shop.FILL.format(rows=300))
    work = shop.Workload(url, rows=300)

    connection = psycopg2.connect(url)
    for _, act in shop.ACTS:
        def log_end():
            return execute(url, "SELECT pg_current_wal_insert_lsn() - '0/0'")[0][0]

        before = log_end()
        for seed in range(20):
            try:
                with connection.cursor() as cursor:
                    act(work, cursor, random.Random(seed))
                connection.commit()
            except psycopg2.errors.UniqueViolation:
                connection.rollback()
        assert log_end() > before, f"{act.__name__} writes nothing"
    connection.close()
    shop.settle_prepared(url)


def test_a_failing_workload_fails_its_scenario(cluster):
    url = cluster.create_database("broken")
    with pytest.raises(psycopg2.errors.UndefinedTable):
        with shop.Workload(url, rows=10) as work:
            work.threads[0].join(10)


def test_a_workload_survives_the_loss_of_its_server(cluster):
    url = cluster.create_database("loss")
    execute(url, shop.LEGACY_SCHEMA)
    execute(url, shop.FILL.format(rows=300))
    with shop.Workload(url, rows=300) as work:
        for _ in range(2):
            before, deadline = work.committed, time.monotonic() + 20
            while work.committed < before + 50:
                assert time.monotonic() < deadline
                time.sleep(0.02)
            cluster.restart(signal.SIGQUIT)
    assert execute(url, "SELECT count(*) FROM pg_prepared_xacts") == [(0,)]


def test_a_silent_network_keeps_connections_open_and_answers_later(cluster):
    with ChaosProxy(cluster.port) as proxy:
        url = cluster.url("postgres", port=proxy.port)
        connection = psycopg2.connect(url)
        answers = []

        def ask():
            with connection.cursor() as cursor:
                cursor.execute("SELECT 42")
                answers.extend(cursor.fetchall())

        with proxy.blackhole():
            asking = threading.Thread(target=ask)
            asking.start()
            asking.join(0.5)
            assert asking.is_alive() and answers == []
            with pytest.raises(psycopg2.OperationalError, match="timeout"):
                psycopg2.connect(url + "?connect_timeout=2")
        asking.join(10)
        assert answers == [(42,)]
        connection.close()


def test_a_cut_connection_is_lost_at_once_and_a_new_one_works(cluster):
    with ChaosProxy(cluster.port) as proxy:
        url = cluster.url("postgres", port=proxy.port)
        connection = psycopg2.connect(url)
        proxy.cut()
        with pytest.raises(psycopg2.OperationalError):
            connection.cursor().execute("SELECT 1")
        assert execute(url, "SELECT 1") == [(1,)]


def test_the_books_of_postings_see_what_is_lost_doubled_and_numbered_twice(cluster):
    legacy, new = (cluster.create_database(name) for name in ("books_legacy", "books_new"))
    execute(legacy, postings.LEGACY_SCHEMA + postings.FILL.format(accounts=2))
    execute(new, postings.NEW_SCHEMA)
    execute(new, "INSERT INTO ledger.account VALUES (1, 'Owner 1', 1), (2, 'Owner 2', 1)")
    execute(new, "INSERT INTO ledger.posting (account_id, operation, amount_minor) VALUES (1, 'first/1', 1), (2, 'first/2', 1)")
    writes = []

    def write(operation, *sides):
        values = {"account": 1, "operation": operation, "cents": 5}
        numbers = [execute({"legacy": legacy, "new": new}[side], postings.WRITE[side], values)[0][0] for side in sides]
        writes.append({**values, "posting": numbers[0] if numbers else 999, "refused": 0})
        return postings.Books(writes, legacy, new)

    assert write("well", "legacy", "new").are_clean
    assert write("on one side", "legacy").lost == {"on one side"}
    assert write("nowhere").lost == {"on one side", "nowhere"}
    assert write("twice", "legacy", "legacy", "new").doubled == {"twice"}
    writes[-1]["posting"] = writes[0]["posting"]
    assert writes[0]["posting"] in postings.Books(writes, legacy, new).reused
    execute(new, "UPDATE ledger.account SET balance_minor = 7 WHERE id = 2")
    execute(legacy, "INSERT INTO postings (account_id, operation, amount) VALUES (2, 'of nobody', 0)")
    strange = postings.Books(writes, legacy, new).strange
    assert "new: account 2 has 7 and its postings say 1" in strange and "legacy: nobody wrote of nobody" in strange
