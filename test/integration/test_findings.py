"""What somebody has to look at is found, named and kept, and nothing is overwritten silently."""

import signal

import pytest

import shop
from cluster import execute
from migration import Migration


@pytest.fixture
def mirrored(shop_migration):
    shop_migration.up().advance("customer")
    shop_migration.wait_until_backfilled()
    shop_migration.wait_until_equal()
    return shop_migration


def wait_for_finding(migration, kind, seconds, holds=lambda finding: True):
    migration.wait_until(lambda: any(map(holds, migration.findings(kind))), seconds, f"a finding of kind {kind}")
    return next(filter(holds, migration.findings(kind)))


def words(finding):
    """All that a finding tells, in one text."""
    return " ".join(finding[field] or "" for field in ("entity", "table", "key", "sentence", "detail", "owner"))


def differing_keys(migration):
    return {int((sample.legacy or sample.new)[0]) for sample in migration.judge().samples}


def test_a_row_that_the_new_side_rejects_in_the_backfill_is_quarantined_and_its_neighbours_arrive(shop_migration):
    migration = shop_migration
    execute(migration.legacy, "UPDATE customers SET credit = -1000 WHERE customer_id IN (700, 701)")
    execute(migration.new, "ALTER TABLE shop.customer ADD CONSTRAINT no_debt CHECK (credit_minor > -50000)")
    migration.up().advance("customer")
    migration.wait_until_backfilled()
    finding = wait_for_finding(migration, "quarantined-row", 10, lambda found: "700" in words(found))
    assert "no_debt" in words(finding)
    migration.wait_until(lambda: differing_keys(migration) == {700, 701}, 20, "exactly the two rows are missing")


def test_a_change_that_the_new_side_rejects_holds_back_later_changes_of_its_key_and_no_others(mirrored):
    execute(mirrored.new, "ALTER TABLE shop.customer ADD CONSTRAINT no_debt CHECK (credit_minor > -50000)")
    execute(mirrored.legacy, "UPDATE customers SET credit = -1000 WHERE customer_id = 5")
    execute(mirrored.legacy, "UPDATE customers SET name = 'later' WHERE customer_id = 5")
    execute(mirrored.legacy, "UPDATE customers SET name = 'neighbour' WHERE customer_id = 6")
    wait_for_finding(mirrored, "quarantined-row", 10, lambda found: "customer_id=5" in words(found))
    name_of = "SELECT full_name FROM shop.customer WHERE id = {}"
    mirrored.wait_until(lambda: execute(mirrored.new, name_of.format(6)) == [("neighbour",)], 10, "the neighbour is applied")
    assert execute(mirrored.new, name_of.format(5)) == [("Name 5",)]
    assert differing_keys(mirrored) == {5}
    report, code = mirrored.verify()
    assert (report["state"], code) != ("equal", 0)


def test_somebody_elses_write_on_the_new_side_is_reported_and_not_overwritten_silently(mirrored):
    execute(mirrored.new, "UPDATE shop.customer SET full_name = 'rogue' WHERE id = 42")
    finding = wait_for_finding(mirrored, "rogue-write", 10)
    assert "42" in words(finding) and finding["table"] in ("shop.customer", "public.customers")
    execute(mirrored.legacy, "UPDATE orders SET amount = 1 WHERE order_id = 42")
    report, code = mirrored.verify()
    assert (report["state"], code) == ("differs", 50)
    shown = str(report["divergences"])
    assert "rogue" in shown and "Name 42" in shown and "full_name" in shown
    execute(mirrored.legacy, "UPDATE customers SET tier = 'P' WHERE customer_id = 42")
    mirrored.wait_until_equal()
    kept = next(kept for kept in mirrored.findings("rogue-write") if kept["key"] == finding["key"])
    assert "rogue" in kept["detail"], "what the mutation wrote over can still be read"


def test_a_write_of_oxbow_is_not_a_rogue_write(mirrored):
    with shop.Workload(mirrored.legacy, rows=2000) as work:
        mirrored.wait_until(lambda: work.committed > 300, 30, "the shop sells")
    mirrored.wait_until_equal()
    assert mirrored.findings("rogue-write") == []


def test_a_column_added_to_legacy_is_detected_and_stops_the_stream_until_somebody_looks(mirrored):
    execute(mirrored.legacy, "ALTER TABLE orders ADD COLUMN coupon text")
    finding = wait_for_finding(mirrored, "drift", 10)
    assert "coupon" in words(finding)
    assert "orders" in words(finding)
    mirrored.wait_until(lambda: mirrored.status()["stream"]["phase"] == "failed", 10, "the stream stops")


