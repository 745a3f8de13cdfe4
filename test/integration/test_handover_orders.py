"""How a handover is ordered: with and without waiting for its end, called back, given up, and rehearsed."""

import contextlib
import json
import os
import pty
import re
import signal
import subprocess

import psycopg2
import pytest

from handover import COHORTS, PILOT, moved_shop, move, state_of, write_new  # noqa: F401
from migration import BINARY

ADVANCE = ("advance", "customer", "--cohort", "pilot", "--to", "new-write")
ROLLBACK = ("rollback", "customer", "--cohort", "pilot", "--to", "mirrored")


@contextlib.contextmanager
def writer_that_does_not_end(migration):
    with contextlib.closing(psycopg2.connect(migration.legacy, application_name="night job")) as connection:
        with connection.cursor() as cursor:
            cursor.execute(f"UPDATE customers SET note = 'long' WHERE customer_id = {PILOT}")
        yield connection


@pytest.fixture
def guarded_shop(moved_shop):
    """The guards stand already, so that a handover waits for writers and not for locks of tables."""
    moved_shop.oxbow(*ADVANCE, "--wait")
    moved_shop.oxbow(*ROLLBACK, "--wait")
    moved_shop.wait_until_equal()
    moved_shop.prove_equal()
    return moved_shop


def test_who_waits_hears_when_it_has_arrived_and_how_long_writes_waited(moved_shop):
    said = moved_shop.oxbow(*ADVANCE, "--wait").stdout
    assert re.fullmatch(r"customer/pilot is in new-write; writes waited [0-9.]+ ms\n", said), said
    write_new(moved_shop, PILOT, "as it said")
    cohort, = json.loads(moved_shop.oxbow(*ROLLBACK, "--wait", "--json").stdout)["cohorts"]
    assert cohort["state"] == "mirrored" and 0 < cohort["pause_ms"] < 10_000
    assert moved_shop.oxbow(*ROLLBACK, "--wait").stdout == "customer/pilot is in mirrored\n", "nothing has moved this time"


def test_who_does_not_wait_hears_that_it_goes_on_and_how_to_follow_it(guarded_shop):
    with writer_that_does_not_end(guarded_shop) as writer:
        said = guarded_shop.oxbow(*ADVANCE).stdout
        assert said.startswith("customer/pilot: mirrored -> new-write")
        assert "`oxbow status --watch` follows it" in said
        assert "`oxbow rollback customer --cohort pilot --to mirrored` calls it back" in said
        assert json.loads(guarded_shop.oxbow(*ADVANCE, "--json").stdout)["cohorts"][0]["moving_to"] == "new-write"
        writer.commit()
    guarded_shop.wait_until(lambda: state_of(guarded_shop, "pilot")["state"] == "new-write", 60, "it has gone on")


