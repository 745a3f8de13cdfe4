"""SIGKILL at every step of a handover: either the old state or the new one, never two homes, and it goes on."""

import time

import psycopg2
import pytest

from cluster import execute
from handover import moved_shop, move, state_of, write_legacy, write_new, PILOT  # noqa: F401

BEFORE_FLIP = ["install_guards", "start_stream_back", "announce", "await_others", "hold", "fence", "drain", "mark", "catch_up",
               "recheck", "advance_sequences", "confirm_fence"]
BEHIND_FLIP = ["flip", "leave_stream", "join_stream_back", "close_old", "open_new", "release"]


def admits(write, migration):
    try:
        write(migration, PILOT, "who takes this?")
        return True
    except psycopg2.Error as error:
        assert error.pgcode in ("OX001", "40001"), error
        return False


def kill_in(migration, step, verb, to):
    migration.kill()
    migration.up(failpoint=f"handover_after_{step}")
    migration.wait_until_backfilled()
    migration.wait_until(lambda: migration.status()["stream"]["phase"] == "running", 30, "the stream follows again")
    if verb == "advance":
        migration.prove_equal()
    else:
        migration.wait_until(lambda: state_of(migration, "pilot")["envelope"] == "full", 30, "the way back is known to be open")
    migration.oxbow(verb, "customer", "--cohort", "pilot", "--to", to, check=False)
    migration.wait_for_exit(60)
    assert not (admits(write_legacy, migration) and admits(write_new, migration)), "two homes"
    migration.up()
    migration.wait_until(lambda: not state_of(migration, "pilot")["moving_to"], 60, "the handover has ended")


@pytest.mark.parametrize("step", BEFORE_FLIP + BEHIND_FLIP)
def test_a_kill_behind_a_step_of_the_way_there_leaves_one_home(moved_shop, step):
    migration = moved_shop
    kill_in(migration, step, "advance", "new-write")
    arrived = step in BEHIND_FLIP
    assert state_of(migration, "pilot")["state"] == ("new-write" if arrived else "mirrored")
    migration.wait_until(lambda: admits(write_new, migration) if arrived else admits(write_legacy, migration), 10, "its home takes writes")
    assert not (admits(write_legacy, migration) if arrived else admits(write_new, migration) and step != "install_guards")
    migration.wait_until_equal()
    migration.wait_until_backfilled()
    if not arrived:
        migration.prove_equal()
        move(migration, "advance", "pilot", "new-write")
    write_new(migration, PILOT, "at last")
    migration.wait_until_equal()


@pytest.mark.parametrize("step", ["announce", "fence", "confirm_fence", "flip", "leave_stream", "join_stream_back", "open_new"])
def test_a_kill_behind_a_step_of_the_way_back_leaves_one_home(moved_shop, step):
    migration = moved_shop
    move(migration, "advance", "pilot", "new-write")
    write_new(migration, PILOT, "there")
    kill_in(migration, step, "rollback", "mirrored")
    arrived = step in BEHIND_FLIP
    assert state_of(migration, "pilot")["state"] == ("mirrored" if arrived else "new-write")
    if not arrived:
        move(migration, "rollback", "pilot", "mirrored")
    write_legacy(migration, PILOT, "home")
    migration.wait_until_equal()
    assert execute(migration.new, f"SELECT note FROM shop.customer WHERE id = {PILOT}") == [("home",)]


def test_a_stop_at_any_moment_of_a_handover_leaves_one_home_and_nobody_waiting(moved_shop):
    """SIGTERM: before the flip it leads back before oxbow ends, behind it the next start goes on."""
    migration = moved_shop
    move(migration, "advance", "pilot", "new-write")
    move(migration, "rollback", "pilot", "mirrored")
    for stops_after_ms in (5, 15, 25, 35, 60, 90):
        migration.wait_until_backfilled()
        migration.prove_equal()
        migration.oxbow("advance", "customer", "--cohort", "pilot", "--to", "new-write")
        time.sleep(stops_after_ms / 1000)
        assert migration.stop() == 0
        assert not (admits(write_legacy, migration) and admits(write_new, migration)), "two homes"
        migration.up()
        migration.wait_until(lambda: not state_of(migration, "pilot")["moving_to"], 30, "the handover has ended")
        migration.wait_until(lambda: admits(write_legacy, migration) != admits(write_new, migration), 10, "one home takes writes")
        migration.wait_until_equal()
        if state_of(migration, "pilot")["state"] == "new-write":
            migration.wait_until(lambda: migration.status()["stream_back"]["phase"] == "running", 30, "the way back is open")
            move(migration, "rollback", "pilot", "mirrored")
