"""A finding lives until something settles it: a comparison, a release, a stream that goes on, or a person."""

import pytest

from cluster import execute
from test_identity import FILL, NO_KEY, odd_migration


@pytest.fixture
def mirrored(shop_migration):
    shop_migration.up().advance("customer")
    shop_migration.wait_until_backfilled()
    return shop_migration


def as_if_by_oxbow(migration, statement):
    execute(migration.new, f"SET session_replication_role = replica; {statement}")


def endings(migration, kind):
    """How each finding of a kind ended, by its key; None: it is open."""
    found = migration.ask("findings", "--all", "--limit", "10000")["findings"]
    return {finding["key"]: finding["ending"] for finding in found if finding["kind"] == kind}


def wait_until_closed(migration, kind, seconds=15):
    migration.wait_until(lambda: endings(migration, kind) and not migration.findings(kind), seconds, f"{kind} is closed")


# Divergences.

def test_a_divergence_is_closed_by_the_verification_that_does_not_find_it_any_more(mirrored):
    as_if_by_oxbow(mirrored, "UPDATE shop.purchase SET status = 'lost' WHERE id IN (9, 10)")
    assert mirrored.verify()[1] == 50
    assert set(endings(mirrored, "divergence").values()) == {None}
    as_if_by_oxbow(mirrored, "UPDATE shop.purchase p SET status = q.status FROM shop.purchase q WHERE p.id = 9 AND q.id = 8")
    mended = execute(mirrored.legacy, "SELECT state FROM orders WHERE order_id = 9")[0][0]
    as_if_by_oxbow(mirrored, f"UPDATE shop.purchase SET status = '{dict(O='open', P='paid', X='cancelled')[mended]}' WHERE id = 9")
    assert mirrored.verify()[1] == 50
    ended = endings(mirrored, "divergence")
    assert ended["id=10"] is None
    assert ended["id=9"].startswith("a verification found no difference at ") and "/" in ended["id=9"]

    as_if_by_oxbow(mirrored, "UPDATE shop.purchase SET status = 'lost again' WHERE id = 9")
    assert mirrored.verify()[1] == 50
    assert endings(mirrored, "divergence") == {"id=9": None, "id=10": None}, "what comes again is open again"


def test_a_verification_of_another_entity_or_one_that_breaks_off_closes_nothing(mirrored):
    as_if_by_oxbow(mirrored, "UPDATE shop.visit SET page = 'lost' WHERE id = 9")
    assert mirrored.verify()[1] == 50
    execute(mirrored.legacy, "UPDATE visits SET page = 'found' WHERE visit_id = 9")
    mirrored.wait_until_equal()
    mirrored.oxbow("halt")
    assert mirrored.verify()[1] != 0
    assert endings(mirrored, "divergence") == {"id=9": None}
    mirrored.oxbow("resume")
    mirrored.wait_until(lambda: mirrored.status()["stream"]["phase"] == "running", 30, "the stream runs again")
    mirrored.prove_equal()
    assert mirrored.findings("divergence") == []


def test_a_change_that_met_no_row_is_closed_once_its_table_is_proven_equal(mirrored):
    as_if_by_oxbow(mirrored, "DELETE FROM shop.visit WHERE id = 9")
    execute(mirrored.legacy, "UPDATE visits SET page = 'seen' WHERE visit_id = 9")
    mirrored.wait_until(lambda: mirrored.findings("rows-unexpected"), 10, "the finding")
    finding = mirrored.findings("rows-unexpected")[0]
    assert finding["sentence"].startswith("an update of this row of public.visits met no row in shop.visit")
    assert finding["owner"] == "team-shop"
    assert mirrored.verify()[1] == 50
    assert len(mirrored.findings("rows-unexpected")) == 1
    execute(mirrored.legacy, "DELETE FROM visits WHERE visit_id = 9")
    mirrored.wait_until_equal()
    mirrored.prove_equal()
    assert mirrored.findings("rows-unexpected") == []


def test_of_an_entity_that_is_not_mirrored_any_more_nothing_is_claimed(mirrored):
    as_if_by_oxbow(mirrored, "UPDATE shop.visit SET page = 'lost' WHERE id = 9")
    assert mirrored.verify()[1] == 50
    mirrored.roll_back("customer")
    assert endings(mirrored, "divergence") == {"id=9": "customer is not mirrored any more"}


