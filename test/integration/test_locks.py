"""`oxbow locks`: who is kept from writing what, and whom handovers wait for, asked of both databases."""

import contextlib
import os
import signal
import threading

import psycopg2

from cluster import execute
from handover import moved_shop, move, state_of, write_legacy, PILOT  # noqa: F401


@contextlib.contextmanager
def open_transaction(url, sql, application="night job"):
    """Somebody who has written and has not ended."""
    with contextlib.closing(psycopg2.connect(url, application_name=application)) as connection:
        with connection.cursor() as cursor:
            cursor.execute(sql)
        yield connection


def guard_of(migration, cohort, side):
    return next((each["mode"], each["epoch"]) for each in migration.ask("locks")["guards"] if (each["cohort"], each["side"]) == (cohort, side))


def test_before_the_first_handover_there_is_nothing_to_list(moved_shop):
    assert moved_shop.ask("locks") == {"guards": [], "writers": [], "waits": [], "blocked": [], "unknown": []}
    assert "no guard stands on either side" in moved_shop.oxbow("locks").stdout


def test_each_cohort_has_its_guard_on_either_side(moved_shop):
    move(moved_shop, "advance", "pilot", "new-write")
    assert [guard_of(moved_shop, "pilot", side) for side in ("legacy", "new")] == [("closed", 2), ("open", 2)]
    assert [guard_of(moved_shop, "rest", side) for side in ("legacy", "new")] == [("open", 1), ("closed", 1)]
    moved_shop.stop()
    said = moved_shop.oxbow("locks").stdout
    assert "customer/pilot  legacy  closed  2" in said and "nobody writes tables that are guarded" in said


def test_whom_a_handover_waits_for_is_told_also_while_oxbow_hangs(moved_shop):
    migration = moved_shop
    move(migration, "advance", "pilot", "new-write")
    move(migration, "rollback", "pilot", "mirrored")
    migration.wait_until_equal()
    migration.prove_equal()
    with open_transaction(migration.legacy, f"UPDATE customers SET note = 'long' WHERE customer_id = {PILOT}") as writer:
        migration.oxbow("advance", "customer", "--cohort", "pilot", "--to", "new-write")
        migration.wait_until(lambda: guard_of(migration, "pilot", "legacy") == ("near", 3), 30, "the handover is announced")
        os.kill(migration.process.pid, signal.SIGSTOP)
        try:
            listed, = migration.ask("locks")["writers"]
            said = migration.oxbow("locks").stdout
        finally:
            os.kill(migration.process.pid, signal.SIGCONT)
        assert (listed["side"], listed["pid"], listed["entity"]) == ("legacy", writer.info.backend_pid, "customer")
        assert listed["who"] == "night job of postgres" and listed["idle_in_transaction"] and listed["age_seconds"] > 0
        assert listed["waited_for_by"] == ["customer/pilot"]
        assert "idle in transaction" in said and "the handover of customer/pilot" in said
        writer.commit()
    migration.wait_until(lambda: not state_of(migration, "pilot")["moving_to"], 60, "it goes on when he has ended")
    assert state_of(migration, "pilot")["state"] == "new-write"
    assert migration.ask("locks")["writers"] == []


def test_who_keeps_guards_from_being_put_up_is_told_and_who_waits_behind_them(moved_shop):
    migration = moved_shop
    with open_transaction(migration.legacy, f"UPDATE customers SET note = 'long' WHERE customer_id = {PILOT}") as writer:
        migration.oxbow("advance", "customer", "--cohort", "pilot", "--to", "new-write")
        waits = []

        def is_told():
            waits[:] = [wait for wait in migration.ask("locks")["waits"] if wait["side"] == "legacy"]
            return bool(waits)
        migration.wait_until(is_told, 30, "oxbow waits for the writer")
        assert waits[0]["pid"] == writer.info.backend_pid and waits[0]["who"] == "night job of postgres"
        os.kill(migration.process.pid, signal.SIGSTOP)
        try:  # between two tries nobody of ours waits, and it is still he who keeps the guards off
            migration.wait_until(lambda: not migration.ask("locks")["waits"], 30, "the try is over")
            listed, = migration.ask("locks")["writers"]
            said = migration.oxbow("locks").stdout
        finally:
            os.kill(migration.process.pid, signal.SIGCONT)
        assert (listed["pid"], listed["entity"], listed["waited_for_by"]) == (writer.info.backend_pid, "customer", ["customer/pilot"])
        assert "idle in transaction" in said and "the handover of customer/pilot, to put guards on" in said
        blocked = []

        def somebody_waits_behind():
            blocked[:] = migration.ask("locks")["blocked"]
            return bool(blocked)
        enough = threading.Event()

        def write_on():
            while not enough.is_set():
                write_legacy(migration, 500, "behind")
        write = threading.Thread(target=write_on)
        write.start()
        try:
            migration.wait_until(somebody_waits_behind, 30, "another writer waits behind oxbow")
        finally:
            enough.set()
        assert blocked[0]["side"] == "legacy" and blocked[0]["waits_for"] == "oxbow:shop:guards" and blocked[0]["pid"]
        writer.commit()
        write.join()
    migration.wait_until(lambda: not state_of(migration, "pilot")["moving_to"], 90, "it goes on when he has ended")


def test_a_transaction_in_two_steps_is_a_writer_without_a_process(moved_shop):
    move(moved_shop, "advance", "pilot", "new-write")
    execute(moved_shop.legacy, "BEGIN; UPDATE customers SET note = 'later' WHERE customer_id = 1000; PREPARE TRANSACTION 'stuck'")
    listed, = moved_shop.ask("locks")["writers"]
    assert listed["pid"] is None and listed["who"] == "prepared transaction stuck"
    execute(moved_shop.legacy, "ROLLBACK PREPARED 'stuck'")


def test_what_is_hidden_from_our_role_is_said_and_not_guessed(moved_shop):
    migration = moved_shop
    move(migration, "advance", "pilot", "new-write")
    execute(migration.legacy, "DROP ROLE IF EXISTS \"Looker\"; CREATE ROLE \"Looker\" LOGIN")
    with open(f"{migration.directory}/oxbow.yaml", encoding="utf-8") as file:
        spec = file.read()
    migration.write_spec(spec.replace(migration.legacy, migration.legacy.replace("postgres@", "Looker@")))
    with open_transaction(migration.legacy, "UPDATE customers SET note = 'long' WHERE customer_id = 1000") as writer:
        listed, = migration.ask("locks")["writers"]
        said = migration.oxbow("locks").stdout
        assert (listed["pid"], listed["who"], listed["age_seconds"]) == (writer.info.backend_pid, "night job of postgres", None)
        line, = [line for line in said.splitlines() if "night job" in line]
        assert "at work" not in line and "idle" not in line and 'legacy: ' in said and 'GRANT pg_read_all_stats TO "Looker";' in said, said
        execute(migration.legacy, "GRANT pg_read_all_stats TO \"Looker\"")
        seen = migration.ask("locks")
        assert seen["unknown"] == [] and seen["writers"][0]["age_seconds"] > 0 and seen["writers"][0]["idle_in_transaction"]
        writer.rollback()


def test_the_side_that_cannot_be_asked_is_named(shop_migration):
    with open(f"{shop_migration.directory}/oxbow.yaml", encoding="utf-8") as file:
        spec = file.read()
    shop_migration.write_spec(spec.replace(shop_migration.new, shop_migration.new + "_is_away"))
    refused = shop_migration.oxbow("locks", check=False)
    assert refused.returncode == 45 and "new side" in refused.stderr
