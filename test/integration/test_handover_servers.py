"""Servers and networks that fail around a handover: it is given up or goes forward, and what a server forgot is noticed."""

import subprocess
import threading
import time

import psycopg2
import pytest

from chaos_proxy import ChaosProxy
from cluster import execute
from handover import COHORTS, PILOT, move, state_of, write_legacy, write_new


def proven_shop(make_shop, legacy, new, **urls):
    migration = make_shop(legacy, new, cohorts=COHORTS, **urls)
    migration.up().advance("customer")
    migration.wait_until_backfilled()
    migration.prove_equal()
    return migration


def wait_for_the_end(migration, seconds=90):
    migration.wait_until(lambda: not state_of(migration, "pilot")["moving_to"], seconds, "the handover has ended")
    return state_of(migration, "pilot")


@pytest.mark.parametrize("side", ["legacy", "new"])
def test_a_network_that_is_cut_again_and_again_leaves_one_home_and_nothing_lost(databases, make_shop, legacy_cluster, new_cluster,
                                                                              side):
    """Connections break at whatever step a handover is; it ends in one state or the other, and can be begun again."""
    cluster = legacy_cluster if side == "legacy" else new_cluster
    with ChaosProxy(cluster.port) as proxy:
        urls = {f"{side}_url": cluster.url(databases.names[side == "new"], port=proxy.port)}
        migration = proven_shop(make_shop, databases.legacy, databases.new, **urls)
        stop = threading.Event()

        def cutter():
            pause = 0.05
            while not stop.wait(pause):
                proxy.cut()
                pause = 0.05 + (pause * 7.3) % 0.4

        thread = threading.Thread(target=cutter)
        thread.start()
        command = [migration.binary, "advance", "customer", "--cohort", "pilot", "--to", "new-write"]
        for _ in range(3):
            subprocess.run(command, cwd=migration.directory, timeout=120, check=False, capture_output=True)
            time.sleep(0.5)
        stop.set()
        thread.join()
        ended = wait_for_the_end(migration)
        if ended["state"] == "mirrored":
            write_legacy(migration, PILOT, "still at home")
            migration.wait_until(lambda: migration.status()["stream"]["phase"] == "running", 30, "the stream runs again")
            migration.prove_equal()
            move(migration, "advance", "pilot", "new-write")
        write_new(migration, PILOT, "moved")
        with pytest.raises(psycopg2.Error):
            write_legacy(migration, PILOT, "too late")
        migration.wait_until_equal()


@pytest.mark.parametrize("goes_on", [False, True])
def test_a_source_that_comes_back_without_its_last_transactions_is_noticed(own_clusters, make_shop, goes_on):
    """Also when it has written more since than it had lost, so that no position tells."""
    legacy, new = own_clusters
    migration = proven_shop(make_shop, legacy.create_database("shop"), new.create_database("shop"))
    migration.stop()
    legacy.keep_copy()
    migration.up()
    write_legacy(migration, PILOT, "soon forgotten")
    note = f"SELECT note FROM shop.customer WHERE id = {PILOT}"
    migration.wait_until(lambda: execute(migration.new, note) == [("soon forgotten",)], 30, "it was applied")
    beat = lambda: execute(migration.new, "SELECT beat FROM oxbow.stream WHERE migration = 'shop'")[0][0]
    heard = beat()
    migration.wait_until(lambda: beat() > heard, 20, "a beat of the source has come behind it")
    migration.stop()
    legacy.come_back_from_copy()
    if goes_on:
        execute(migration.legacy, "CREATE TABLE filler AS SELECT repeat('x', 1000) AS x FROM generate_series(1, 20000)")
    migration.up()
    problem = lambda: (state_of(migration, "pilot")["problem"] or {}).get("detail", "")
    migration.wait_until(lambda: "without its last transactions" in problem(), 30, "it is said of each cohort")
    assert migration.status()["stream"]["phase"] != "running"
    assert execute(migration.new, note) == [("soon forgotten",)], "nothing was assumed away"
    migration.wait_until(lambda: migration.findings("stream-given-up"), 10, "it is a finding")
    found, = migration.findings("stream-given-up")
    assert (found["key"], found["owner"]) == ("stream to the new side", "team-platform")
    assert "without its last transactions" in found["detail"]


def test_a_guard_that_a_server_has_forgotten_is_told_again_and_reported(databases, make_shop):
    """As after a failover to a standby that lagged: legacy takes writes again of a cohort that is at home on the new side."""
    migration = proven_shop(make_shop, databases.legacy, databases.new)
    open_before = "SELECT relname, pg_sequence_last_value(oid) FROM pg_class WHERE relkind = 'S' AND relname ~ '^guard_.*_0$'"
    move(migration, "advance", "pilot", "new-write")
    move(migration, "rollback", "pilot", "mirrored")
    [(cell, word)] = execute(migration.legacy, open_before)
    move(migration, "advance", "pilot", "new-write")
    assert migration.findings() == []
    execute(migration.legacy, f"SELECT setval('oxbow.{cell}', {word})")
    write_legacy(migration, PILOT, "this should never have passed")
    migration.wait_until(lambda: migration.findings("guard-lost"), 10, "it is reported")
    with pytest.raises(psycopg2.Error):
        write_legacy(migration, PILOT, "no more")


def test_legacy_that_comes_back_from_before_a_handover_is_no_way_back_and_no_second_home(own_clusters, make_shop):
    """It knows of no stream and of no guards. What the new side has written since would never come, so nothing is called full."""
    legacy, new = own_clusters
    migration = proven_shop(make_shop, legacy.create_database("shop"), new.create_database("shop"))
    migration.stop()
    legacy.keep_copy()
    migration.up()
    migration.wait_until(lambda: migration.status()["stream"]["phase"] == "running", 30, "the stream follows again")
    migration.prove_equal()
    move(migration, "advance", "pilot", "new-write")
    write_new(migration, PILOT, "only here")
    migration.wait_until_equal()
    migration.stop()
    legacy.come_back_from_copy()
    migration.up()
    migration.wait_until(lambda: state_of(migration, "pilot")["envelope"] == "forward-only", 30, "the way back is gone, and it is said")
    migration.wait_until(lambda: migration.findings("guard-lost"), 10, "it is said that legacy takes writes")
    given_up = lambda: {found["key"]: found["detail"] for found in migration.findings("stream-given-up")}
    migration.wait_until(lambda: "stream back to legacy" in given_up(), 10, "the lost way back is a finding")
    assert "has come back from a time before that" in given_up()["stream back to legacy"]
