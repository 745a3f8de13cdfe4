"""What `oxbow check --connect` says of two databases before anything is set up."""

import json
import os
import re
import subprocess
import time
from unittest.mock import ANY

import pytest

from cluster import Cluster, execute
from migration import Migration
from oracle import Comparison

SESSIONS = """SELECT count(*) FROM pg_stat_activity
              WHERE application_name LIKE 'oxbow:shop:%' AND backend_type = 'client backend' AND datname = current_database()"""


def check(migration):
    """Exit code and what was said."""
    done = migration.oxbow("check", "--connect", check=False)
    return done.returncode, done.stdout + done.stderr


def most_sessions(migration, process):
    """The most sessions that oxbow has on either side until the process ends."""
    most = [0, 0]
    while process.poll() is None:
        most = [max(before, execute(url, SESSIONS)[0][0]) for before, url in zip(most, (migration.legacy, migration.new))]
        time.sleep(0.01)
    return most


def test_the_connections_asked_for_are_those_that_copying_and_verifying_open(shop_migration):
    migration = shop_migration
    migration.up().set_rate(2000)
    migration.advance("customer")
    migration.wait_until_copying()
    migration.set_rate(0)
    migration.wait_until_backfilled()
    verify = subprocess.Popen([migration.binary, "verify", "--rate", "2000"], cwd=migration.directory, stdout=subprocess.DEVNULL)
    # core/spec/preflight counts these for 2 workers, and one on the legacy side that is seldom opened: it asks which
    # transactions have ended when very many may not have.
    assert most_sessions(migration, verify) == [12 - 1, 9]
    assert verify.returncode == 0


def test_connections_are_counted_under_the_limit_of_a_role_that_is_no_superuser(make_shop, databases, legacy_cluster):
    migration = make_shop(databases.legacy, databases.new, legacy_url=legacy_cluster.url(databases.names[0], "narrow"))
    execute(migration.legacy, "CREATE ROLE narrow LOGIN REPLICATION CONNECTION LIMIT 11")
    try:
        code, said = check(migration)
        assert code == 13 and "CONNECTION LIMIT of role narrow leaves us 11 connections, and with 2 workers oxbow needs 12" in said
        execute(migration.legacy, "ALTER ROLE narrow CONNECTION LIMIT 12")
        assert "CONNECTION LIMIT" not in check(migration)[1], "the session that asks is one of them"
    finally:
        execute(migration.legacy, "DROP ROLE narrow")


def items_of(migration):
    return json.loads(migration.oxbow("doctor", "--json", check=False).stdout)["items"]


def test_the_disks_of_servers_on_this_machine_are_asked_for_their_room(make_shop, databases, new_cluster):
    migration = make_shop(databases.legacy, databases.new, extra="limits: { retained_wal: 9000TB }")
    copy = next(item for item in items_of(migration) if "of tables and indexes" in item["sentence"])
    assert (copy["verdict"], copy["side"]) == ("ok", "new") and new_cluster.data in copy["sentence"]
    free_gib = os.statvfs(new_cluster.data).f_bavail * os.statvfs(new_cluster.data).f_frsize / 2**30
    said_gib = float(re.search(r"has ([0-9.]+) GiB free", copy["sentence"])[1])
    assert said_gib == pytest.approx(free_gib, rel=0.05)
    code, said = check(migration)
    assert code == 0 and "the server may keep 8.8 PiB of log" in said and "lower limits.retained_wal" in said


def test_room_on_a_disk_that_our_role_may_not_see_is_unknown_with_the_amount_that_is_needed(make_shop, databases, new_cluster):
    migration = make_shop(databases.legacy, databases.new, new_url=new_cluster.url(databases.names[1], "narrow"))
    execute(migration.new, "CREATE ROLE narrow LOGIN")
    try:
        copy = next(item for item in items_of(migration) if "of tables and indexes" in item["sentence"])
        assert copy["verdict"] == "unknown" and "GiB free" in copy["sentence"] and "GRANT pg_read_all_settings" in copy["sentence"]
    finally:
        execute(migration.new, "DROP ROLE narrow")


