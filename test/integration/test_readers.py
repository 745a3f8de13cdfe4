"""Who still reads the legacy tables of an entity that was cut over is found, and keeps them from being retired. The seconds
in which a server may still count what was read before are waited for once, for the whole module."""

import contextlib
import time

import psycopg2
import pytest

from cluster import Cluster, execute
from http_by_socket import get_json
from migration import Migration

SPEC = """\
migration: notes
owners: {{ legacy: team-old, new: b, coexistence: c }}
systems:
  legacy: {{ database: "{legacy}" }}
  new: {{ database: "{new}" }}
entities:
  note:
    key: id
    tables: [ {{ legacy: public.notes, new: public.notes }} ]
sunset: {{ remove_by: 2027-04-01, deletion_owner: team-old, quiet_for: 8s }}
"""


@pytest.fixture(scope="module")
def cut_over(tmp_path_factory):
    """One entity, all of it cut over, on servers that keep statistics of statements."""
    directory = tmp_path_factory.mktemp("readers")
    with Cluster({"shared_preload_libraries": "pg_stat_statements"}) as legacy_cluster, Cluster() as new_cluster:
        legacy, new = legacy_cluster.create_database("legacy"), new_cluster.create_database("new")
        execute(legacy, "CREATE EXTENSION pg_stat_statements; CREATE ROLE report LOGIN")
        execute(legacy, "CREATE TABLE notes (id bigint PRIMARY KEY, text text) PARTITION BY RANGE (id);"
                        "CREATE TABLE notes_1 PARTITION OF notes FOR VALUES FROM (0) TO (100);"
                        "GRANT SELECT ON notes TO report; INSERT INTO notes VALUES (1, 'a'), (2, 'secret')")
        execute(new, "CREATE TABLE notes (id bigint PRIMARY KEY, text text)")
        with Migration(directory, SPEC.format(legacy=legacy, new=new), legacy, new, []) as migration:
            migration.up().advance("note")
            migration.wait_until_backfilled()
            migration.prove_equal()
            migration.hand_over("advance", "note", "all", "new-write")
            for state in ("new-read", "fully-cutover"):
                migration.oxbow("advance", "note", "--to", state, "--wait")
            migration.wait_until(lambda: "readers of note are looked for" in retire(migration), 40, "the counts are known")
            yield migration


def retire(migration, *options):
    done = migration.oxbow("retire", "note", *options, check=False)
    return done.stdout + done.stderr


def reads(migration):
    return {finding["key"]: finding for finding in migration.findings("legacy-read")}


class Seen:
    """When readers were seen last, so that a test waits for what it has done itself."""

    def __init__(self, migration):
        self.migration = migration
        self.at = {key: finding["last_seen"] for key, finding in reads(migration).items()}

    def wait_for(self, key, detail=""):
        def again():
            finding = reads(self.migration).get(key)
            return finding and finding["last_seen"] > self.at.get(key, "") and detail in (finding["detail"] or "") and finding
        self.migration.wait_until(again, 20, f"{key} was seen")
        found = again() or reads(self.migration)[key]
        self.at[key] = found["last_seen"]
        return found


@contextlib.contextmanager
def session(migration, **options):
    connection = psycopg2.connect(migration.legacy, **options)
    yield connection.cursor()
    connection.close()


def wait_until_quiet(migration):
    migration.wait_until(lambda: not reads(migration), 30, "nobody reads any more")


def test_nobody_is_seen_where_nobody_reads(cut_over):
    time.sleep(7)  # two thorough looks
    assert reads(cut_over) == {}


def test_an_open_transaction_of_a_reader_is_named_and_its_literals_are_not(cut_over):
    seen = Seen(cut_over)
    with session(cut_over, user="report", application_name="nightly report") as reader:
        reader.execute("SELECT text FROM notes WHERE text = 'secret' AND id = 2")
        found = seen.wait_for("session: nightly report of report from 127.0.0.1")
        assert found["table"] == "public.notes" and found["owner"] == "team-old"
        assert "secret" not in str(found) and "WHERE text = ? AND id = ?" in found["detail"]
        assert "nightly report" in retire(cut_over)