def test_a_handover_that_is_called_back_ends_the_waiting_with_its_own_code(guarded_shop):
    with writer_that_does_not_end(guarded_shop):
        waiting = subprocess.Popen([BINARY, *ADVANCE, "--wait"], cwd=guarded_shop.directory, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        guarded_shop.wait_until(lambda: "night job" in (state_of(guarded_shop, "pilot")["waits_for"] or ""), 30, "it waits for the writer")
        assert guarded_shop.oxbow(*ROLLBACK, "--wait").stdout == "customer/pilot is in mirrored\n"
        assert waiting.wait(20) == 24
        said = waiting.stderr.read()
        assert "the handover of customer/pilot was given up, and nothing has moved: " in said


def test_one_that_is_given_up_names_whom_it_waited_for(databases, make_shop):
    migration = make_shop(databases.legacy, databases.new, cohorts=COHORTS, extra="limits: { handover_prepare: 2s }")
    migration.up().advance("customer")
    migration.wait_until_backfilled()
    migration.prove_equal()
    migration.oxbow(*ADVANCE, "--wait")
    migration.oxbow(*ROLLBACK, "--wait")
    migration.prove_equal()
    with writer_that_does_not_end(migration) as writer:
        given_up = migration.oxbow(*ADVANCE, "--wait", check=False)
        assert given_up.returncode == 24
        assert f"pid {writer.info.backend_pid} night job of postgres" in given_up.stderr
    migration.oxbow(*ADVANCE, "--wait")


def test_ctrl_c_ends_the_waiting_and_not_the_handover(guarded_shop):
    with writer_that_does_not_end(guarded_shop) as writer:
        # Who runs the tests in the background of a shell has SIGINT ignored, and a child would inherit that.
        waiting = subprocess.Popen([BINARY, *ADVANCE, "--wait"], cwd=guarded_shop.directory, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
        guarded_shop.wait_until(lambda: state_of(guarded_shop, "pilot")["moving_to"], 30, "it is under way")
        waiting.send_signal(signal.SIGINT)
        assert waiting.wait(20) == -signal.SIGINT
        said = waiting.stderr.read()
        assert "it goes on: `oxbow status --watch` follows it; `oxbow rollback customer --cohort pilot --to mirrored` calls it back" in said
        assert state_of(guarded_shop, "pilot")["moving_to"] == "new-write"
        writer.commit()
    guarded_shop.wait_until(lambda: state_of(guarded_shop, "pilot")["state"] == "new-write", 60, "it has gone on")


def test_a_terminal_shows_the_step_and_whom_it_waits_for(guarded_shop):
    with writer_that_does_not_end(guarded_shop) as writer:
        ours, theirs = pty.openpty()
        waiting = subprocess.Popen([BINARY, *ADVANCE, "--wait"], cwd=guarded_shop.directory, stdout=theirs, stderr=theirs)
        os.close(theirs)
        shown = b""
        while b"await_others: it waits for pid" not in shown:
            shown += os.read(ours, 4096)
        writer.commit()
        with contextlib.suppress(OSError):  # the terminal is gone with the last process that had it
            while piece := os.read(ours, 4096):
                shown += piece
        os.close(ours)
        assert waiting.wait(60) == 0
    assert b"customer/pilot is in new-write; writes waited" in shown and b"\r\x1b[K" in shown


def test_a_rehearsal_foretells_the_pause_from_what_was_measured_and_from_nothing_else(moved_shop):
    said = moved_shop.oxbow(*ADVANCE, "--dry-run").stdout
    assert "how long writes will wait is not known: this journal holds no handover of customer" in said
    assert moved_shop.ask(*ADVANCE, "--dry-run")["forecast"] is None
    pauses = []
    for order in (ADVANCE, ROLLBACK):
        pauses.append(json.loads(moved_shop.oxbow(*order, "--wait", "--json").stdout)["cohorts"][0]["pause_ms"])
    moved_shop.prove_equal()
    foretold = moved_shop.ask(*ADVANCE, "--dry-run")["forecast"]
    assert foretold["measured"] == 2
    assert (foretold["pause_ms_p50"], foretold["pause_ms_p99"], foretold["pause_ms_max"]) == (min(pauses), max(pauses), max(pauses))
    steps = [step["step"] for step in foretold["median_steps"]]
    assert steps.index("install_guards") < steps.index("fence") < steps.index("flip") < steps.index("release")
    said = moved_shop.oxbow(*ADVANCE, "--dry-run").stdout
    assert f"max {max(pauses):.1f} ms, n 2" in said and "its steps took in the median, in ms: install_guards" in said
    assert state_of(moved_shop, "pilot")["state"] == "mirrored"
    moved_shop.kill()
    moved_shop.up()
    assert moved_shop.ask(*ADVANCE, "--dry-run")["forecast"] == foretold, "the journal has kept it"


def test_a_rehearsal_of_anything_else_foretells_no_pause(moved_shop):
    assert "forecast" not in moved_shop.ask("rollback", "customer", "--to", "legacy", "--dry-run")
