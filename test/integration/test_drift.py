"""What a schema change, or an event that the log does not tell, does to a stream: seen within 10 s, never passed over."""

import os

import pytest

from cluster import execute
from migration import Migration
from oracle import Comparison

SPEC = """
migration: zoo
owners: {{ legacy: team-a, new: team-b, coexistence: team-c }}
systems:
  legacy: {{ database: "{legacy}" }}
  new: {{ database: "{new}" }}
entities:
  animal:
    key: id
    tables: [ {{ legacy: public.zoo, new: public.zoo }} ]
limits: {{ on_ddl: {on_ddl} }}
"""

QUIET = "WITH (autovacuum_enabled = off)"  # an ANALYZE right behind a TRUNCATE would blur what happened
COLUMNS = "id integer, region text, value integer, PRIMARY KEY (id, region)"
PARTITIONED = f"""
CREATE TABLE zoo ({COLUMNS}) PARTITION BY LIST (region);
CREATE TABLE zoo_north PARTITION OF zoo FOR VALUES IN ('north') {QUIET};
CREATE TABLE zoo_south PARTITION OF zoo FOR VALUES IN ('south') PARTITION BY RANGE (id);
CREATE TABLE zoo_south_low PARTITION OF zoo_south FOR VALUES FROM (0) TO (500) {QUIET};
CREATE TABLE zoo_south_high PARTITION OF zoo_south FOR VALUES FROM (500) TO (100000) {QUIET};
"""
REGIONS = "INSERT INTO zoo SELECT i, CASE i % 2 WHEN 0 THEN 'north' ELSE 'south' END, i FROM generate_series(1, 1000) AS i"

WITHIN_S = 10


@pytest.fixture
def make_zoo(tmp_path, databases):
    """A partitioned table that goes into a plain one, mirrored."""
    made = []

    def make(on_ddl="pause", legacy=PARTITIONED):
        execute(databases.legacy, legacy + REGIONS)
        execute(databases.new, f"CREATE TABLE zoo ({COLUMNS})")
        spec = SPEC.format(legacy=databases.legacy, new=databases.new, on_ddl=on_ddl)
        query = "SELECT * FROM zoo"
        migration = Migration(tmp_path, spec, databases.legacy, databases.new, [Comparison("zoo", query, query, key=2)])
        made.append(migration)
        migration.up().advance("animal")
        migration.wait_until_backfilled()
        migration.wait_until_equal()
        return migration

    yield make
    for migration in made:
        migration.kill()


def happens(migration, act, when):
    """While oxbow looks on, or while it is down. VACUUM wants to be alone in its statement."""
    if when == "away":
        migration.wait_until(lambda: knows_all_files(migration), WITHIN_S, "oxbow knows what is there")
        migration.kill()
    for statement in act if isinstance(act, tuple) else (act,):
        execute(migration.legacy, statement)
    if when == "away":
        migration.up()


def phase(migration):
    return migration.status()["stream"]["phase"]


def wait_for_drift(migration, *words):
    def found():
        return [finding for finding in migration.findings("drift") if all(word in finding["sentence"] for word in words)]
    migration.wait_until(found, WITHIN_S, f"a finding says {words}")
    return found()[0]


def wait_until_stopped(migration, *words):
    """What stops a stream on its way up is said of its cohorts, for there is no stream then."""
    def stopped():
        text = migration.oxbow("status").stdout
        return phase(migration) in ("failed", "none") and all(word in text for word in words)
    migration.wait_until(stopped, WITHIN_S, f"the stream stops and says {words}")


def knows_all_files(migration):
    """What oxbow remembers of the partitions is what is there now, so it has judged whatever happened before."""
    there = execute(migration.legacy, """SELECT c.oid::bigint, CASE c.relkind WHEN 'r' THEN c.relfilenode::bigint ELSE 0 END
                                         FROM pg_partition_tree('zoo') JOIN pg_class c ON c.oid = relid ORDER BY 1""")
    there = there or execute(migration.legacy, "SELECT oid::bigint, relfilenode::bigint FROM pg_class WHERE oid = 'zoo'::regclass")
    return execute(migration.new, "SELECT oid, file FROM oxbow.part ORDER BY 1") == there


