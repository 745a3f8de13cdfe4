"""Findings of the time in which a cohort was at home on the new side."""

from cluster import execute
from handover import move, moved_shop  # noqa: F401
from way_back import roll_back, wait_for_rows, what_is_shown


def test_what_differed_before_a_rollback_is_closed_once_all_is_equal_behind_it(moved_shop):
    migration = moved_shop
    execute(migration.legacy, "ALTER TABLE orders ADD CONSTRAINT small_amounts CHECK (amount < 100000)")
    move(migration, "advance", "pilot", "new-write")
    execute(migration.new, "UPDATE shop.purchase SET amount_minor = 99999900 WHERE id = 2")
    wait_for_rows(migration, 1)
    report, _ = migration.verify()
    assert report["divergence_count"] == 1
    migration.wait_until(lambda: migration.findings("divergence"), 5, "it is a finding")
    done = roll_back(migration, *what_is_shown(migration), "--wait")
    assert done.returncode == 0, done.stderr
    migration.wait_until_equal()
    migration.prove_equal()
    migration.wait_until(lambda: not migration.findings("divergence"), 5, "nothing differs any more")
