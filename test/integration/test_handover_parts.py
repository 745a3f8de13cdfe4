"""Partitions that come when guards are up already: guarded like those before, and left alone when the guards go."""

import subprocess

import psycopg2
import pytest

from cluster import execute
from migration import Migration
from oracle import Comparison

PARTED = """
migration: parts
owners: {{ legacy: a, new: b, coexistence: c }}
systems: {{ legacy: {{ database: "{legacy}" }}, new: {{ database: "{new}" }} }}
entities:
  ticket:
    key: id
    tables: [ {{ legacy: public.tickets, new: desk.ticket }} ]
    cohorts: [ {{ name: first, keys: [ "1" ] }}, {{ name: rest }} ]
"""


@pytest.fixture
def parted(databases, tmp_path):
    """A legacy table in parts, of which one cohort is at home on the new side, and the other one was never mirrored."""
    execute(databases.legacy, "CREATE TABLE tickets (id int PRIMARY KEY, note text) PARTITION BY RANGE (id); "
                              "CREATE TABLE tickets_1 PARTITION OF tickets FOR VALUES FROM (0) TO (1000); INSERT INTO tickets VALUES (1, 'a')")
    execute(databases.new, "CREATE SCHEMA desk; CREATE TABLE desk.ticket (id int PRIMARY KEY, note text)")
    compared = [Comparison("tickets", "SELECT id, note FROM tickets", "SELECT id, note FROM desk.ticket")]
    with Migration(tmp_path, PARTED.format(legacy=databases.legacy, new=databases.new), databases.legacy, databases.new, compared) as migration:
        migration.up().oxbow("advance", "ticket", "--cohort", "first", "--to", "mirrored", "--wait")
        migration.prove_equal()
        migration.oxbow("advance", "ticket", "--cohort", "first", "--to", "new-write", "--wait")
        yield migration


def truncate_guards(migration, table):
    on_truncate = 32
    return execute(migration.legacy, f"SELECT count(*) FROM pg_trigger WHERE tgrelid = '{table}'::regclass AND tgname LIKE '~oxbow%' "
                                     f"AND tgtype & {on_truncate} <> 0")[0][0]


LATER = "CREATE TABLE later PARTITION OF tickets FOR VALUES FROM (1000) TO (2000)"


def test_a_partition_that_comes_later_cannot_be_emptied_around_the_guard(parted):
    execute(parted.legacy, LATER)
    parted.wait_until(lambda: truncate_guards(parted, "later") == 1, 10, "it is guarded")
    with pytest.raises(psycopg2.Error) as refused:
        execute(parted.legacy, "TRUNCATE later")
    assert refused.value.pgcode == "OX001"
    assert parted.findings() == []


def test_guards_that_are_taken_off_are_not_put_on_again_meanwhile(parted):
    migration = parted
    execute(migration.legacy, LATER)
    migration.wait_until(lambda: truncate_guards(migration, "later") == 1, 10, "it is guarded")
    migration.oxbow("rollback", "ticket", "--cohort", "first", "--to", "mirrored", "--wait")
    writer = psycopg2.connect(migration.legacy)
    writer.cursor().execute("UPDATE tickets SET note = 'long' WHERE id = 1")
    subprocess.Popen([migration.binary, "rollback", "ticket", "--cohort", "first", "--to", "legacy"], cwd=migration.directory)
    migration.wait_until(lambda: truncate_guards(migration, "later") == 0, 20, "the first guard is off")
    waits = lambda: execute(migration.legacy, "SELECT count(*) FROM pg_locks JOIN pg_stat_activity a USING (pid) WHERE NOT granted "
                                              "AND a.datname = current_database() AND a.application_name = 'oxbow:parts:guards'")[0][0]
    for _ in range(2):  # tries for the next one, a second each
        migration.wait_until(waits, 20, "oxbow waits for the writer")
        migration.wait_until(lambda: not waits(), 20, "oxbow lets others have their turn")
    assert truncate_guards(migration, "later") == 0
    writer.commit()
    migration.wait_until(lambda: migration.status()["cohorts"][0]["state"] == "legacy", 60, "it is back")
    assert execute(migration.legacy, "SELECT count(*) FROM pg_trigger WHERE tgname LIKE '~oxbow%'") == [(0,)]