def mirror_anew(migration):
    migration.roll_back("animal")
    migration.advance("animal")
    migration.wait_until_backfilled()
    migration.wait_until_equal()
    migration.prove_equal()


# What the log does not tell, and the partition that a finding has to name.
UNTOLD = {
    "truncate": ("zoo_north", "TRUNCATE zoo_north"),
    "truncate and load": ("zoo_north", "TRUNCATE zoo_north; INSERT INTO zoo VALUES (2, 'north', 0)", "ANALYZE zoo_north"),
    "truncate of a branch": ("zoo_south_low", "TRUNCATE zoo_south"),
    "truncate of all, one by one": ("zoo_north", "TRUNCATE zoo_north", "TRUNCATE zoo_south_low", "TRUNCATE zoo_south_high"),
    "drop": ("zoo_south_low", "DROP TABLE zoo_south_low"),
    "detach": ("zoo_north", "ALTER TABLE zoo DETACH PARTITION zoo_north"),
    "detach of a branch": ("zoo_south_high", "ALTER TABLE zoo DETACH PARTITION zoo_south"),
    "away for a moment": ("zoo_north", "ALTER TABLE zoo DETACH PARTITION zoo_north", "UPDATE zoo_north SET value = -1",
                          "ALTER TABLE zoo ATTACH PARTITION zoo_north FOR VALUES IN ('north')"),
    "attach": ("zoo_east", f"CREATE TABLE zoo_east ({COLUMNS})", "INSERT INTO zoo_east VALUES (5000, 'east', 1)",
               "ALTER TABLE zoo ATTACH PARTITION zoo_east FOR VALUES IN ('east')"),
    "attach in one go": ("zoo_east", f"""CREATE TABLE zoo_east ({COLUMNS}); INSERT INTO zoo_east VALUES (5000, 'east', 1);
                         ALTER TABLE zoo ATTACH PARTITION zoo_east FOR VALUES IN ('east')"""),
    "attach of a branch": ("zoo_east_all", f"""CREATE TABLE zoo_east ({COLUMNS}) PARTITION BY RANGE (id);
                           CREATE TABLE zoo_east_all PARTITION OF zoo_east DEFAULT; INSERT INTO zoo_east VALUES (5000, 'east', 1);
                           ALTER TABLE zoo ATTACH PARTITION zoo_east FOR VALUES IN ('east')"""),
    "rewrite": ("zoo_north", "ALTER TABLE zoo ALTER value TYPE integer USING value * 2"),
}


@pytest.mark.parametrize("when", ["running", "away"])
@pytest.mark.parametrize("act", UNTOLD)
def test_what_happens_to_a_partition_without_a_word_in_the_log_stops_the_stream(make_zoo, act, when):
    migration = make_zoo()
    partition, *statements = UNTOLD[act]
    happens(migration, tuple(statements), when)
    finding = wait_for_drift(migration, "public.zoo on the legacy side", partition)
    assert "roll every mirrored cohort of it back to `legacy` and advance it again" in finding["sentence"]
    wait_until_stopped(migration, "public.zoo")
    mirror_anew(migration)


def test_a_stream_that_may_go_on_tells_what_it_cannot_follow_and_goes_on(make_zoo):
    migration = make_zoo(on_ddl="continue")
    execute(migration.legacy, "TRUNCATE zoo_north")
    wait_for_drift(migration, "zoo_north was emptied by TRUNCATE")
    execute(migration.legacy, "UPDATE zoo SET value = -7 WHERE id = 501")
    migration.wait_until(lambda: execute(migration.new, "SELECT value FROM zoo WHERE id = 501") == [(-7,)], 10, "the stream runs")
    assert phase(migration) == "running"
    assert migration.verify()[1] == 50


