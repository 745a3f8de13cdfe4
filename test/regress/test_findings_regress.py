"""A table that has one name on both sides, and rows of it that go both ways: what one stream finds over may hold for the other."""

import pytest

from cluster import execute
from handover import wait_for_full_way_back
from migration import Migration
from oracle import Comparison

TABLE = "CREATE TABLE notes (id int PRIMARY KEY, holder int NOT NULL, amount int NOT NULL)"
ROWS = "INSERT INTO notes SELECT n, n % 2, n FROM generate_series(1, 100) n"
SPEC = """
migration: notes
owners: {{ legacy: a, new: b, coexistence: c }}
systems:
  legacy: {{ database: "{legacy}" }}
  new: {{ database: "{new}" }}
entities:
  note:
    key: holder
    tables: [ {{ legacy: notes, new: notes }} ]
    cohorts: [ {{ name: there, keys: ["0"] }}, {{ name: rest }} ]
"""
COMPARISONS = [Comparison("notes", "SELECT id, holder, amount FROM notes", "SELECT id, holder, amount FROM notes")]


@pytest.fixture
def both_ways(databases, tmp_path):
    """Even notes are at home on the new side, odd ones on legacy, and each side has them all."""
    execute(databases.legacy, TABLE + "; " + ROWS)
    execute(databases.new, TABLE)
    with Migration(tmp_path, SPEC.format(legacy=databases.legacy, new=databases.new), databases.legacy, databases.new,
                   COMPARISONS) as migration:
        migration.up().advance("note")
        migration.wait_until_backfilled()
        migration.prove_equal()
        migration.hand_over("advance", "note", "there", "new-write")
        wait_for_full_way_back(migration, "there")
        yield migration


def as_nobody(url, sql):
    """Past the guards."""
    execute(url, "SET session_replication_role = replica; " + sql)


def open_keys(migration, kind):
    return {(finding["table"], finding["key"]) for finding in migration.findings(kind)}


def test_a_verification_along_one_stream_closes_nothing_that_it_has_found_along_the_other(both_ways):
    as_nobody(both_ways.new, "UPDATE notes SET amount = 0 WHERE id = 1")
    as_nobody(both_ways.legacy, "UPDATE notes SET amount = 0 WHERE id = 2")
    report, _ = both_ways.verify()
    assert report["divergence_count"] == 2
    expected = {("public.notes", "id=1"), ("public.notes", "id=2")}
    both_ways.wait_until(lambda: open_keys(both_ways, "divergence") == expected, 5, "both are open")
    as_nobody(both_ways.new, "UPDATE notes SET amount = 1 WHERE id = 1")
    both_ways.verify()
    both_ways.wait_until(lambda: open_keys(both_ways, "divergence") == {("public.notes", "id=2")}, 5, "one is mended")
    as_nobody(both_ways.legacy, "UPDATE notes SET amount = 2 WHERE id = 2")
    both_ways.prove_equal()
    both_ways.wait_until(lambda: not open_keys(both_ways, "divergence"), 5, "the other one, too")


def test_rows_that_wait_in_one_stream_are_still_known_when_both_have_begun_again(both_ways):
    execute(both_ways.legacy, "ALTER TABLE notes ADD CONSTRAINT small CHECK (amount < 1000)")
    execute(both_ways.new, "ALTER TABLE notes ADD CONSTRAINT large CHECK (amount > 0)")
    execute(both_ways.new, "UPDATE notes SET amount = 2000 WHERE id = 4")
    execute(both_ways.legacy, "UPDATE notes SET amount = -1 WHERE id = 3")
    waiting = {("public.notes", "id=3"), ("public.notes", "id=4")}
    both_ways.wait_until(lambda: open_keys(both_ways, "quarantined-row") == waiting, 20, "both wait")
    both_ways.kill()
    both_ways.up()
    wait_until_both_follow(both_ways)
    assert open_keys(both_ways, "quarantined-row") == waiting


def wait_until_both_follow(migration):
    """Each brings a change that was made since."""
    execute(migration.legacy, "UPDATE notes SET amount = 7 WHERE id = 5")
    execute(migration.new, "UPDATE notes SET amount = 8 WHERE id = 6")
    amounts = "SELECT amount FROM notes WHERE id IN (5, 6) ORDER BY id"
    for url in (migration.legacy, migration.new):
        migration.wait_until(lambda url=url: execute(url, amounts) == [(7,), (8,)], 30, "it has come over")
