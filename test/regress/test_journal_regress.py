"""Errors around a journal that is not the last one, which were found and mended."""

import glob
import os
import shutil

import pytest

from cluster import execute
from handover import PILOT, move, moved_shop, write_new  # noqa: F401


def journal_of(migration):
    return glob.glob(os.path.join(migration.directory, "oxbow.db*"))


def on_home(migration):
    return (execute(migration.new, f"SELECT note FROM shop.customer WHERE id = {PILOT}"),
            execute(migration.new, "SELECT amount_minor FROM shop.purchase WHERE id = 777001"))


@pytest.mark.parametrize("how", ["older", "gone"])
def test_a_journal_that_knows_less_than_the_guards_copies_nothing_over_a_home(moved_shop, tmp_path, how):  # noqa: F811
    migration = moved_shop
    migration.stop()
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in journal_of(migration):
        shutil.copy(file, copy)
    migration.up()
    migration.wait_until(lambda: migration.status()["stream"]["phase"] == "running", 30, "it follows again")
    migration.prove_equal()
    move(migration, "advance", "pilot", "new-write")
    write_new(migration, PILOT, "first")
    migration.wait_until_equal()
    migration.stop()
    execute(migration.new, f"UPDATE shop.customer SET note = 'only on its home' WHERE id = {PILOT}")
    execute(migration.new, "INSERT INTO shop.purchase VALUES (777001, 1, 500, 'open', now(), '{}')")
    newest = tmp_path / "newest"
    newest.mkdir()
    for file in journal_of(migration):
        shutil.move(file, newest)
    if how == "older":
        for file in copy.iterdir():
            shutil.copy(file, migration.directory)

    migration.up()
    if how == "gone":
        migration.oxbow("advance", "customer", "--to", "mirrored", check=False)
    migration.wait_until(lambda: migration.findings("guard-lost"), 20, "it is a finding")
    said = migration.findings("guard-lost")[0]["sentence"]
    assert "customer/pilot" in said and "bring the newer oxbow.db back" in said
    migration.oxbow("rollback", "customer", "--to", "legacy", check=False)
    migration.oxbow("resume", check=False)
    assert on_home(migration) == ([("only on its home",)], [(500,)])

    migration.stop()
    for file in journal_of(migration):
        os.remove(file)
    for file in newest.iterdir():
        shutil.copy(file, migration.directory)
    migration.up()
    migration.wait_until_equal()
    assert on_home(migration) == ([("only on its home",)], [(500,)])