def test_a_column_changed_on_the_new_side_is_detected(mirrored):
    execute(mirrored.new, "ALTER TABLE shop.purchase ALTER amount_minor TYPE numeric")
    finding = wait_for_finding(mirrored, "drift", 10)
    assert "amount_minor" in words(finding)


def test_a_table_created_after_the_start_is_listed_as_not_covered(mirrored):
    execute(mirrored.legacy, "CREATE TABLE invoices (invoice_id bigint PRIMARY KEY)")
    finding = wait_for_finding(mirrored, "not-covered", 60)
    assert "invoices" in words(finding)


def test_a_second_up_is_refused_in_the_same_directory_and_in_another(mirrored, tmp_path):
    same = mirrored.oxbow("up", check=False, timeout=30)
    assert same.returncode == 42, same.stderr
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with open(f"{mirrored.directory}/oxbow.yaml", encoding="utf-8") as spec:
        other = Migration(elsewhere, spec.read(), mirrored.legacy, mirrored.new, mirrored.comparisons)
    assert other.oxbow("up", check=False, timeout=30).returncode == 42
    assert mirrored.running()
    execute(mirrored.legacy, "UPDATE orders SET amount = amount + 1 WHERE order_id < 100")
    mirrored.wait_until_equal()


def test_a_field_that_went_wrong_is_named_with_both_values(mirrored):
    """The new side is changed as if by oxbow itself, so that only a comparison can find it."""
    execute(mirrored.new, """SET session_replication_role = replica;
                             UPDATE shop.purchase SET status = 'lost' WHERE id = 9;
                             DELETE FROM shop.visit WHERE id = 10;
                             INSERT INTO shop.purchase_line VALUES (999999, 1, 1, 'extra', 1)""")
    report, code = mirrored.verify()
    assert (report["state"], code) == ("differs", 50)
    assert report["divergence_count"] == 3
    shown = str(report["divergences"])
    for word in ("status", "lost", "shop.visit", "999999"):
        assert word in shown or word.replace("shop.visit", "public.visits") in shown


def catalog(url):
    """Everything of a database that oxbow might leave behind."""
    return [execute(url, query) for query in (
        "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' ORDER BY 1",
        "SELECT oid::regclass::text, relreplident FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace::regnamespace::text !~ '^(pg_|information)' ORDER BY 1",
        "SELECT tgrelid::regclass::text, tgname FROM pg_trigger ORDER BY 1, 2",
        "SELECT pubname FROM pg_publication ORDER BY 1",
        "SELECT slot_name FROM pg_replication_slots WHERE database = current_database() ORDER BY 1",
        "SELECT roname FROM pg_replication_origin WHERE roname LIKE '%shop%' ORDER BY 1",
        "SELECT evtname FROM pg_event_trigger ORDER BY 1",
        "SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace::regnamespace::text !~ '^(pg_|information)' ORDER BY 1")]


REMOVAL_FAILPOINTS = ["remove_after_triggers", "remove_after_origins", "remove_after_new", "remove_after_slot",
                      "remove_after_identities", "remove_before_journal"]


@pytest.mark.parametrize("name", REMOVAL_FAILPOINTS)
def test_a_removal_that_is_killed_goes_on_to_its_end(shop_migration, name):
    migration = shop_migration
    execute(migration.legacy, "ALTER TABLE visits DROP CONSTRAINT visits_pkey")
    execute(migration.new, "ALTER TABLE shop.visit DROP CONSTRAINT visit_pkey")
    with open(f"{migration.directory}/oxbow.yaml", encoding="utf-8") as file:
        spec = file.read()
    last_table = "        columns: { visit_id: id }\n"
    migration.write_spec(spec.replace(last_table, last_table + "        identity: full-row\n"))
    before = catalog(migration.legacy), catalog(migration.new)
    migration.up().advance("customer")
    migration.wait_until_backfilled()
    migration.stop()
    assert migration.oxbow("doctor", "--remove", check=False, failpoint=name).returncode == -signal.SIGKILL
    migration.oxbow("doctor", "--remove")
    assert (catalog(migration.legacy), catalog(migration.new)) == before
    migration.up()
    assert {cohort["state"] for cohort in migration.status()["cohorts"]} == {"legacy"}


def test_doctor_removes_everything_from_both_databases(shop_migration):
    migration = shop_migration
    before = catalog(migration.legacy), catalog(migration.new)
    migration.up().advance("customer")
    migration.wait_until_backfilled()
    assert (catalog(migration.legacy), catalog(migration.new)) != before
    migration.stop()
    migration.oxbow("doctor", "--remove")
    assert (catalog(migration.legacy), catalog(migration.new)) == before
