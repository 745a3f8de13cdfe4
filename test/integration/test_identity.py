"""Tables without a primary key: told apart some other way or left alone, and never an error in the application."""

import pytest

from cluster import execute
from migration import Migration
from oracle import Comparison

SPEC = """
migration: odd
owners: {{ legacy: team-a, new: team-b, coexistence: team-c }}
systems:
  legacy: {{ database: "{legacy}" }}
  new: {{ database: "{new}" }}
entities:
  thing:
    key: {key}
    tables:
      - {{ legacy: public.things, new: public.things{identity} }}
exclude: [ public.left_out ]
"""


def odd_migration(tmp_path, databases, table, rows, identity="", key="name"):
    for url in (databases.legacy, databases.new):
        execute(url, table)
    execute(databases.legacy, f"CREATE TABLE left_out (name text); INSERT INTO left_out VALUES ('a'); {rows}")
    spec = SPEC.format(legacy=databases.legacy, new=databases.new, identity=identity, key=key)
    query = "SELECT * FROM things"
    return Migration(tmp_path, spec, databases.legacy, databases.new, [Comparison("things", query, query, key=1)])


UNIQUE_INDEX = "CREATE TABLE things (name text NOT NULL, size integer, UNIQUE (name))"
NO_KEY = "CREATE TABLE things (name text, size integer)"
FILL = "INSERT INTO things SELECT 'thing ' || i, i FROM generate_series(1, 500) AS i"


@pytest.mark.parametrize("table, identity", [(UNIQUE_INDEX, ""), (NO_KEY, ", identity: full-row")], ids=["unique index", "full row"])
def test_a_table_without_a_primary_key_is_followed(tmp_path, databases, table, identity):
    with odd_migration(tmp_path, databases, table, FILL, identity) as migration:
        migration.up().advance("thing")
        migration.wait_until_backfilled()
        execute(migration.legacy, """UPDATE things SET size = size + 1 WHERE size % 3 = 0;
                                     UPDATE things SET name = name || '!' WHERE size % 5 = 0;
                                     DELETE FROM things WHERE size % 7 = 0;
                                     INSERT INTO things VALUES ('another', NULL)""")
        migration.wait_until_equal()
        migration.prove_equal()


def test_equal_rows_are_counted(tmp_path, databases):
    """Three rows that nothing tells apart are three rows; deleting one leaves two."""
    rows = "INSERT INTO things SELECT 'same', 1 FROM generate_series(1, 3); INSERT INTO things VALUES (NULL, NULL), (NULL, NULL)"
    with odd_migration(tmp_path, databases, NO_KEY, rows, ", identity: full-row") as migration:
        migration.up().advance("thing")
        migration.wait_until_backfilled()
        assert migration.wait_until_equal().rows == 5
        execute(migration.legacy, "DELETE FROM things WHERE ctid = (SELECT min(ctid) FROM things WHERE name = 'same')")
        execute(migration.legacy, "UPDATE things SET size = 2 WHERE ctid = (SELECT min(ctid) FROM things WHERE name = 'same')")
        execute(migration.legacy, "DELETE FROM things WHERE ctid = (SELECT min(ctid) FROM things WHERE name IS NULL)")
        assert migration.wait_until_equal().rows == 3
        migration.prove_equal()


def test_the_application_may_go_on_changing_tables_that_have_no_identity(tmp_path, databases):
    """PostgreSQL refuses an UPDATE on a published table without replica identity; that must not happen to anybody."""
    with odd_migration(tmp_path, databases, NO_KEY, FILL, ", identity: full-row") as migration:
        migration.up()
        execute(migration.legacy, "UPDATE things SET size = 0 WHERE size < 10")
        migration.advance("thing")
        for table in ("things", "left_out"):
            execute(migration.legacy, f"UPDATE {table} SET name = name || '.'; DELETE FROM {table} WHERE name LIKE '%99.'")
        migration.wait_until_backfilled()
        migration.wait_until_equal()


def test_a_table_that_nothing_tells_apart_needs_a_decision(tmp_path, databases):
    with odd_migration(tmp_path, databases, NO_KEY, FILL) as migration:
        done = migration.oxbow("check", "--connect", check=False)
        assert done.returncode in (11, 13)
        assert "public.things" in done.stdout + done.stderr and "full-row" in done.stdout + done.stderr


def test_a_composite_key_of_several_types_is_followed(tmp_path, databases):
    table = "CREATE TABLE things (a integer, name text, c uuid, d timestamptz, size integer, PRIMARY KEY (c, a, name, d))"
    rows = """INSERT INTO things SELECT i % 10, 'n' || i % 7, md5((i % 50)::text)::uuid, '2020-01-01'::timestamptz + i * interval '1 hour', i
              FROM generate_series(1, 2000) AS i"""
    with odd_migration(tmp_path, databases, table, rows) as migration:
        migration.up().advance("thing")
        migration.wait_until_backfilled()
        execute(migration.legacy, """UPDATE things SET a = a + 100 WHERE size % 3 = 0; DELETE FROM things WHERE size % 11 = 0;
                                     UPDATE things SET size = -size WHERE size % 5 = 0""")
        migration.wait_until_equal()
        migration.prove_equal()