# Rows that the new side demands something of together.

LIBRARY = """
migration: library
owners: {{ legacy: a, new: b, coexistence: c }}
systems: {{ legacy: {{ database: "{legacy}" }}, new: {{ database: "{new}" }} }}
entities:
  author:
    key: id
    tables: [ {{ legacy: public.authors, new: lib.author }} ]
  book:
    key: id
    tables:
      - legacy: public.books
        new: lib.book
        columns:
          author: {{ to: author_id }}
          kind: {{ to: genre, map: {{ P: poem, S: poem, N: novel }}, why: "sonnets are poems", backward: "'P'" }}
          price: {{ to: price_cents, scale: 100 }}
"""

LEGACY_LIBRARY = """
CREATE TABLE authors (id bigint PRIMARY KEY, name text);
CREATE TABLE books (id bigint PRIMARY KEY, author integer, kind char(1), price numeric(8, 2), title text, lent int4range);
INSERT INTO authors SELECT i, 'author ' || i FROM generate_series(1, 10) i;
INSERT INTO books SELECT i, 1 + i % 10, (ARRAY['P', 'S', 'N'])[1 + i % 3], i, 'title ' || i, int4range(i, i + 1)
  FROM generate_series(1, 100) i;
"""

NEW_LIBRARY = """
CREATE SCHEMA lib;
CREATE TABLE lib.author (id bigint PRIMARY KEY, name text);
CREATE TABLE lib.book (id bigint PRIMARY KEY, author_id bigint, genre text, price_cents bigint, title text, lent int4range);
"""


@pytest.fixture
def library(tmp_path, databases):
    execute(databases.legacy, LEGACY_LIBRARY)
    execute(databases.new, NEW_LIBRARY)
    with Migration(tmp_path, LIBRARY.format(legacy=databases.legacy, new=databases.new), databases.legacy, databases.new,
                   [Comparison("authors", "SELECT * FROM authors", "SELECT * FROM lib.author"),
                    Comparison("books", "SELECT id, author, price, title FROM books",
                               "SELECT id, author_id, (price_cents / 100.0)::numeric(8, 2), title FROM lib.book")]) as migration:
        yield migration


def test_rows_without_a_partner_are_counted_for_they_would_be_written_silently(library):
    execute(library.new, "ALTER TABLE lib.book ADD CONSTRAINT written_by FOREIGN KEY (author_id) REFERENCES lib.author")
    assert check(library)[0] == 0
    execute(library.legacy, "UPDATE books SET author = 99 WHERE id < 6; UPDATE books SET author = NULL WHERE id = 7")
    code, said = check(library)
    assert code == 13
    assert "5 rows of public.books break foreign key written_by (author_id) of lib.book; they would be written all the same" in said
    assert "id=1: author_id=99" in said and "id=4" not in said, "three samples"

    library.up().advance("author", "book")
    library.wait_until_backfilled()
    library.wait_until_equal()
    library.prove_equal()
    orphans = "SELECT count(*) FROM lib.book b WHERE author_id IS NOT NULL AND NOT EXISTS (SELECT FROM lib.author a WHERE a.id = author_id)"
    assert execute(library.new, orphans)[0][0] == 5
    assert check(library)[0] == 13, "it can be asked while the mirror runs"


def test_a_foreign_key_of_several_columns_takes_all_of_them_or_none_if_it_says_so(library):
    execute(library.new, """ALTER TABLE lib.author ADD UNIQUE (id, name);
                            ALTER TABLE lib.book ADD CONSTRAINT f FOREIGN KEY (author_id, title) REFERENCES lib.author (id, name)""")
    execute(library.legacy, "UPDATE books SET title = 'author ' || author; UPDATE books SET title = NULL WHERE id = 3")
    assert check(library)[0] == 0
    execute(library.new, """ALTER TABLE lib.book DROP CONSTRAINT f, ADD CONSTRAINT f
                            FOREIGN KEY (author_id, title) REFERENCES lib.author (id, name) MATCH FULL""")
    code, said = check(library)
    assert code == 13 and "1 rows of public.books break foreign key f (author_id, title)" in said
    assert "id=3: author_id=4, title=NULL" in said