def test_a_reader_too_quick_to_be_seen_is_counted_and_its_statement_known(cut_over):
    seen = Seen(cut_over)
    with session(cut_over, user="report") as reader:
        reader.execute("SELECT count(*) FROM notes")
    seen.wait_for("statement: role report", "SELECT count(*) FROM notes")
    seen.wait_for("scan: somebody", "scan")
    assert "may still be read on legacy" in retire(cut_over)


def test_what_was_read_while_nobody_looked_is_known_behind_a_restart(cut_over):
    seen = Seen(cut_over)
    cut_over.kill()
    with session(cut_over) as reader:
        reader.execute("SELECT * FROM notes_1 WHERE id = 1")
    time.sleep(1)  # a server counts what a session did when it ends
    cut_over.up()
    seen.wait_for("scan: somebody", "scan")


def test_a_part_that_came_later_is_looked_at_from_its_beginning(cut_over):
    seen = Seen(cut_over)
    execute(cut_over.legacy, "CREATE TABLE notes_2 PARTITION OF notes FOR VALUES FROM (100) TO (200)")
    with session(cut_over) as reader:
        reader.execute("SELECT * FROM notes_2")
    seen.wait_for("scan: somebody")
    with session(cut_over) as writer, pytest.raises(psycopg2.Error) as refused:
        writer.execute("INSERT INTO notes_2 VALUES (150, 'x')")
    assert refused.value.pgcode == "OX001"


def test_counts_that_the_server_has_lost_are_told(cut_over):
    seen = Seen(cut_over)
    execute(cut_over.legacy, "SELECT pg_stat_reset()")
    assert "lost its counts" in seen.wait_for("lost-count: perhaps somebody")["sentence"]


def test_slots_views_and_foreign_tables_are_readers_as_long_as_they_are_there(cut_over):
    seen = Seen(cut_over)
    execute(cut_over.legacy, "SELECT pg_create_logical_replication_slot('bi', 'test_decoding')")
    execute(cut_over.legacy, "CREATE VIEW old_notes AS SELECT * FROM notes")
    execute(cut_over.new, "CREATE EXTENSION postgres_fdw; CREATE SERVER old FOREIGN DATA WRAPPER postgres_fdw;"
                          "CREATE FOREIGN TABLE legacy_notes (id bigint) SERVER old "
                          "OPTIONS (schema_name 'public', table_name 'notes')")
    for key in ("slot: replication slot bi", "view: view public.old_notes",
                "foreign-table: foreign table public.legacy_notes"):
        seen.wait_for(key)
        seen.wait_for(key)  # again and again
    execute(cut_over.legacy, "SELECT pg_drop_replication_slot('bi')")
    execute(cut_over.legacy, "DROP VIEW old_notes")
    execute(cut_over.new, "DROP SERVER old CASCADE")


def test_a_retirement_is_recorded_with_the_last_readers_once_all_is_quiet(cut_over):
    seen = Seen(cut_over)
    with session(cut_over, user="report", application_name="the last one") as reader:
        reader.execute("SELECT text FROM notes")
        seen.wait_for("session: the last one of report from 127.0.0.1")
    assert cut_over.oxbow("retire", "note", check=False).returncode != 0
    wait_until_quiet(cut_over)
    assert "nobody looks for their readers any more" in retire(cut_over, "--dry-run")
    assert "the last ones were" in retire(cut_over) and "nothing to do" in retire(cut_over)
    assert "session: the last one of report" in str(get_json(f"{cut_over.directory}/oxbow.sock", "/v1/events?limit=5"))
    with session(cut_over) as writer, pytest.raises(psycopg2.Error):
        writer.execute("UPDATE notes SET text = 'late'")
