"""What `oxbow status` says of a migration that waits, copies or is compared."""

import contextlib
import socket
import subprocess

import psycopg2
import pytest

from cluster import execute
from migration import BINARY


@contextlib.contextmanager
def open_transaction(url, statement):
    with contextlib.closing(psycopg2.connect(url, application_name="nightly job")) as connection:
        with connection.cursor() as cursor:
            cursor.execute(statement)
        yield connection


def advancing(migration):
    return subprocess.Popen([BINARY, "advance", "customer", "--to", "mirrored"], cwd=migration.directory,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def waits(migration):
    return " ".join(migration.status()["stream"]["waits"])


def test_an_advance_that_waits_for_a_transaction_names_its_session(shop_migration):
    migration = shop_migration
    migration.up()
    with open_transaction(migration.legacy, "SELECT pg_current_xact_id()") as other:
        order = advancing(migration)
        migration.wait_until(lambda: f"waits for pid {other.info.backend_pid}" in waits(migration), 20, "the session is named")
        assert "nightly job" in waits(migration) and "idle in a transaction" in waits(migration)
        cohort = migration.status()["cohorts"][0]
        assert cohort["moving_to"] == "mirrored" and str(other.info.backend_pid) in cohort["waits_for"]
        assert f"customer/all: setting up the stream on the legacy side waits for pid {other.info.backend_pid}" in migration.oxbow("status").stdout
    assert order.wait(30) == 0, order.stderr.read()
    migration.wait_until_backfilled()
    migration.wait_until(lambda: waits(migration) == "", 10, "nothing waits any more")


def test_an_advance_that_waits_for_a_prepared_transaction_names_it(shop_migration):
    migration = shop_migration
    execute(migration.legacy, "BEGIN; UPDATE orders SET state = 'P'; PREPARE TRANSACTION 'forgotten'")
    migration.up()
    order = advancing(migration)
    migration.wait_until(lambda: "waits for the prepared transaction forgotten" in waits(migration), 20, "it is named")
    execute(migration.legacy, "COMMIT PREPARED 'forgotten'")
    assert order.wait(30) == 0
    migration.wait_until_equal()


def test_an_advance_that_waits_can_be_called_back_and_leaves_no_slot(shop_migration):
    migration = shop_migration
    migration.up()
    with open_transaction(migration.legacy, "SELECT pg_current_xact_id()"):
        order = advancing(migration)
        migration.wait_until(lambda: "waits for pid" in waits(migration), 20, "it waits")
        migration.oxbow("rollback", "customer", "--to", "legacy")
        assert order.wait(30) == 24
        migration.wait_until(lambda: not migration.status()["cohorts"][0]["moving_to"], 20, "it is back")
    assert execute(migration.legacy, "SELECT slot_name FROM pg_replication_slots WHERE database = current_database()") == []


def test_a_slot_that_a_killed_run_was_still_making_is_in_nobodys_way(shop_migration):
    migration = shop_migration
    migration.up()
    with open_transaction(migration.legacy, "SELECT pg_current_xact_id()"):
        advancing(migration)
        migration.wait_until(lambda: "waits for pid" in waits(migration), 20, "it waits")
        migration.kill()
        migration.up()
        migration.wait_until(lambda: "waits for pid" in waits(migration), 20, "it waits again")
    migration.wait_until_backfilled()
    migration.wait_until_equal()


def test_a_stream_held_up_by_a_lock_on_the_new_side_says_by_whom(shop_migration):
    migration = shop_migration
    migration.up().advance("customer")
    migration.wait_until_backfilled()
    with open_transaction(migration.new, "LOCK TABLE shop.customer") as other:
        execute(migration.legacy, "UPDATE customers SET name = 'x' WHERE customer_id = 1")
        expected = f"applying changes waits for pid {other.info.backend_pid}"
        migration.wait_until(lambda: expected in waits(migration), 20, "the session is named")
        assert expected in migration.oxbow("status").stdout
    migration.wait_until_equal()


def test_progress_has_an_estimate_from_the_start_and_a_time_left_once_there_is_a_speed(databases, make_shop):
    migration = make_shop(databases.legacy, databases.new, rows=40_000, extra="limits: { rows_per_second: 4000 }")
    migration.up().advance("customer")
    table = lambda: next(table for table in migration.tables() if table["legacy"] == "public.customers")
    assert table()["rows_estimated"] == 40_000
    assert "of about 40,000" in migration.oxbow("status").stdout
    migration.wait_until(lambda: 3000 < table()["rows_per_second"] < 5000, 10, "the speed is known")
    now = table()
    assert now["eta_seconds"] == pytest.approx((40_000 - now["rows_copied"]) / now["rows_per_second"], rel=0.01)
    migration.set_rate(0)
    migration.wait_until_backfilled()
    assert (table()["rows_per_second"], table()["eta_seconds"]) == (0, None)


def test_an_advance_waits_for_the_copy_if_it_is_told_to(databases, make_shop):
    migration = make_shop(databases.legacy, databases.new, rows=20_000, extra="limits: { rows_per_second: 4000 }")
    migration.up()
    said = migration.oxbow("advance", "customer", "--to", "mirrored").stdout
    assert said == "customer/all is in mirrored; its rows are being copied, see `oxbow status`, or wait with --wait\n"
    waiting = subprocess.Popen([BINARY, "advance", "customer", "--to", "mirrored", "--wait"], cwd=migration.directory,
                               stdout=subprocess.PIPE, text=True)
    migration.wait_until_copying()
    assert waiting.poll() is None
    migration.set_rate(0)
    assert waiting.wait(30) == 0
    assert waiting.stdout.read().endswith("customer/all is in mirrored\n")
    migration.prove_equal()


def test_a_quiet_source_has_no_lag(shop_migration):
    migration = shop_migration
    migration.up().advance("customer")
    migration.wait_until_backfilled()
    assert migration.status()["stream"]["applied_position"] != "0/0"
    migration.wait_until(lambda: migration.status()["stream"]["lag_bytes"] < 1 << 16, 10, "what is written is read")


def test_verify_without_a_terminal_prints_the_verdict_alone(shop_migration):
    migration = shop_migration
    migration.up().advance("customer")
    migration.wait_until_backfilled()
    lines = migration.oxbow("verify").stdout.splitlines()
    assert len(lines) == 1 and lines[0].startswith("equal: ")
    report = migration.prove_equal()
    assert report["rows_estimated"] == report["rows_compared"] > 2000 and report["rows_per_second"] > 0


def metrics(migration):
    """Samples of the page for Prometheus by their name with labels."""
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as api:
        api.connect(f"{migration.directory}/oxbow.sock")
        api.sendall(b"GET /v1/metrics HTTP/1.1\r\nHost: oxbow\r\nConnection: close\r\n\r\n")
        page = b"".join(iter(lambda: api.recv(65536), b"")).decode()
    return dict(line.rsplit(" ", 1) for line in page.split("\r\n\r\n", 1)[1].splitlines() if line.startswith("oxbow_"))


def test_a_halted_stream_falls_behind_and_moves_nothing(shop_migration):
    migration = shop_migration
    execute(migration.new, "ALTER TABLE shop.customer ADD CONSTRAINT no_debt CHECK (credit_minor > -50000)")
    execute(migration.legacy, "UPDATE customers SET credit = -1000 WHERE customer_id IN (700, 701)")
    migration.up().advance("customer")
    migration.wait_until_backfilled()
    migration.wait_until(lambda: migration.status()["stream"]["lag_seconds"] is not None, 10, "the lag is known")
    migration.oxbow("halt")
    migration.wait_until(lambda: migration.status()["stream"]["phase"] == "stopped", 10, "it is halted")
    before = migration.status()["stream"]
    execute(migration.legacy, "UPDATE orders SET amount = amount + 1")
    migration.wait_until(lambda: (migration.status()["stream"]["lag_bytes"] or 0) > (before["lag_bytes"] or 0) + 10_000, 10, "the lag grows")
    stream = migration.status()["stream"]
    assert stream["lag_seconds"] > before["lag_seconds"]
    assert (stream["transactions_per_second"], stream["changes_per_second"]) == (0, 0)
    assert float(metrics(migration)["oxbow_stream_lag_seconds"]) > before["lag_seconds"]

    migration.kill()
    migration.up()
    migration.wait_until(lambda: migration.status()["stream"]["phase"] == "stopped", 10, "it is halted still")
    stream = migration.status()["stream"]
    assert (stream["lag_seconds"], stream["applied_position"], stream["quarantined_rows"]) == (None, None, 2)
    assert "lag unknown / unknown  applied unknown" in migration.oxbow("status").stdout
    samples = metrics(migration)
    assert samples["oxbow_quarantined_rows"] == "2" and "oxbow_stream_lag_seconds" not in samples


def test_a_stream_that_is_back_says_so_in_the_log(shop_migration):
    migration = shop_migration
    migration.up().advance("customer")
    migration.wait_until_backfilled()
    runs = lambda: migration.log().count("the stream to the new side runs, from ")
    before = runs()
    execute(migration.legacy, "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE active AND database = current_database()")
    migration.wait_until(lambda: runs() > before, 20, "the stream is back")
    assert "the slot is being made" not in migration.log()
