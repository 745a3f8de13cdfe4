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


# Partitions have identities of their own, and a new one begins without: PostgreSQL refuses UPDATE and DELETE there.
PARTITIONED = """CREATE TABLE things (name text{not_null}, size integer{not_null}) PARTITION BY RANGE (size);
                 CREATE TABLE things_small PARTITION OF things FOR VALUES FROM (0) TO (1000);{index}"""
BY_INDEX = PARTITIONED.format(not_null=" NOT NULL", index="CREATE UNIQUE INDEX things_name ON things (name, size);")
BY_ROW = PARTITIONED.format(not_null="", index="")
CHANGES_ALL = "UPDATE things SET name = name || '.'; DELETE FROM things WHERE name LIKE '%9.'"


@pytest.mark.parametrize("table, identity", [(BY_INDEX, ""), (BY_ROW, ", identity: full-row")], ids=["unique index", "full row"])
def test_a_new_partition_takes_changes_from_its_first_moment(tmp_path, databases, table, identity):
    with odd_migration(tmp_path, databases, table, FILL, identity) as migration:
        execute(migration.new, "CREATE TABLE things_rest PARTITION OF things DEFAULT")
        assert "a new partition of public.things" in migration.oxbow("check", "--connect").stdout
        migration.up().advance("thing")
        migration.wait_until_backfilled()
        execute(migration.legacy, f"""CREATE TABLE things_large PARTITION OF things FOR VALUES FROM (1000) TO (2000);
                                      INSERT INTO things SELECT 'new ' || i, i FROM generate_series(1000, 1100) AS i; {CHANGES_ALL}""")
        execute(migration.legacy, f"""CREATE TABLE things_huge (LIKE things INCLUDING ALL);
                                      ALTER TABLE things ATTACH PARTITION things_huge FOR VALUES FROM (2000) TO (3000);
                                      INSERT INTO things VALUES ('attached', 2500); {CHANGES_ALL}""")
        migration.wait_until_equal()
        migration.prove_equal()
        migration.stop()
        migration.oxbow("doctor", "--remove")
    left = "SELECT evtname FROM pg_event_trigger UNION ALL SELECT relname FROM pg_class WHERE relname ~ '^things' AND relreplident NOT IN ('d', 'n')"
    assert execute(databases.legacy, left) == []


def test_a_new_partition_has_to_wait_where_oxbow_is_no_superuser_and_check_says_so(tmp_path, databases):
    execute(databases.legacy, "CREATE ROLE guest LOGIN REPLICATION; GRANT CREATE ON DATABASE {0} TO guest; ALTER SCHEMA public OWNER TO guest"
            .format(databases.legacy.rsplit("/", 1)[1].split("?")[0]))
    with odd_migration(tmp_path, databases, BY_ROW, FILL, ", identity: full-row") as migration:
        execute(migration.new, "CREATE TABLE things_rest PARTITION OF things DEFAULT")
        execute(migration.legacy, "ALTER TABLE things OWNER TO guest; ALTER TABLE things_small OWNER TO guest; ALTER TABLE left_out OWNER TO guest")
        as_guest = databases.legacy.replace("postgres@", "guest@")
        migration.write_spec(open(f"{migration.directory}/oxbow.yaml", encoding="utf-8").read().replace(databases.legacy, as_guest))
        assert "public.things has no replica identity and refuses UPDATE" in migration.oxbow("check", "--connect").stdout
        migration.up().advance("thing")
        migration.wait_until_backfilled()
        execute(as_guest, "CREATE TABLE things_large PARTITION OF things FOR VALUES FROM (1000) TO (2000); INSERT INTO things VALUES ('new', 1000)")
        identity = "SELECT relreplident FROM pg_class WHERE relname = 'things_large'"
        migration.wait_until(lambda: execute(migration.legacy, identity) == [("f",)], 10, "oxbow has seen the partition")
        execute(as_guest, CHANGES_ALL)
        migration.wait_until_equal()
    execute(databases.legacy, "REASSIGN OWNED BY guest TO postgres; DROP OWNED BY guest; DROP ROLE guest")
