"""Writers that a handover meets: long ones, sleeping ones, old ones. None loses a write, none writes on the wrong side."""

import subprocess
import threading
import time

import psycopg2
import pytest

from cluster import execute
from handover import COHORTS, PILOT, REST, move, moved_shop, state_of, write_legacy, write_new  # noqa: F401
from psql import Psql

UPDATE = "UPDATE customers SET note = %s WHERE customer_id = %s"


@pytest.fixture
def impatient_shop(databases, make_shop):
    """Gives a handover up after five seconds of waiting for others."""
    limits = "limits: { handover_prepare: 5s, write_pause: 500ms }"
    migration = make_shop(databases.legacy, databases.new, cohorts=COHORTS, extra=limits)
    migration.up().advance("customer")
    migration.wait_until_backfilled()
    migration.prove_equal()
    return migration


def begin(migration, verb="advance", to="new-write"):
    """Does not wait for the end, which the writer of the test may stand in the way of."""
    command = [migration.binary, verb, "customer", "--cohort", "pilot", "--to", to]
    subprocess.Popen(command, cwd=migration.directory, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    arrives = "moving_to" if verb == "advance" else "last_failure"
    migration.wait_until(lambda: state_of(migration, "pilot")[arrives], 10, f"the {verb} has begun")


def wait_for_the_end(migration):
    migration.wait_until(lambda: not state_of(migration, "pilot")["moving_to"], 60, "the handover has ended")
    return state_of(migration, "pilot")


def waits_for(migration):
    return state_of(migration, "pilot")["waits_for"] or ""


def session(url, isolation="READ COMMITTED"):
    connection = psycopg2.connect(url, application_name="nightly report")
    connection.cursor().execute(f"SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL {isolation}")
    connection.commit()
    return connection


def test_a_transaction_that_does_not_end_is_named_and_the_handover_given_up(impatient_shop):
    migration = impatient_shop
    writer = session(migration.legacy)
    writer.cursor().execute(UPDATE, ("long", PILOT))
    begin(migration)
    migration.wait_until(lambda: "nightly report" in waits_for(migration), 10, "it says whom it waits for")
    ended = wait_for_the_end(migration)
    assert ended["state"] == "mirrored" and "nightly report" in ended["last_failure"]["detail"], ended
    writer.cursor().execute(UPDATE, ("longer", PILOT + 1))
    writer.commit()
    migration.wait_until_equal()
    assert execute(migration.new, f"SELECT note FROM shop.customer WHERE id = {PILOT}") == [("long",)]


def test_a_transaction_that_ends_in_time_is_waited_for_and_carried_over(moved_shop):
    migration = moved_shop
    writer = session(migration.legacy)
    writer.cursor().execute(UPDATE, ("in time", PILOT))
    begin(migration)
    migration.wait_until(lambda: "nightly report" in waits_for(migration), 30, "it waits")
    writer.commit()
    ended = wait_for_the_end(migration)
    assert ended["state"] == "new-write", ended["last_failure"]
    assert execute(migration.new, f"SELECT note FROM shop.customer WHERE id = {PILOT}") == [("in time",)]
    migration.wait_until_equal()


def test_a_prepared_transaction_is_waited_for_like_any_other(impatient_shop):
    migration = impatient_shop
    writer = session(migration.legacy)
    writer.cursor().execute(UPDATE, ("prepared", PILOT))
    writer.cursor().execute("PREPARE TRANSACTION 'handover test'")
    writer.commit()
    begin(migration)
    ended = wait_for_the_end(migration)
    assert "prepared transaction handover test" in ended["last_failure"]["detail"], ended
    writer.autocommit = True
    writer.cursor().execute("COMMIT PREPARED 'handover test'")
    assert move(migration, "advance", "pilot", "new-write")["state"] == "new-write"
    assert execute(migration.new, f"SELECT note FROM shop.customer WHERE id = {PILOT}") == [("prepared",)]


@pytest.mark.parametrize("isolation", ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"])
def test_a_transaction_that_began_before_the_flip_cannot_write_behind_it(moved_shop, isolation):
    migration = moved_shop
    sleeper = session(migration.legacy, isolation)
    sleeper.cursor().execute("SELECT count(*) FROM customers")  # its snapshot is from before
    move(migration, "advance", "pilot", "new-write")
    with pytest.raises(psycopg2.Error) as refused:
        sleeper.cursor().execute(UPDATE, ("from the past", PILOT))
    assert refused.value.pgcode == "OX001"
    sleeper.rollback()
    migration.wait_until_equal()


def test_one_transaction_over_two_cohorts_has_one_fate(moved_shop):
    migration = moved_shop
    writer = session(migration.legacy)
    move(migration, "advance", "pilot", "new-write")
    writer.cursor().execute(UPDATE, ("mine", REST))
    with pytest.raises(psycopg2.Error):
        writer.cursor().execute(UPDATE, ("not mine", PILOT))
    writer.rollback()
    assert execute(migration.legacy, f"SELECT note FROM customers WHERE customer_id = {REST}") != [("mine",)]
    migration.wait_until_equal()


def test_whoever_has_written_another_cohort_goes_on_during_a_handover(moved_shop):
    """Only while the handover looks who is at work is everybody waited for; later writers of others are left alone."""
    migration = moved_shop
    stop, failures = threading.Event(), []

    def others():
        connection = session(migration.legacy)
        while not stop.is_set():
            try:
                connection.cursor().execute(UPDATE, (str(time.monotonic()), REST))
                connection.commit()
            except psycopg2.Error as error:
                failures.append(error)
                connection.rollback()

    thread = threading.Thread(target=others)
    thread.start()
    for _ in range(3):
        move(migration, "advance", "pilot", "new-write")
        move(migration, "rollback", "pilot", "mirrored")
    stop.set()
    thread.join()
    assert not failures
    migration.wait_until_equal()


def test_a_handover_that_waits_can_be_called_back(moved_shop):
    migration = moved_shop
    writer = session(migration.legacy)
    writer.cursor().execute(UPDATE, ("long", PILOT))
    begin(migration)
    migration.wait_until(lambda: "nightly report" in waits_for(migration), 30, "it waits")
    assert waits_for(migration).count("waits for") == 1, waits_for(migration)
    begin(migration, "rollback", "mirrored")
    ended = wait_for_the_end(migration)
    assert (ended["state"], ended["epoch"]) == ("mirrored", 1) and "called back" in ended["last_failure"]["detail"]
    writer.commit()
    write_legacy(migration, PILOT, "as ever")
    migration.wait_until_equal()


NOTE = f"UPDATE customers SET note = '{{}}' WHERE customer_id = {PILOT}"
NOTES = f"SELECT note FROM shop.customer WHERE id = {PILOT}"


def there_and_back(migration):
    """Then the guards stand already: who writes is waited for by them, and not by the lock that puts them up."""
    move(migration, "advance", "pilot", "new-write")
    move(migration, "rollback", "pilot", "mirrored")
    migration.wait_until_equal()
    migration.prove_equal()
    return migration


def test_a_program_that_is_stopped_inside_its_transaction_is_never_passed_over(impatient_shop):
    """What it wrote before and what it writes when it goes on are one transaction, and the handover that gave up has moved nothing."""
    migration = there_and_back(impatient_shop)
    with Psql(migration.legacy) as writer:
        writer.run("BEGIN; " + NOTE.format("stopped"))
        with writer.stopped():
            begin(migration)
            ended = wait_for_the_end(migration)
            assert ended["state"] == "mirrored" and "old program" in ended["last_failure"]["detail"], ended
            writer.send(NOTE.replace(str(PILOT), str(PILOT + 1)).format("went on") + "; COMMIT")
        assert writer.answer() == []
    migration.wait_until_equal()
    assert execute(migration.new, NOTES) == [("stopped",)]


def test_a_program_that_goes_on_in_time_writes_on_the_old_side_and_is_carried_over(moved_shop):
    migration = there_and_back(moved_shop)
    with Psql(migration.legacy) as writer:
        writer.run("BEGIN; " + NOTE.format("stopped"))
        with writer.stopped():
            begin(migration)
            migration.wait_until(lambda: "old program" in waits_for(migration), 30, "it waits for the program")
            writer.send("COMMIT")
        assert writer.answer() == []
        assert wait_for_the_end(migration)["state"] == "new-write"
        assert "OX001" in " ".join(writer.run(NOTE.format("too late")))
    assert execute(migration.new, NOTES) == [("stopped",)]
    migration.wait_until_equal()
