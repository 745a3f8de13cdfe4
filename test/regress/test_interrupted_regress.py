"""Errors around handovers that an earlier oxbow has begun, which were found and mended."""

import psycopg2

from chaos_proxy import ChaosProxy
from handover import COHORTS, PILOT, move, moved_shop, state_of, write_legacy  # noqa: F401
from psql import Psql

ADVANCE = ("advance", "customer", "--cohort", "pilot", "--to", "new-write")


def legacy_takes_writes(migration):
    try:
        write_legacy(migration, PILOT, "who takes this?")
    except psycopg2.Error:
        return False
    return True


def test_a_fence_that_a_crash_has_left_is_opened_while_the_new_side_does_not_answer(databases, make_shop, new_cluster):
    with ChaosProxy(new_cluster.port) as proxy:
        migration = make_shop(databases.legacy, databases.new, cohorts=COHORTS,
                              new_url=new_cluster.url(databases.names[1], port=proxy.port))
        migration.up(failpoint="handover_after_fence").advance("customer")
        migration.wait_until_backfilled()
        migration.prove_equal()
        migration.oxbow(*ADVANCE, check=False)
        migration.wait_for_exit(60)
        assert not legacy_takes_writes(migration)
        with proxy.blackhole():
            proxy.cut()
            migration.up(wait=False)
            migration.wait_until(lambda: legacy_takes_writes(migration), 20, "legacy, which is home, takes writes")
        migration.wait_until_equal()
        assert state_of(migration, "pilot")["state"] == "mirrored"


def test_a_handover_that_was_interrupted_ends_also_in_a_halt(moved_shop):  # noqa: F811
    migration = moved_shop
    move(migration, "advance", "pilot", "new-write")
    move(migration, "rollback", "pilot", "mirrored")
    migration.wait_until_equal()
    migration.prove_equal()
    with Psql(migration.legacy) as writer:
        writer.run(f"BEGIN; UPDATE customers SET note = 'long' WHERE customer_id = {PILOT}")
        migration.oxbow(*ADVANCE)
        migration.wait_until(lambda: "old program" in (state_of(migration, "pilot")["waits_for"] or ""), 30, "it waits for the writer")
        migration.oxbow("halt", "--why", "something is strange")
        migration.kill()
        writer.run("COMMIT")
    migration.up()
    migration.wait_until(lambda: not state_of(migration, "pilot")["moving_to"], 10, "it has led back")
    assert state_of(migration, "pilot")["state"] == "mirrored" and legacy_takes_writes(migration)