def test_who_resumes_has_seen_it_and_is_told_of_the_next_one(make_zoo):
    migration = make_zoo()
    execute(migration.legacy, "DROP TABLE zoo_north")
    wait_until_stopped(migration, "zoo_north")
    migration.oxbow("resume")
    migration.wait_until(lambda: phase(migration) == "running", 20, "the stream runs again")
    execute(migration.legacy, "DROP TABLE zoo_south_low")
    wait_until_stopped(migration, "zoo_south_low")


# What changes files, links or descriptions, and no row beside those in the log.
TOLD = {
    "truncate": "TRUNCATE zoo",
    "truncate and load": "TRUNCATE zoo; INSERT INTO zoo VALUES (2, 'north', 0)",
    "truncate again and again": ("TRUNCATE zoo", "INSERT INTO zoo VALUES (2, 'north', 0)", "TRUNCATE zoo", REGIONS, "TRUNCATE zoo"),
    "vacuum full": "VACUUM FULL ANALYZE zoo",
    "cluster": ("CLUSTER zoo_north USING zoo_north_pkey", "ALTER TABLE zoo_south_low SET (fillfactor = 50)"),
    "new partition": "CREATE TABLE zoo_east PARTITION OF zoo FOR VALUES IN ('east'); INSERT INTO zoo VALUES (5000, 'east', 1)",
    "new branch": ("CREATE TABLE zoo_east PARTITION OF zoo FOR VALUES IN ('east') PARTITION BY RANGE (id)",
                   "CREATE TABLE zoo_east_all PARTITION OF zoo_east DEFAULT; INSERT INTO zoo VALUES (5000, 'east', 1)"),
    "attach before the first row": (f"CREATE TABLE zoo_east ({COLUMNS})",
                                    "ALTER TABLE zoo ATTACH PARTITION zoo_east FOR VALUES IN ('east')",
                                    "INSERT INTO zoo VALUES (5000, 'east', 1)"),
    "description": ("ALTER TABLE zoo ALTER value SET DEFAULT 1", "ALTER TABLE zoo_north ALTER value SET STATISTICS 10",
                    "CREATE INDEX ON zoo (value)", "ANALYZE zoo"),
}


@pytest.mark.parametrize("when", ["running", "away"])
@pytest.mark.parametrize("act", TOLD)
def test_what_the_log_tells_or_what_changes_no_row_is_no_finding(make_zoo, act, when):
    migration = make_zoo()
    happens(migration, TOLD[act], when)
    migration.wait_until(lambda: knows_all_files(migration), 20, "oxbow has looked")
    migration.wait_until(lambda: phase(migration) == "running", 20, "the stream runs")
    migration.wait_until_equal()
    assert migration.findings() == []


# Harmless or not, nobody can tell: somebody has to verify, and the stream goes on.
DOUBTFUL = {
    "vacuum full of an empty partition": ("DELETE FROM zoo WHERE region = 'north'", "VACUUM FULL zoo_north"),
    "truncate in a savepoint": "BEGIN; INSERT INTO zoo VALUES (2000, 'north', 1); SAVEPOINT here; TRUNCATE zoo; COMMIT",
}


@pytest.mark.parametrize("act", DOUBTFUL)
def test_what_may_have_changed_rows_asks_for_a_verification_and_the_stream_goes_on(make_zoo, act):
    migration = make_zoo()
    happens(migration, DOUBTFUL[act], "running")
    wait_for_drift(migration, "zoo_north", "run `oxbow verify`")
    migration.wait_until(lambda: knows_all_files(migration), 20, "oxbow has looked")
    assert phase(migration) == "running"
    migration.wait_until_equal()
    migration.prove_equal()


PLAIN = f"CREATE TABLE zoo ({COLUMNS});"


@pytest.mark.parametrize("when", ["running", "away"])
def test_new_values_of_the_same_type_stop_the_stream(make_zoo, when):
    migration = make_zoo(legacy=PLAIN)
    happens(migration, "ALTER TABLE zoo ALTER value TYPE integer USING value * 2", when)
    wait_for_drift(migration, "all rows of public.zoo were written anew")
    wait_until_stopped(migration, "public.zoo")
    mirror_anew(migration)


