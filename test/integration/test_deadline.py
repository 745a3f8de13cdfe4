"""The deadline of the way back: said before, kept, and moved by people alone."""

from handover import PILOT, move, moved_shop, state_of, write_new  # noqa: F401


def with_deadline(migration, day):
    """Stops it, moves the date in its spec and starts it again."""
    migration.stop()
    with open(f"{migration.directory}/oxbow.yaml", encoding="utf-8") as file:
        lines = [line for line in file.read().splitlines() if not line.startswith("rollback:")]
    migration.write_spec("\n".join([*lines, f"rollback: {{ deadline: {day} }}", ""]))
    migration.up()
    migration.wait_until(lambda: migration.status()["stream"]["phase"] == "running", 30, "the stream runs")


def test_behind_the_deadline_nobody_goes_there_or_back_until_the_date_is_moved(moved_shop):
    migration = moved_shop
    with_deadline(migration, "2020-01-01")
    refused = migration.oxbow("advance", "customer", "--cohort", "pilot", "--to", "new-write", check=False)
    assert refused.returncode == 44 and "2020-01-01 (`rollback.deadline`), is over" in refused.stderr, refused.stderr
    with_deadline(migration, "2999-01-01")
    migration.prove_equal()
    move(migration, "advance", "pilot", "new-write")
    assert "customer/pilot: the way back ends 2999-01-02T00:00:00Z, by the deadline of the spec" in migration.oxbow("status").stdout

    with_deadline(migration, "2020-01-01")
    assert state_of(migration, "pilot")["envelope"] == "forward-only"
    assert "is over; whoever needs it all the same moves that date" in migration.oxbow("status").stdout
    refused = migration.oxbow("rollback", "customer", "--cohort", "pilot", "--to", "mirrored", check=False)
    assert refused.returncode == 44 and "2020-01-01" in refused.stderr, refused.stderr
    write_new(migration, PILOT, "it still comes over")
    migration.wait_until_equal()
    move(migration, "advance", "pilot", "new-read")
    move(migration, "rollback", "pilot", "new-write")

    with_deadline(migration, "2999-01-01")
    migration.wait_until(lambda: state_of(migration, "pilot")["envelope"] == "full", 20, "the way back is whole")
    move(migration, "rollback", "pilot", "mirrored")
    migration.wait_until_equal()