def test_a_row_without_a_key_is_shown_with_its_copies(tmp_path, databases):
    with odd_migration(tmp_path, databases, NO_KEY, FILL, ", identity: full-row") as migration:
        execute(migration.legacy, "INSERT INTO things VALUES ('twin', 7), ('twin', 7), ('twin', 8), (NULL, 9)")
        migration.up().advance("thing")
        migration.wait_until_backfilled()
        as_if_by_oxbow(migration, "DELETE FROM things WHERE ctid = (SELECT min(ctid) FROM things WHERE size = 7 AND name = 'twin')")
        as_if_by_oxbow(migration, "DELETE FROM things WHERE name IS NULL; INSERT INTO things VALUES (repeat('ä', 300), 1)")
        report, code = migration.verify()
        assert (code, report["divergence_count"]) == (50, 3)
        details = {finding["key"]: finding["detail"] for finding in migration.findings("divergence")}
        assert details["name='twin', size='7'"] == "name: 'twin'\nsize: '7'\ncopies: legacy 2, new 1"
        assert details["name=NULL, size='9'"] == "name: NULL\nsize: '9'\ncopies: legacy 1, new 0"
        long = next(key for key in details if "ä" in key)
        assert long.startswith("name='" + "ä" * 40 + "…', size='1' (row ")
        assert "copies: legacy 0, new 1" in details[long]


# Rows in quarantine.

NO_DEBT = "ALTER TABLE shop.customer ADD CONSTRAINT no_debt CHECK (credit_minor > -50000)"
DEBT = "ALTER TABLE shop.customer DROP CONSTRAINT no_debt"
NAME = "SELECT full_name, credit_minor FROM shop.customer WHERE id = {}"


def put_in_quarantine(migration, *keys):
    execute(migration.new, NO_DEBT)
    execute(migration.legacy, f"UPDATE customers SET credit = -1000 WHERE customer_id IN ({', '.join(map(str, keys))})")
    migration.wait_until(lambda: len(migration.findings("quarantined-row")) == len(keys), 10, "the rows are refused")


def test_a_quarantined_row_comes_over_once_its_cause_is_mended(mirrored):
    put_in_quarantine(mirrored, 5, 6, 7)
    execute(mirrored.legacy, "UPDATE customers SET name = 'later' WHERE customer_id IN (5, 6, 7)")
    assert mirrored.status()["stream"]["quarantined_rows"] == 3
    shown = mirrored.oxbow("quarantine").stdout
    assert "customer_id=5" in shown and "no_debt" in shown
    assert "owner: team-platform" in shown
    execute(mirrored.new, DEBT)
    assert "1 row is read again" in mirrored.oxbow("quarantine", "--retry", "5", "--why", "no_debt is gone").stdout
    mirrored.wait_until(lambda: execute(mirrored.new, NAME.format(5)) == [("later", -100000)], 10, "the row comes over")
    mirrored.wait_until(lambda: len(mirrored.findings("quarantined-row")) == 2, 10, "its finding is closed")
    assert endings(mirrored, "quarantined-row")["customer_id=5"].startswith("it left quarantine at ")

    execute(mirrored.legacy, "UPDATE customers SET name = 'even later' WHERE customer_id = 5")
    mirrored.wait_until(lambda: execute(mirrored.new, NAME.format(5)) == [("even later", -100000)], 10, "it is followed again")
    assert "2 rows are read again" in mirrored.oxbow("quarantine", "--retry", "--all").stdout
    mirrored.wait_until_equal()
    mirrored.wait_until(lambda: mirrored.status()["stream"]["quarantined_rows"] == 0, 10, "nothing waits")
    assert "nothing waits in quarantine" in mirrored.oxbow("quarantine").stdout
    assert execute(mirrored.new, "SELECT count(*) FROM oxbow.quarantine") == [(0,)]
    mirrored.prove_equal()
    assert mirrored.findings() == []


def test_a_row_that_is_refused_once_more_stays_as_it_was_on_both_sides(mirrored):
    put_in_quarantine(mirrored, 5)
    before = execute(mirrored.new, NAME.format(5))
    seen = mirrored.findings("quarantined-row")[0]["count"]
    mirrored.oxbow("quarantine", "--retry", "customer_id=5")
    mirrored.wait_until(lambda: mirrored.findings("quarantined-row")[0]["count"] > seen, 15, "it is refused again")
    assert execute(mirrored.new, NAME.format(5)) == before
    assert mirrored.status()["stream"]["quarantined_rows"] == 1