@pytest.mark.parametrize("constraint, spoil, said", [
    ("UNIQUE (title)", "UPDATE books SET title = 'same' WHERE id IN (1, 2, 3)", "title=same: 3 rows"),
    ("UNIQUE (genre, price_cents)", "UPDATE books SET price = 5 WHERE id IN (3, 4)", "genre=poem, price_cents=500: 2 rows"),
    ("UNIQUE NULLS NOT DISTINCT (title)", "UPDATE books SET title = NULL WHERE id < 3", "title=NULL: 2 rows"),
    ("EXCLUDE USING gist (lent WITH &&)", "UPDATE books SET lent = '[7,9)' WHERE id = 50", "id=50: lent=[7,9)"),
], ids=["plain", "after mapping", "nulls", "exclusion"])
def test_rows_that_exclude_each_other_on_the_new_side_are_counted(library, constraint, spoil, said):
    execute(library.new, f"ALTER TABLE lib.book ADD CONSTRAINT apart {constraint}")
    assert check(library) == (0, ANY)
    execute(library.legacy, spoil)
    code, complaint = check(library)
    assert code == 13 and "rows of public.books break" in complaint and "apart" in complaint and said in complaint


def test_rows_that_exclude_each_other_by_an_expression_or_in_a_part_of_the_table_are_counted(library):
    execute(library.new, """CREATE UNIQUE INDEX blind ON lib.book (lower(title));
                            CREATE UNIQUE INDEX cheap ON lib.book (title, genre) WHERE price_cents < 1000""")
    assert check(library)[0] == 0
    execute(library.legacy, "UPDATE books SET title = 'Same', kind = 'N' WHERE id IN (50, 53); UPDATE books SET title = 'sAME' WHERE id = 51")
    code, said = check(library)
    assert code == 13 and "2 rows of public.books break unique index blind (lower(title))" in said and "cheap" not in said
    execute(library.legacy, "UPDATE books SET title = 'Same', kind = 'S' WHERE id IN (1, 2)")
    assert "1 rows of public.books break unique index cheap (title, genre)" in check(library)[1]


def test_a_partner_that_the_migration_does_not_fill_is_unknown_and_not_ok(library):
    execute(library.new, """CREATE TABLE lib.genre (name text PRIMARY KEY); INSERT INTO lib.genre VALUES ('poem');
                            ALTER TABLE lib.book ADD CONSTRAINT kind_of FOREIGN KEY (genre) REFERENCES lib.genre""")
    code, said = check(library)
    assert code == 0 and "unknown" in said and "foreign key kind_of (genre) of lib.book was not counted" in said
    assert "both databases are ready" not in said and "1 of the above could not be found out" in said


def test_a_count_that_the_legacy_side_cannot_make_is_unknown_with_the_reason(library):
    execute(library.new, """CREATE FUNCTION lib.short(text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT left($1, 3)';
                            CREATE UNIQUE INDEX brief ON lib.book (lib.short(title))""")
    code, said = check(library)
    assert code == 0 and "brief (lib.short(title)) of lib.book was not counted: " in said and "ask the legacy database" in said


def test_an_advance_that_would_fail_halfway_is_refused_before_anything_is_touched(make_shop, databases, legacy_cluster):
    execute(databases.legacy, "CREATE ROLE weak LOGIN")
    try:
        migration = make_shop(databases.legacy, databases.new, legacy_url=legacy_cluster.url(databases.names[0], "weak"))
        migration.up()
        done = migration.oxbow("advance", "customer", "--to", "mirrored", check=False)
        assert done.returncode == 13 and "role weak may not read the log" in done.stderr and "nothing was changed" in done.stderr
        assert "OWNER TO" not in done.stderr and 'GRANT "' in done.stderr
        for side in (migration.legacy, migration.new):
            assert execute(side, "SELECT count(*) FROM pg_namespace WHERE nspname = 'oxbow'") == [(0,)]
        assert execute(migration.legacy, "SELECT count(*) FROM pg_publication") == [(0,)]
        migration.kill()
    finally:
        execute(databases.legacy, "DROP ROLE weak")