@pytest.mark.parametrize("act", ["VACUUM FULL zoo", "CLUSTER zoo USING zoo_pkey", "TRUNCATE zoo", "ALTER TABLE zoo SET TABLESPACE pg_default"])
def test_a_new_file_of_a_plain_table_is_no_finding(make_zoo, act):
    migration = make_zoo(legacy=PLAIN)
    happens(migration, act, "running")
    migration.wait_until(lambda: knows_all_files(migration), 20, "oxbow has looked")
    migration.wait_until(lambda: phase(migration) == "running", 20, "the stream runs")
    migration.wait_until_equal()
    assert migration.findings() == []


@pytest.mark.parametrize("on_ddl", ["pause", "continue"])
def test_a_table_made_anew_while_oxbow_was_away_is_not_taken_for_the_old_one(make_zoo, on_ddl):
    migration = make_zoo(on_ddl=on_ddl, legacy=PLAIN)
    happens(migration, f"DROP TABLE zoo; {PLAIN} INSERT INTO zoo VALUES (1, 'new', 1)", "away")
    wait_for_drift(migration, "public.zoo", "made anew")
    wait_until_stopped(migration, "made anew")
    migration.oxbow("resume")
    wait_until_stopped(migration, "made anew")
    mirror_anew(migration)


# Schema changes of either side: act, what the finding has to name, and what a stream that may go on does with the next
# change of a row: it "follows", or "stops" because the row does not fit any more, or was "gone" with its table at once.
SCHEMA_CHANGES = {
    "legacy adds a column": ("legacy", "ALTER TABLE orders ADD COLUMN coupon text", ["public.orders", "coupon", "new"], "follows"),
    "legacy drops a column": ("legacy", "ALTER TABLE orders DROP COLUMN doc", ["public.orders", "doc", "gone"], "stops"),
    "legacy widens a column": ("legacy", "ALTER TABLE orders ALTER amount TYPE numeric(14, 2)",
                               ["public.orders", "amount", "numeric(12,2)", "numeric(14,2)"], "follows"),
    "legacy changes a type": ("legacy", "ALTER TABLE orders ALTER amount TYPE bigint",
                              ["public.orders", "amount", "numeric(12,2)", "bigint"], "stops"),
    "legacy renames a table": ("legacy", "ALTER TABLE orders RENAME TO old_orders", ["public.orders", "gone"], "gone"),
    "new adds a column": ("new", "ALTER TABLE shop.purchase ADD COLUMN coupon text", ["shop.purchase", "coupon", "new"], "follows"),
    "new drops a column": ("new", "ALTER TABLE shop.purchase DROP COLUMN doc", ["shop.purchase", "doc", "gone"], "stops"),
    "new changes a type": ("new", "ALTER TABLE shop.purchase ALTER amount_minor TYPE numeric",
                           ["shop.purchase", "amount_minor", "bigint", "numeric"], "follows"),
    "new renames a table": ("new", "ALTER TABLE shop.purchase RENAME TO bought", ["shop.purchase", "gone"], "stops"),
}


@pytest.fixture(params=SCHEMA_CHANGES)
def schema_change(request):
    return SCHEMA_CHANGES[request.param]


def mirrored_shop(databases, make_shop, on_ddl):
    migration = make_shop(databases.legacy, databases.new, extra=f"limits: {{ on_ddl: {on_ddl} }}")
    migration.up().advance("customer")
    migration.wait_until_backfilled()
    return migration


def test_a_schema_change_stops_a_stream_that_must_pause(databases, make_shop, schema_change):
    side, act, words, _ = schema_change
    migration = mirrored_shop(databases, make_shop, "pause")
    execute(getattr(migration, side), act)
    wait_for_drift(migration, *words)
    wait_until_stopped(migration, words[0])


