"""Errors around rows that one side refuses, which were found and mended."""

import pytest

from cluster import execute
from migration import Migration

SPEC = """\
migration: notes
owners: {{ legacy: a, new: b, coexistence: c }}
systems:
  legacy: {{ database: "{legacy}" }}
  new: {{ database: "{new}" }}
entities:
  note:
    key: id
    tables:
      - legacy: public.notes
        new: public.notes
        columns: {{ printed_by: {{ drop: true, why: nobody reads it }} }}
        add: {{ created_at: {{ default: true }} }}
"""


@pytest.fixture
def notes(tmp_path, databases):
    """Each side has a column of its own that the other one knows nothing of, and refuses negative sizes."""
    execute(databases.legacy, "CREATE TABLE notes (id bigint PRIMARY KEY, size int, printed_by text DEFAULT 'new printer');"
                              "INSERT INTO notes VALUES (1, 1, 'printer 1'), (2, 2, 'printer 2')")
    execute(databases.new, "CREATE TABLE notes (id bigint PRIMARY KEY, size int, created_at timestamptz DEFAULT now())")
    with Migration(tmp_path, SPEC.format(legacy=databases.legacy, new=databases.new), databases.legacy, databases.new, []) as made:
        made.up().advance("note")
        made.wait_until_backfilled()
        made.prove_equal()
        yield made


def refuse_negative(url):
    execute(url, "ALTER TABLE notes ADD CONSTRAINT not_negative CHECK (size >= 0)")


def retry(migration):
    migration.wait_until(lambda: migration.findings("quarantined-row"), 10, "the row is refused")
    migration.oxbow("quarantine", "--retry", "--all")
    migration.wait_until(lambda: not migration.findings("quarantined-row"), 10, "it has come over")


def test_a_row_that_is_read_again_keeps_what_only_legacy_knows(notes):
    refuse_negative(notes.legacy)
    notes.hand_over("advance", "note", "all", "new-write")
    execute(notes.new, "UPDATE notes SET size = -1 WHERE id = 1")
    notes.wait_until(lambda: notes.findings("quarantined-row"), 10, "the row is refused")
    assert "the legacy side does not take a row" in notes.findings("quarantined-row")[0]["sentence"]
    execute(notes.new, "UPDATE notes SET size = 10 WHERE id = 1")
    retry(notes)
    assert execute(notes.legacy, "SELECT * FROM notes ORDER BY 1") == [(1, 10, "printer 1"), (2, 2, "printer 2")]


def test_a_row_that_is_read_again_keeps_what_only_the_new_side_knows(notes):
    refuse_negative(notes.new)
    born = execute(notes.new, "SELECT created_at FROM notes WHERE id = 1")
    execute(notes.legacy, "UPDATE notes SET size = -1 WHERE id = 1")
    notes.wait_until(lambda: notes.findings("quarantined-row"), 10, "the row is refused")
    execute(notes.legacy, "UPDATE notes SET size = 10 WHERE id = 1")
    retry(notes)
    assert execute(notes.new, "SELECT size FROM notes WHERE id = 1") == [(10,)]
    assert execute(notes.new, "SELECT created_at FROM notes WHERE id = 1") == born


def test_a_row_that_is_gone_when_it_is_read_again_goes(notes):
    refuse_negative(notes.new)
    execute(notes.legacy, "UPDATE notes SET size = -1 WHERE id = 1")
    notes.wait_until(lambda: notes.findings("quarantined-row"), 10, "the row is refused")
    execute(notes.legacy, "DELETE FROM notes WHERE id = 1")
    notes.wait_until(lambda: execute(notes.new, "SELECT id FROM notes") == [(2,)], 10, "it has gone")