def test_a_row_that_has_no_image_stays_as_it_was_when_it_is_tried_again(mirrored):
    execute(mirrored.legacy, "ALTER TABLE customers DROP CONSTRAINT customers_tier_check; "
                             "UPDATE customers SET tier = 'Z' WHERE customer_id = 5")
    mirrored.wait_until(lambda: mirrored.findings("quarantined-row"), 10, "the row is refused")
    before = execute(mirrored.new, NAME.format(5))
    seen = mirrored.findings("quarantined-row")[0]["count"]
    mirrored.oxbow("quarantine", "--retry", "5")
    mirrored.wait_until(lambda: mirrored.findings("quarantined-row")[0]["count"] > seen, 15, "it is refused again")
    assert execute(mirrored.new, NAME.format(5)) == before
    execute(mirrored.legacy, "UPDATE customers SET tier = 'G' WHERE customer_id = 5")
    mirrored.oxbow("quarantine", "--retry", "5")
    mirrored.wait_until_equal(20)


def test_a_row_that_the_backfill_refused_comes_over_too(shop_migration):
    migration = shop_migration
    execute(migration.legacy, "UPDATE customers SET credit = -1000 WHERE customer_id = 700")
    execute(migration.new, NO_DEBT)
    migration.up().advance("customer")
    migration.wait_until_backfilled()
    execute(migration.new, DEBT)
    migration.kill()
    migration.up()
    migration.wait_until(lambda: migration.oxbow("quarantine", "--retry", "--all", check=False).returncode == 0, 20, "a retry")
    migration.wait_until_equal(20)
    migration.wait_until(lambda: migration.findings("quarantined-row") == [], 10, "its finding is closed")


def test_a_delete_on_the_legacy_side_releases_its_key(mirrored):
    put_in_quarantine(mirrored, 5)
    execute(mirrored.legacy, "DELETE FROM customers WHERE customer_id = 5")
    mirrored.wait_until_equal(20)
    wait_until_closed(mirrored, "quarantined-row")
    execute(mirrored.legacy, "INSERT INTO customers (customer_id, email, name, tier) VALUES (5, 'new@example.org', 'New', 'G')")
    mirrored.wait_until_equal(20)


def test_what_cannot_be_tried_again_is_said(mirrored):
    for arguments, words in ((("--retry", "5"), "no row with key 5"), (("--retry",), "KEY"), (("5",), "--retry")):
        refused = mirrored.oxbow("quarantine", *arguments, check=False)
        assert refused.returncode != 0 and words in refused.stderr, refused
    assert "read those rows again" in mirrored.oxbow("quarantine", "--retry", "5", "--dry-run").stdout


def test_a_quarantine_does_not_outlive_its_mirror(mirrored):
    put_in_quarantine(mirrored, 5)
    mirrored.oxbow("quarantine", "--retry", "5")
    mirrored.roll_back("customer")
    wait_until_closed(mirrored, "quarantined-row")
    execute(mirrored.new, DEBT)
    mirrored.advance("customer")
    mirrored.wait_until_backfilled()
    execute(mirrored.legacy, "UPDATE customers SET name = 'followed' WHERE customer_id = 5")
    mirrored.wait_until_equal(20)
    assert mirrored.findings("quarantined-row") == []


# What else ends.

def test_a_table_that_is_gone_is_not_missing_any_more(mirrored):
    execute(mirrored.legacy, "CREATE TABLE invoices (invoice_id bigint PRIMARY KEY)")
    mirrored.wait_until(lambda: mirrored.findings("not-covered"), 60, "the finding")
    execute(mirrored.legacy, "DROP TABLE invoices")
    wait_until_closed(mirrored, "not-covered", 60)


def test_a_drift_is_closed_when_the_stream_goes_on(mirrored):
    execute(mirrored.new, "ALTER TABLE shop.purchase ADD surprise text")
    mirrored.wait_until(lambda: mirrored.status()["stream"]["phase"] == "failed", 20, "the stream stops")
    assert mirrored.findings("drift")
    execute(mirrored.new, "ALTER TABLE shop.purchase DROP surprise")
    mirrored.oxbow("resume")
    mirrored.wait_until(lambda: mirrored.status()["stream"]["phase"] == "running", 20, "the stream goes on")
    assert mirrored.findings("drift") == []
    assert all(ending.startswith("the stream goes on at ") for ending in endings(mirrored, "drift").values())