def test_check_and_a_rehearsal_name_every_table_that_is_published_or_logs_more(make_shop, databases):
    migration = make_shop(databases.legacy, databases.new, cohorts="    cohorts: [ { name: pilot, percent: 10 }, { name: rest } ]")
    code, said = check(migration)
    full = "sets the REPLICA IDENTITY of public.orders (FULL), public.order_lines (FULL), public.visits (FULL)"
    published = "publishes public.customers, public.order_lines, public.orders, public.visits"
    assert code == 0 and full in said and published in said
    said = migration.up().oxbow("advance", "customer", "--to", "mirrored", "--dry-run").stdout
    assert full in said and published in said


def test_numbers_that_run_out_are_said_long_before_and_so_is_a_handover_that_would_find_none(make_shop, databases):
    migration = make_shop(databases.legacy, databases.new)
    assert "more rows" not in check(migration)[1]
    execute(migration.legacy, "CREATE SEQUENCE tight AS int; SELECT setval('tight', 2147483647 - 5000); "
                              "ALTER TABLE customers ALTER customer_id SET DEFAULT nextval('tight')")
    code, said = check(migration)
    assert code == 0 and "warning legacy public.customers.customer_id has numbers for 5000 more rows, up to 2147483647" in said
    execute(migration.new, "CREATE SEQUENCE narrow MAXVALUE 2147483647; "
                           "ALTER TABLE shop.customer ALTER id SET DEFAULT nextval('narrow'); SELECT setval('narrow', 2147483647 - 500)")
    code, said = check(migration)
    assert code == 0 and "a later handover does not: shop.customer.id can be numbered up to 2147483647" in said


# What a handover needs beyond a mirror.

@pytest.fixture
def one_sided_role(databases, make_shop):
    """Role `halfway` may mirror, and has been given nothing that only the way back needs."""
    legacy, new = (cluster.url(name, "halfway") for cluster, name in zip(databases.clusters, databases.names))
    migration = make_shop(databases.legacy, databases.new, legacy_url=legacy, new_url=new)
    execute(migration.legacy, f"CREATE ROLE halfway LOGIN REPLICATION; GRANT CREATE ON DATABASE {databases.names[0]} TO halfway; "
                              "CREATE ROLE shop_owner; ALTER TABLE customers OWNER TO shop_owner; ALTER TABLE orders OWNER TO shop_owner; "
                              "ALTER TABLE order_lines OWNER TO shop_owner; ALTER TABLE visits OWNER TO shop_owner; GRANT shop_owner TO halfway; "
                              "REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON visits FROM shop_owner")
    grants = " ".join(f"GRANT EXECUTE ON FUNCTION pg_replication_origin_{function} TO halfway;" for function in (
        "create(text)", "drop(text)", "oid(text)", "session_setup(text)", "session_reset()", "session_is_setup()",
        "xact_setup(pg_lsn, timestamptz)"))
    execute(migration.new, f"CREATE ROLE halfway LOGIN; GRANT CREATE ON DATABASE {databases.names[1]} TO halfway; {grants} "
                           "GRANT SET ON PARAMETER session_replication_role TO halfway; GRANT SELECT ON pg_replication_origin TO halfway; "
                           "ALTER SCHEMA shop OWNER TO halfway; ALTER TABLE shop.customer OWNER TO halfway; "
                           "ALTER TABLE shop.purchase OWNER TO halfway; ALTER TABLE shop.purchase_line OWNER TO halfway; "
                           "ALTER TABLE shop.visit OWNER TO halfway")
    yield migration
    migration.kill()
    for url, roles in ((migration.legacy, ["halfway", "shop_owner"]), (migration.new, ["halfway"])):
        for role in roles:
            execute(url, f"REASSIGN OWNED BY {role} TO postgres; DROP OWNED BY {role}")
        execute(url, f"DROP ROLE {', '.join(roles)}")


