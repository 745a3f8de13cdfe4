"""Ways around the guards, which were found and mended."""

import psycopg2
import pytest

from cluster import execute
from handover import COHORTS, PILOT, REST, move, moved_shop, state_of, write_legacy, write_new  # noqa: F401
from psql import Psql

ADVANCE = ("advance", "customer", "--cohort", "pilot", "--to", "new-write")


@pytest.fixture
def guarded_shop(moved_shop):  # noqa: F811
    """Guards stand on both sides; pilot went to the new side, and came back."""
    move(moved_shop, "advance", "pilot", "new-write")
    move(moved_shop, "rollback", "pilot", "mirrored")
    moved_shop.wait_until_equal()
    moved_shop.prove_equal()
    return moved_shop


def outcome(write):
    """"" if it passes, else its SQLSTATE."""
    try:
        write()
    except psycopg2.Error as refused:
        return refused.pgcode
    return ""


def on_legacy(migration, key=PILOT):
    return outcome(lambda: write_legacy(migration, key, "who takes this?"))


# Guards that are switched off, or dropped.


def test_guards_that_are_off_when_a_handover_begins_are_switched_on(guarded_shop):
    execute(guarded_shop.legacy, "ALTER TABLE customers DISABLE TRIGGER USER")
    move(guarded_shop, "advance", "pilot", "new-write")
    assert on_legacy(guarded_shop) == "OX001"
    write_new(guarded_shop, PILOT, "at home")


def test_a_handover_whose_guards_were_switched_off_meanwhile_leads_back(guarded_shop):
    migration = guarded_shop
    with Psql(migration.legacy) as writer:
        writer.run(f"BEGIN; UPDATE customers SET note = 'long' WHERE customer_id = {PILOT}")
        migration.oxbow(*ADVANCE)
        migration.wait_until(lambda: "old program" in (state_of(migration, "pilot")["waits_for"] or ""), 30, "it waits for the writer")
        execute(migration.legacy, "ALTER TABLE orders DISABLE TRIGGER USER")
        writer.run("COMMIT")
    migration.wait_until(lambda: not state_of(migration, "pilot")["moving_to"], 30, "the handover has ended")
    now = state_of(migration, "pilot")
    assert now["state"] == "mirrored" and "orders on the legacy side was switched off" in str(now), now
    assert on_legacy(migration) == ""
    migration.wait_until_equal()


def test_a_guard_that_somebody_drops_is_a_finding_and_put_back(moved_shop):  # noqa: F811
    migration = moved_shop
    move(migration, "advance", "pilot", "new-write")
    (name,), *_ = execute(migration.legacy, "SELECT tgname FROM pg_trigger WHERE tgrelid = 'customers'::regclass AND tgname ~ 'update$'")
    execute(migration.legacy, f'DROP TRIGGER "{name}" ON customers; ALTER TABLE orders DISABLE TRIGGER ALL')
    migration.wait_until(lambda: len(migration.findings("guard-lost")) == 2, 20, "both are findings")
    assert {finding["key"] for finding in migration.findings("guard-lost")} == \
        {"public.customers on the legacy side", "public.orders on the legacy side"}
    assert on_legacy(migration) == "OX001"
    assert outcome(lambda: execute(migration.legacy, f"DELETE FROM orders WHERE customer_id = {PILOT}")) == "OX001"


# Who may write, and how.


@pytest.fixture
def clerk(databases):
    """Somebody who may write all tables of legacy. Functions there are not everybody's."""
    name = f"clerk_{databases.names[0]}"
    execute(databases.legacy, "ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC")
    execute(databases.legacy, f"CREATE ROLE {name} LOGIN; CREATE SCHEMA {name} AUTHORIZATION {name};"
                              f"ALTER DEFAULT PRIVILEGES GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {name}")
    yield databases.legacy.replace("postgres@", f"{name}@"), name
    execute(databases.legacy, "ALTER DEFAULT PRIVILEGES GRANT EXECUTE ON FUNCTIONS TO PUBLIC")
    execute(databases.legacy, f"DROP OWNED BY {name} CASCADE; DROP ROLE {name}")


def test_where_functions_are_not_everybodys_a_writer_is_told_the_new_home(clerk, moved_shop):  # noqa: F811
    url, _ = clerk
    move(moved_shop, "advance", "pilot", "new-write")
    assert outcome(lambda: execute(url, f"UPDATE customers SET note = 'c' WHERE customer_id = {PILOT}")) == "OX001"
    assert outcome(lambda: execute(url, f"UPDATE customers SET note = 'c' WHERE customer_id = {REST}")) == ""