def test_a_rogue_write_is_closed_by_a_person_who_says_why(mirrored):
    execute(mirrored.new, "UPDATE shop.customer SET full_name = 'rogue' WHERE id IN (42, 43, 44)")
    mirrored.wait_until(lambda: len(mirrored.findings("rogue-write")) == 3, 10, "the findings")
    first = mirrored.findings("rogue-write")[0]
    refused = mirrored.oxbow("findings", "--close", str(first["id"]), check=False)
    assert refused.returncode == 2 and "--why" in refused.stderr
    assert "1 finding closed" in mirrored.oxbow("findings", "--close", str(first["id"]), "--why", "a test").stdout
    assert endings(mirrored, "rogue-write")[first["key"]].endswith(": a test")
    assert "closed by hand" in mirrored.oxbow("status").stdout
    assert "2 findings closed" in mirrored.oxbow("findings", "--close", "rogue-write", "--why", "the job is off").stdout
    assert mirrored.findings("rogue-write") == []


# What people are told.

def test_a_long_list_says_how_long_it_is_and_how_to_see_the_rest(mirrored):
    as_if_by_oxbow(mirrored, "UPDATE shop.visit SET page = 'lost' WHERE id <= 130")
    assert mirrored.verify()[1] == 50
    first = mirrored.oxbow("findings").stdout
    assert first.count("divergence") == 100
    assert first.endswith("1 to 100 of 130; the next: oxbow findings --skip 100 --limit 100\n")
    rest = mirrored.oxbow("findings", "--skip", "100").stdout
    assert rest.count("divergence") == 30 and rest.endswith("101 to 130 of 130\n")


def test_why_says_what_to_do_while_nothing_is_mirrored(shop_migration):
    refused = shop_migration.up().oxbow("why", "5", check=False)
    assert refused.returncode == 44
    assert "run `oxbow advance ENTITY --to mirrored` first" in refused.stderr


def test_why_names_a_quarantine(mirrored):
    put_in_quarantine(mirrored, 5)
    assert "waits in quarantine; `oxbow quarantine --retry 5`" in mirrored.oxbow("why", "5").stdout


def test_why_tells_which_side_holds_a_row_and_what_was_found_of_it_and_of_no_other(mirrored):
    as_if_by_oxbow(mirrored, "UPDATE shop.purchase_line SET sku = 'lost' WHERE purchase_id IN (7, 8)")
    as_if_by_oxbow(mirrored, "DELETE FROM shop.purchase WHERE id = 7")
    execute(mirrored.new, "UPDATE shop.visit SET page = 'rogue' WHERE id = 7; UPDATE shop.visit SET page = '7' WHERE id = 9")
    mirrored.wait_until(lambda: len(mirrored.findings("rogue-write")) == 2, 10, "the rogue writes")
    assert mirrored.verify()[1] == 50
    line = execute(mirrored.legacy, "SELECT min(line_no) FROM order_lines WHERE order_id = 7")[0][0]
    shown = f"public.order_lines order_id=7, line_no={line}: legacy and shop.purchase_line have it; its range follows the log"
    for key in (f"order_id=7, line_no={line}", f"purchase_id=7, line_no={line}"):
        answer = mirrored.ask("why", key)
        assert answer["lines"] == [shown]
        assert [finding["key"] for finding in answer["findings"]] == [f"purchase_id=7, line_no={line}"]

    answer = mirrored.ask("why", "7")
    assert "public.orders order_id=7: legacy has it, shop.purchase has not; its range follows the log" in answer["lines"]
    assert len(set(answer["lines"])) == len(answer["lines"])
    found = {(finding["kind"], finding["table"]) for finding in answer["findings"]}
    assert ("divergence", "public.orders") in found and ("rogue-write", "shop.visit") in found
    assert len([finding for finding in answer["findings"] if finding["kind"] == "rogue-write"]) == 1

    unknown = mirrored.oxbow("why", "nosuch", check=False)
    assert unknown.returncode == 45 and "no side holds a row with key nosuch" in unknown.stderr


def test_rows_of_a_copy_that_was_interrupted_are_not_counted(databases, make_shop):
    migration = make_shop(databases.legacy, databases.new, rows=20_000)
    migration.up().set_rate(4000)
    migration.advance("customer")
    for _ in range(3):
        migration.wait_until_copying()
        migration.oxbow("pause")
        migration.wait_until(lambda: all(table["rows_copied"] == 0 for table in migration.tables()), 10, "the copy is given up")
        migration.oxbow("resume")
    migration.set_rate(0)
    migration.wait_until_backfilled()
    counts = {table["legacy"]: table["rows_copied"] for table in migration.tables()}
    for table, copied in counts.items():
        assert execute(migration.legacy, f"SELECT count(*) FROM {table}") == [(copied,)], counts