def remedies_for(said, database):
    """The statements that `check --connect` prints for one side, behind each warning of a handover."""
    lines = said.splitlines()
    return [lines[at + 1].strip() for at, line in enumerate(lines[:-1])
            if line.startswith(f"warning {database}") and "a later handover" in line]


def test_who_may_mirror_is_told_what_a_handover_needs_beyond_that(one_sided_role):
    code, said = check(one_sided_role)
    assert code == 0, said
    for missing in ("new    mirroring works, but a later handover does not: role halfway may not read the log",
                    "legacy mirroring works, but a later handover does not: role halfway may not mark its writes",
                    "legacy mirroring works, but a later handover does not: role halfway may not set session_replication_role",
                    "may not write public.visits, as the stream back has to"):
        assert missing in said, said
    assert "may not write public.customers" not in said


def test_a_handover_without_them_is_refused_before_anything_is_touched(one_sided_role):
    migration = one_sided_role
    migration.up().advance("customer")
    migration.wait_until_backfilled()
    migration.prove_equal("--entity", "customer")
    refused = migration.oxbow("advance", "customer", "--to", "new-write", "--wait", check=False)
    assert refused.returncode != 0
    for said in ("nothing was changed in either database", "may not read the log", "ALTER ROLE", "may not mark its writes",
                 "may not write public.visits"):
        assert said in refused.stderr, refused.stderr
    for url in (migration.legacy, migration.new):
        assert execute(url, "SELECT count(*) FROM pg_trigger WHERE tgname LIKE '~oxbow%'") == [(0,)]


def test_the_statements_that_are_printed_are_the_ones_that_are_missing(one_sided_role):
    _, said = check(one_sided_role)
    for side, url in (("legacy", one_sided_role.legacy), ("new", one_sided_role.new)):
        statements = remedies_for(said, side)
        assert statements
        for statement in statements:
            execute(url, statement)
    code, said = check(one_sided_role)
    assert code == 0 and "a later handover" not in said


def test_a_trigger_behind_the_guards_is_named_with_its_new_name_to_come(make_shop, databases):
    migration = make_shop(databases.legacy, databases.new)
    for url, table in ((migration.legacy, "customers"), (migration.new, "shop.customer")):
        execute(url, "CREATE FUNCTION public.nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'")
        execute(url, f'CREATE TRIGGER "~~zeal" BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION public.nothing()')
        execute(url, f'CREATE TRIGGER audit BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION public.nothing()')
    code, said = check(migration)
    assert code == 0 and said.count("would fire behind the guard") == 2 and "trigger audit" not in said
    assert 'ALTER TRIGGER "~~zeal" ON "public"."customers" RENAME TO ...;' in said


def test_a_new_side_without_a_logical_log_is_good_enough_for_a_mirror(make_shop):
    with Cluster() as legacy, Cluster({"wal_level": "replica", "max_replication_slots": "20"}) as new:
        migration = make_shop(legacy.create_database("legacy"), new.create_database("new"))
        code, said = check(migration)
        assert code == 0 and "a later handover does not: wal_level is replica" in said
        migration.up().advance("customer")
        migration.wait_until_backfilled()
        migration.prove_equal()
        migration.kill()


def test_a_new_table_with_another_form_of_the_key_of_its_entity_can_be_mirrored_but_not_guarded(make_shop, databases):
    migration = make_shop(databases.legacy, databases.new)
    execute(migration.new, "ALTER TABLE shop.visit RENAME customer_id TO customer_in_tenths")
    with open(os.path.join(migration.directory, "oxbow.yaml"), encoding="utf-8") as file:
        spec = file.read()
    migration.write_spec(spec.replace("{ visit_id: id }", '{ visit_id: id, customer_id: { to: customer_in_tenths, scale: 10 } }'))
    code, said = check(migration)
    assert code == 0 and "a later handover of customer does not: shop.visit does not hold customer_id" in said, said