def test_a_schema_change_is_shown_by_a_stream_that_may_go_on_for_as_long_as_rows_fit(databases, make_shop, schema_change):
    side, act, words, then = schema_change
    migration = mirrored_shop(databases, make_shop, "continue")
    execute(getattr(migration, side), act)
    wait_for_drift(migration, *words)
    if then == "gone":
        return wait_until_stopped(migration, words[0])
    assert phase(migration) == "running"
    execute(migration.legacy, "UPDATE orders SET amount = 77 WHERE order_id = 7")
    if then == "follows":
        query = "SELECT amount_minor::bigint FROM shop.purchase WHERE id = 7"
        migration.wait_until(lambda: execute(migration.new, query) == [(7700,)], 10, "the row arrives")
        assert phase(migration) == "running"
    else:
        wait_until_stopped(migration)


def add_a_column_while_orders_change(migration):
    """What the log has of the table before and after the change is read by the stream that comes next."""
    migration.kill()
    execute(migration.legacy, "UPDATE orders SET amount = 71 WHERE order_id = 7")
    execute(migration.legacy, "ALTER TABLE orders ADD COLUMN gift boolean DEFAULT false")
    execute(migration.legacy, "UPDATE orders SET amount = 72, gift = true WHERE order_id = 8")


def amounts(migration):
    return execute(migration.new, "SELECT amount_minor::bigint FROM shop.purchase WHERE id IN (7, 8) ORDER BY id")


def rewrite_spec(migration, old, new):
    path = os.path.join(migration.directory, "oxbow.yaml")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    assert old in text
    migration.write_spec(text.replace(old, new))


def test_a_stream_goes_on_without_a_new_copy_once_the_spec_drops_the_new_column(databases, make_shop):
    migration = mirrored_shop(databases, make_shop, "pause")
    execute(migration.legacy, "ALTER TABLE orders ADD COLUMN gift boolean DEFAULT false; UPDATE orders SET amount = 70 WHERE order_id = 7")
    wait_for_drift(migration, "gift")
    wait_until_stopped(migration, "gift", "start `oxbow up` again")
    assert "start `oxbow up` again" in migration.oxbow("resume").stdout
    execute(migration.legacy, "ALTER TABLE orders DROP COLUMN gift")
    add_a_column_while_orders_change(migration)
    rewrite_spec(migration, "order_id: id", "order_id: id\n          gift: { drop: true, why: not needed }")
    copied = execute(migration.new, "SELECT sum(row_count) FROM oxbow.range")
    migration.up()
    migration.wait_until(lambda: amounts(migration) == [(7100,), (7200,)], 20, "both changes arrive")
    assert execute(migration.new, "SELECT sum(row_count) FROM oxbow.range") == copied
    migration.prove_equal()


def test_a_new_column_that_is_mapped_later_asks_for_a_new_mirror(databases, make_shop):
    migration = mirrored_shop(databases, make_shop, "pause")
    add_a_column_while_orders_change(migration)
    execute(migration.new, "ALTER TABLE shop.purchase ADD COLUMN gift boolean")
    migration.up()
    wait_until_stopped(migration, "public.orders.gift is mapped now", "roll every mirrored cohort of customer back")
    assert "is gone" not in migration.oxbow("status").stdout


def test_entities_move_both_ways_beside_a_new_column_that_a_stream_may_pass_over(databases, make_shop):
    migration = mirrored_shop(databases, make_shop, "continue")
    add_a_column_while_orders_change(migration)
    migration.up()
    migration.wait_until(lambda: amounts(migration) == [(7100,), (7200,)], 20, "both changes arrive")
    wait_for_drift(migration, "public.orders.gift", "left out")
    migration.roll_back("customer")


@pytest.mark.parametrize("act", ["ALTER TABLE orders ADD COLUMN gift boolean", "ALTER TABLE orders RENAME TO old_orders"])
def test_the_way_back_is_open_though_the_spec_does_not_fit_any_more(databases, make_shop, act):
    migration = mirrored_shop(databases, make_shop, "pause")
    migration.kill()
    execute(migration.legacy, act)
    migration.up()
    wait_until_stopped(migration, "public.orders")
    migration.roll_back("customer")
    assert execute(migration.legacy, "SELECT count(*) FROM pg_replication_slots WHERE database = current_database()") == [(0,)]