@pytest.mark.parametrize("sly", [
    "CREATE FUNCTION {0}.pg_sequence_last_value(regclass) RETURNS bigint LANGUAGE sql AS 'SELECT 0::bigint'",
    "CREATE FUNCTION {0}.zero(bigint, int) RETURNS bigint LANGUAGE sql AS 'SELECT 0::bigint';"
    "CREATE OPERATOR {0}.& (FUNCTION = {0}.zero, LEFTARG = bigint, RIGHTARG = int)"])
def test_what_a_writer_has_in_his_search_path_opens_no_guard(clerk, moved_shop, sly):  # noqa: F811
    url, name = clerk
    move(moved_shop, "advance", "pilot", "new-write")
    execute(url, sly.format(name))
    write = f"SET search_path = {name}, pg_catalog, public; UPDATE customers SET note = 'sly' WHERE customer_id = {PILOT}"
    assert outcome(lambda: execute(url, write)) == "OX001"


def test_a_table_that_inherits_and_comes_later_is_guarded(moved_shop):  # noqa: F811
    migration = moved_shop
    move(migration, "advance", "pilot", "new-write")
    execute(migration.legacy, "CREATE TABLE customers_2027 () INHERITS (customers)")
    write = f"INSERT INTO customers_2027 (customer_id, email, name, tier) VALUES ({PILOT}, 'e@e', 'n', 'S')"
    migration.wait_until(lambda: outcome(lambda: execute(migration.legacy, f"BEGIN; {write}; ROLLBACK")) == "OX001", 10,
                         "it takes no rows of a cohort that is at home elsewhere")


# Who goes around a guard that stands.


@pytest.mark.parametrize("side", ["legacy", "new"])
def test_a_write_around_a_guard_is_a_rogue_write(guarded_shop, side):
    migration = guarded_shop
    move(migration, "advance", "pilot", "new-write")
    write_new(migration, PILOT, "at home")
    write_legacy(migration, REST, "at home")
    migration.wait_until_equal()
    assert migration.findings("rogue-write") == []
    around = "SET session_replication_role = replica; UPDATE {} SET note = 'rogue' WHERE {} = {}"
    if side == "legacy":
        execute(migration.legacy, around.format("customers", "customer_id", PILOT))
    else:
        execute(migration.new, around.format("shop.customer", "id", REST))
    migration.wait_until(lambda: migration.findings("rogue-write"), 20, "somebody is told")
    finding, = migration.findings("rogue-write")
    scope = "customer/pilot is at home on the new side" if side == "legacy" else "customer/rest is at home on the legacy side"
    assert scope in finding["sentence"], finding
    key = str(PILOT if side == "legacy" else REST)
    assert finding["key"].endswith("=" + key) and "around its guard" in migration.oxbow("why", key).stdout


# Tables that come and go in the spec.

VISITS = """      - legacy: public.visits
        new: shop.visit
        columns: { visit_id: id }
"""


@pytest.mark.parametrize("change", ["comes in at the end", "comes in at the front", "goes out"])
def test_a_spec_with_other_tables_is_refused_while_a_cohort_is_at_home_on_the_new_side(databases, make_shop, change):
    migration = make_shop(databases.legacy, databases.new, cohorts=COHORTS)
    with open(f"{migration.directory}/oxbow.yaml", encoding="utf-8") as file:
        whole = file.read()
    assert VISITS in whole
    without = whole.replace(VISITS, "")
    before, after = (whole, without) if change == "goes out" else (without, whole)
    if change == "comes in at the front":
        after = without.replace("    tables:\n", "    tables:\n" + VISITS, 1)
    migration.write_spec(before)
    migration.up().advance("customer")
    migration.wait_until_backfilled()
    migration.prove_equal()
    move(migration, "advance", "pilot", "new-write")
    migration.stop()
    migration.write_spec(after)
    migration.up(wait=False)
    assert migration.wait_for_exit(20) == 44
    assert "public.visits has " in migration.log() and "oxbow rollback customer --to mirrored" in migration.log()
    migration.write_spec(before)
    migration.up()
    write_new(migration, PILOT, "at home")
    migration.wait_until(lambda: execute(migration.legacy, f"SELECT note FROM customers WHERE customer_id = {PILOT}") == [("at home",)],
                         20, "it goes on as before")
