"""The connections of a handover wait for the next one, in nobody's way, and whoever cuts one meanwhile costs nothing."""

from cluster import execute
from handover import PILOT, move, moved_shop, state_of, write_legacy, write_new  # noqa: F401

# Others look after guards, too, and copy what they read on legacy.
OF_HANDOVERS = {"legacy": ["oxbow:shop:sequences"], "new": ["oxbow:shop:sequences", "oxbow:shop:reader"]}
OURS = "datname = current_database() AND starts_with(application_name, 'oxbow:shop')"


def resting(migration):
    """By side: the processes of sessions that only handovers have."""
    return {side: {pid for (pid,) in execute(url, f"SELECT pid FROM pg_stat_activity WHERE {OURS} AND application_name = ANY (%s)",
                                             (OF_HANDOVERS[side],))} for side, url in urls(migration).items()}


def urls(migration):
    return {"legacy": migration.legacy, "new": migration.new}


def are_others(migration, before):
    now = resting(migration)
    return all(len(now[side]) == len(OF_HANDOVERS[side]) and now[side].isdisjoint(before[side]) for side in now)


def test_a_wave_of_handovers_opens_its_connections_once_and_they_rest_in_nobodys_way(moved_shop):
    migration = moved_shop
    move(migration, "advance", "pilot", "new-write")
    of_first = resting(migration)
    assert {side: len(pids) for side, pids in of_first.items()} == {"legacy": 1, "new": 2}
    for side, url in urls(migration).items():
        at_rest = execute(url, "SELECT DISTINCT state, backend_xmin, xact_start, (SELECT count(*) FROM pg_locks l WHERE l.pid = a.pid) "
                               "FROM pg_stat_activity a WHERE pid = ANY (%s)", (list(of_first[side]),))
        assert at_rest == [("idle", None, None, 0)]
    move(migration, "rollback", "pilot", "mirrored")
    move(migration, "advance", "pilot", "new-write")
    assert resting(migration) == of_first

    locks = migration.oxbow("locks").stdout
    assert "oxbow:shop" not in locks, locks
    migration.stop()
    for url in urls(migration).values():
        migration.wait_until(lambda: execute(url, f"SELECT count(*) FROM pg_stat_activity WHERE {OURS}") == [(0,)], 10, "all have ended")


def test_connections_that_were_cut_while_they_rested_are_opened_anew(moved_shop):
    migration = moved_shop
    move(migration, "advance", "pilot", "new-write")
    of_first = resting(migration)
    for url in urls(migration).values():
        execute(url, f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE {OURS} AND application_name = ANY (%s)",
                (["oxbow:shop:guards", "oxbow:shop:sequences", "oxbow:shop:reader"],))
    move(migration, "rollback", "pilot", "mirrored")
    write_legacy(migration, PILOT, "home again")
    assert are_others(migration, of_first)


def test_connections_on_which_something_has_failed_are_not_used_again(moved_shop):
    """Here it is a row that differs: what a session has begun when a handover is given up is nobody's business any more."""
    migration = moved_shop
    move(migration, "advance", "pilot", "new-write")
    move(migration, "rollback", "pilot", "mirrored")
    of_first = resting(migration)
    write_legacy(migration, PILOT, "right")
    migration.wait_until_equal()
    execute(migration.new, f"SET session_replication_role = replica; UPDATE shop.customer SET note = 'wrong' WHERE id = {PILOT}")
    refused = migration.oxbow("advance", "customer", "--cohort", "pilot", "--to", "new-write", "--wait", check=False)
    assert refused.returncode == 24, refused.stderr
    migration.wait_until(lambda: resting(migration) == {"legacy": set(), "new": set()}, 10, "they are closed")
    execute(migration.new, f"SET session_replication_role = replica; UPDATE shop.customer SET note = 'right' WHERE id = {PILOT}")
    migration.prove_equal()
    move(migration, "advance", "pilot", "new-write")
    assert are_others(migration, of_first)
