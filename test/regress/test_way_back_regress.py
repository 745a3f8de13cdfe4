"""Errors around the way back, which were found and mended."""

from cluster import execute
from handover import PILOT, move, moved_shop, state_of, write_new  # noqa: F401
from migration import GIVEN_UP
from way_back import preview, roll_back, wait_for_rows

REFUNDED = "UPDATE shop.purchase SET status = 'refunded' WHERE id = {}"  # which legacy does not know


def test_rows_that_nobody_has_seen_are_not_given_up(moved_shop):
    migration = moved_shop
    move(migration, "advance", "pilot", "new-write")
    execute(migration.new, REFUNDED.format(1))
    wait_for_rows(migration, 1)
    seen = preview(migration)["seen"]
    execute(migration.new, "UPDATE shop.purchase SET status = 'paid' WHERE id = 1")
    migration.oxbow("quarantine", "--retry", "--all")
    wait_for_rows(migration, 0)
    execute(migration.new, REFUNDED.format(2))
    wait_for_rows(migration, 1)
    refused = roll_back(migration, "--accept-loss", "1", "--seen", seen)
    assert refused.returncode != 0 and "others than those that were seen" in refused.stderr, refused
    assert state_of(migration, "pilot")["state"] == "new-write"
    shown = preview(migration)
    assert [row["key"] for row in shown["rows"]] == ["id=2"]
    assert roll_back(migration, "--accept-loss", "1", "--seen", shown["seen"], "--wait").returncode == 0


def test_behind_a_way_back_that_nobody_has_looked_at_the_next_way_there_needs_a_verification(moved_shop):
    migration = moved_shop
    move(migration, "advance", "pilot", "new-write")
    write_new(migration, PILOT, "right")
    migration.wait_until_equal()
    migration.stop()
    migration.up()
    migration.wait_until(lambda: state_of(migration, "pilot")["envelope"] == "full", 30, "the way back is open")
    execute(migration.legacy, "SET session_replication_role = replica;"
                              f"UPDATE customers SET note = 'wrong' WHERE customer_id = {PILOT}")
    move(migration, "rollback", "pilot", "mirrored")
    advance = ("advance", "customer", "--cohort", "pilot", "--to", "new-write", "--wait")
    refused = migration.oxbow(*advance, check=False)
    assert refused.returncode == GIVEN_UP and "oxbow verify --entity customer" in refused.stderr, refused
    execute(migration.legacy, "SET session_replication_role = replica;"
                              f"UPDATE customers SET note = 'right' WHERE customer_id = {PILOT}")
    migration.prove_equal()
    migration.oxbow(*advance)
    assert state_of(migration, "pilot")["state"] == "new-write"
