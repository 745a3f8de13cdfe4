"""Authority moves to the new side and back, cohort by cohort, while people write."""

import psycopg2
import pytest

import shop
from cluster import execute
from handover import COHORTS, PILOT, REST, move, moved_shop, state_of, write_legacy, write_new  # noqa: F401


def test_a_cohort_moves_there_and_back_and_each_side_refuses_what_is_not_its_own(moved_shop):
    migration = moved_shop
    assert move(migration, "advance", "pilot", "new-write")["epoch"] == 2

    write_new(migration, PILOT, "written on the new side")
    write_legacy(migration, REST, "written on legacy")
    with pytest.raises(psycopg2.Error) as refused:
        write_legacy(migration, PILOT, "too late")
    assert refused.value.pgcode == "OX001" and "the new side" in str(refused.value) and "team-shop" in str(refused.value)
    with pytest.raises(psycopg2.Error) as refused:
        write_new(migration, REST, "too early")
    assert refused.value.pgcode == "OX001"
    migration.wait_until_equal()
    assert execute(migration.legacy, f"SELECT note FROM customers WHERE customer_id = {PILOT}") == [("written on the new side",)]
    migration.prove_equal()

    assert move(migration, "rollback", "pilot", "mirrored")["epoch"] == 3
    write_legacy(migration, PILOT, "back again")
    with pytest.raises(psycopg2.Error):
        write_new(migration, PILOT, "too late here")
    migration.wait_until_equal()
    assert migration.findings() == []


def test_rows_that_are_born_on_the_new_side_come_to_legacy(moved_shop):
    migration = moved_shop
    move(migration, "advance", "pilot", "new-write")
    execute(migration.new, f"INSERT INTO shop.purchase VALUES (777777, {PILOT}, 1250, 'paid', now(), '{{}}')")
    execute(migration.new, f"DELETE FROM shop.customer WHERE id = 3")
    migration.wait_until_equal()
    assert execute(migration.legacy, "SELECT amount, state FROM orders WHERE order_id = 777777") == [(12.5, "P")]


def test_what_has_never_been_verified_is_not_handed_over(databases, make_shop):
    migration = make_shop(databases.legacy, databases.new, cohorts=COHORTS)
    migration.up().advance("customer")
    migration.wait_until_backfilled()
    refused = migration.oxbow("advance", "customer", "--cohort", "pilot", "--to", "new-write", check=False)
    assert refused.returncode != 0 and "oxbow verify --entity customer" in refused.stderr


def test_no_write_is_lost_while_a_cohort_goes_there_and_back_many_times(moved_shop):
    """The shop writes both sides all the time and takes a refusal for what it is."""
    migration = moved_shop
    with shop.Workload(migration.legacy, rows=2000):
        for _ in range(5):
            migration.prove_equal()
            move(migration, "advance", "pilot", "new-write")
            write_new(migration, PILOT, "there")
            move(migration, "rollback", "pilot", "mirrored")
            write_legacy(migration, PILOT, "back")
    migration.wait_until_equal()


def test_a_restart_goes_on_where_the_authority_is(moved_shop):
    migration = moved_shop
    move(migration, "advance", "pilot", "new-write")
    migration.kill()
    write_new(migration, PILOT, "written while oxbow was away")
    migration.up()
    migration.wait_until_equal()
    move(migration, "rollback", "pilot", "mirrored")
    write_legacy(migration, PILOT, "home again")
    migration.wait_until_equal()


def test_reads_move_without_the_authority_and_the_end_is_the_end(moved_shop):
    migration = moved_shop
    assert move(migration, "advance", "pilot", "new-write")["epoch"] == 2
    assert move(migration, "advance", "pilot", "new-read")["epoch"] == 2
    assert move(migration, "rollback", "pilot", "new-write")["epoch"] == 2
    move(migration, "advance", "pilot", "new-read")
    move(migration, "advance", "pilot", "fully-cutover")
    write_new(migration, PILOT, "only here")
    refused = migration.oxbow("rollback", "customer", "--cohort", "pilot", "--to", "new-read", check=False)
    assert refused.returncode != 0 and "forward" in refused.stderr


def test_what_was_written_since_the_verification_is_looked_at_again(moved_shop):
    """A wrong row on the new side that the last verification cannot have seen keeps the writes where they are."""
    migration = moved_shop
    write_legacy(migration, PILOT, "right")
    migration.wait_until_equal()
    execute(migration.new, f"SET session_replication_role = replica; UPDATE shop.customer SET note = 'wrong' WHERE id = {PILOT}")
    refused = migration.oxbow("advance", "customer", "--cohort", "pilot", "--to", "new-write", "--wait", check=False)
    assert refused.returncode == 24 and "written since the last verification" in refused.stderr, refused.stderr
    assert state_of(migration, "pilot")["state"] == "mirrored" and migration.findings("divergence")
    write_legacy(migration, PILOT, "legacy is home as before")


def test_a_table_that_was_emptied_since_the_verification_is_looked_at_as_a_whole(moved_shop):
    migration = moved_shop
    execute(migration.legacy, "TRUNCATE visits")
    migration.wait_until_equal()
    stray = f"SET session_replication_role = replica; INSERT INTO shop.visit VALUES (1, {PILOT}, '/nobody')"
    execute(migration.new, stray)
    refused = migration.oxbow("advance", "customer", "--cohort", "pilot", "--to", "new-write", "--wait", check=False)
    assert refused.returncode == 24, refused.stderr
    assert state_of(migration, "pilot")["last_failure"]["code"] == "differs" and "given up" in migration.oxbow("status").stdout
    execute(migration.new, "SET session_replication_role = replica; DELETE FROM shop.visit")
    migration.prove_equal()
    assert state_of(migration, "pilot")["last_failure"] is None, "what was wrong is not wrong any more"
    assert "given up" not in migration.oxbow("status").stdout
    move(migration, "advance", "pilot", "new-write")
    migration.wait_until_equal()


def test_what_differs_is_shown_in_the_terms_of_the_new_side_whoever_is_home(moved_shop):
    migration = moved_shop
    move(migration, "advance", "pilot", "new-write")
    broken = "UPDATE orders SET state = 'X', amount = 0.07 WHERE order_id = 1; DELETE FROM orders WHERE order_id = 2"
    execute(migration.legacy, f"SET session_replication_role = replica; {broken}")
    report, _ = migration.verify("--entity", "customer")
    found = {(each["table"], each["key"]): each["detail"].split("\n") for each in report["divergences"]}
    [(amount, status)] = execute(migration.new, "SELECT amount_minor, status FROM shop.purchase WHERE id = 1")
    assert found["shop.purchase", "id=1"] == [f"amount_minor: legacy '7', new '{amount}'", f"status: legacy 'cancelled', new '{status}'"]
    missing = found["shop.purchase", "id=2"]
    assert missing[0] == "id: legacy (no row), new '2'" and "public.orders lacks a row of shop.purchase" in migration.oxbow("findings").stdout
    assert len(found) == 2
