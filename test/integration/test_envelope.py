"""What a rollback would lose is known before, told by row and field, and nothing else is lost."""

import time

import pytest

from chaos_proxy import ChaosProxy
from cluster import execute
from handover import COHORTS, PILOT, move, moved_shop, state_of, wait_for_full_way_back, write_legacy, write_new  # noqa: F401
from http_by_socket import get
from test_status import open_transaction
from way_back import (events, lost_between, lost_by, preview, ready, roll_back, rows_by_key, socket_of, wait_for_rows,
                      way_back, what_is_shown)

RED_WITHIN_S = 10
LEGACY_MAX = "ALTER TABLE orders ADD CONSTRAINT small_amounts CHECK (amount < 100000)"

# Of the cohort pilot: order 1 is of customer 2, order 2 of customer 3.
UNKNOWN_STATUS = "UPDATE shop.purchase SET status = 'refunded' WHERE id = 1"
REFUSED_BY_CHECK = "UPDATE shop.purchase SET amount_minor = 99999900 WHERE id = 2"
BORN_THERE = "INSERT INTO shop.purchase VALUES (777001, 1, 500, 'disputed', '2026-01-02 03:04:05+00', '{\"a\": 1}')"


def purchases_of_pilot(migration):
    columns = ("id", "customer_id", "amount_minor", "status", "placed_at", "doc")
    return rows_by_key(migration.new, "shop.purchase", columns, "customer_id IN (1, 2, 3)")


@pytest.fixture
def at_home_there(moved_shop):
    """Both cohorts are at home on the new side, and legacy takes no large amounts."""
    execute(moved_shop.legacy, LEGACY_MAX)
    for cohort in ("pilot", "rest"):
        move(moved_shop, "advance", cohort, "new-write")
    wait_for_full_way_back(moved_shop, "pilot", "rest")
    return moved_shop


def test_a_row_that_legacy_cannot_have_makes_the_envelope_of_its_cohort_partial_and_names_it(at_home_there):
    migration = at_home_there
    execute(migration.new, UNKNOWN_STATUS)
    envelope = wait_for_rows(migration, 1)
    assert envelope["extent"] == "partial" and state_of(migration, "pilot")["envelope"] == "partial"
    row = envelope["rows"][0]
    assert (row["table"], row["key"]) == ("shop.purchase", "id=1") and "refunded" in row["reason"]
    assert envelope["checked_at"] and envelope["check_age_seconds"] > 0
    assert state_of(migration, "rest")["envelope"] == "full", "others are no worse for it"
    page = migration.oxbow("status").stdout
    assert "partial, 1 row" in page and "shop.purchase id=1" in page

    migration.wait_until(lambda: events(migration, "envelope-narrowed"), 10, "the journal knows")
    narrowed = events(migration, "envelope-narrowed")
    assert len(narrowed) == 1 and "id=1 of shop.purchase" in narrowed[0]["text"] and "refunded" in narrowed[0]["text"]
    execute(migration.new, REFUSED_BY_CHECK)
    reasons = [row["reason"] for row in wait_for_rows(migration, 2)["rows"]]
    assert any("small_amounts" in reason for reason in reasons), reasons
    assert len(events(migration, "envelope-narrowed")) == 1, "the first row is the news"

    _, metrics = get(socket_of(migration), "/v1/metrics")
    assert 'oxbow_envelope{entity="customer",cohort="pilot",extent="partial"} 1' in metrics
    assert 'oxbow_envelope_rows{entity="customer",cohort="pilot"} 2' in metrics
    assert 'oxbow_envelope_rows{entity="customer",cohort="rest"} 0' in metrics
    assert "oxbow_ready 1" in metrics


def test_a_cohort_that_goes_forward_only_is_not_rolled_back_by_anybody_until_that_is_withdrawn(at_home_there):
    migration = at_home_there
    migration.oxbow("forward-fix", "customer", "--cohort", "pilot", "--why", "legacy has no room for refunds")
    execute(migration.new, UNKNOWN_STATUS)
    migration.wait_until(lambda: events(migration, "envelope-narrowed"), 20, "the row waits")
    refused = roll_back(migration, "--accept-loss", "1")
    assert refused.returncode != 0 and "legacy has no room for refunds" in refused.stderr, refused.stderr
    assert state_of(migration, "pilot")["envelope"] == "forward-only" and state_of(migration, "rest")["envelope"] == "full"
    assert "customer/pilot: it goes forward only, decided by" in migration.oxbow("status").stdout
    migration.stop()
    migration.up()
    assert "goes forward only" in roll_back(migration, "--accept-loss", "1").stderr, "a restart forgets it not"
    migration.oxbow("forward-fix", "customer", "--cohort", "pilot", "--withdraw")
    wait_for_rows(migration, 1)
    assert "--accept-loss 1" in roll_back(migration).stderr
    assert roll_back(migration, *what_is_shown(migration)).returncode == 0


def test_a_rollback_loses_exactly_what_the_preview_shows(at_home_there):
    migration = at_home_there
    for statement in (UNKNOWN_STATUS, REFUSED_BY_CHECK, BORN_THERE):
        execute(migration.new, statement)
    execute(migration.new, "UPDATE shop.purchase SET amount_minor = 4711 WHERE id = 1")  # waits behind, and is the same row
    write_new(migration, PILOT, "this comes over")
    wait_for_rows(migration, 3)

    refused = roll_back(migration)
    assert refused.returncode != 0
    for words in ("3 rows", "--preview", "oxbow quarantine --retry", "oxbow forward-fix customer --cohort pilot",
                  "oxbow shadow customer --off", "--accept-loss 3"):
        assert words in refused.stderr, refused.stderr
    for wrong in ("2", "4"):
        assert "3 rows" in roll_back(migration, "--accept-loss", wrong).stderr
    assert state_of(migration, "pilot")["state"] == "new-write"

    assert "nobody has said which" in roll_back(migration, "--accept-loss", "3").stderr
    shown = preview(migration)
    assert shown["rows_lost"] == 3 and {row["cohort"] for row in shown["rows"]} == {"pilot"}
    page = migration.oxbow("rollback", "customer", "--cohort", "pilot", "--to", "mirrored", "--preview").stdout
    for words in ("3 rows", "shop.purchase id=777001", "public.orders has no such row", "refunded", "disputed", f"--accept-loss 3 --seen {shown['seen']}"):
        assert words in page, page

    before = purchases_of_pilot(migration)
    done = roll_back(migration, "--accept-loss", "3", "--seen", shown["seen"], "--why", "the refunds are made by hand")
    assert done.returncode == 0, done.stderr
    migration.wait_until(lambda: lost_between(before, purchases_of_pilot(migration)).keys() == {"1", "2", "777001"}, 20,
                         "the new side follows legacy again")
    lost = lost_between(before, purchases_of_pilot(migration))
    assert lost == lost_by(shown, "shop.purchase")
    assert lost["1"]["status"] == ("refunded", "paid") and lost["777001"]["status"] == ("disputed", None)
    assert execute(migration.legacy, f"SELECT note FROM customers WHERE customer_id = {PILOT}") == [("this comes over",)]

    migration.wait_until_equal()
    migration.prove_equal()
    assert state_of(migration, "pilot")["envelope"] == "full"
    accepted = events(migration, "loss-accepted")
    assert len(accepted) == 1 and "3 rows" in accepted[0]["text"] and accepted[0]["why"] == "the refunds are made by hand"
    assert migration.findings("quarantined-row") == []
    write_legacy(migration, PILOT, "home again")
    execute(migration.legacy, "UPDATE orders SET amount = 1 WHERE order_id = 1")
    migration.wait_until_equal()


@pytest.mark.parametrize("step", ["confirm_fence", "flip", "leave_stream", "join_stream_back", "open_new"])
def test_a_kill_in_a_rollback_that_loses_rows_loses_those_and_no_others(moved_shop, step):
    migration = moved_shop
    move(migration, "advance", "pilot", "new-write")
    execute(migration.new, UNKNOWN_STATUS)
    execute(migration.new, BORN_THERE)
    wait_for_rows(migration, 2)
    migration.kill()
    migration.up(failpoint=f"handover_after_{step}")
    wait_for_rows(migration, 2)
    roll_back(migration, *what_is_shown(migration))
    migration.wait_for_exit(60)
    migration.up()
    migration.wait_until(lambda: not state_of(migration, "pilot")["moving_to"], 60, "the handover has ended")
    if step == "confirm_fence":
        assert state_of(migration, "pilot")["state"] == "new-write"
        wait_for_rows(migration, 2)
        assert roll_back(migration).returncode != 0, "what was accepted has ended with its rollback"
        assert roll_back(migration, *what_is_shown(migration), "--wait").returncode == 0
    assert state_of(migration, "pilot")["state"] == "mirrored"
    migration.wait_until_equal()
    migration.wait_until(lambda: migration.status()["stream"]["quarantined_rows"] == 0, 20, "nothing waits any more")
    assert purchases_of_pilot(migration)["1"]["status"] == "paid"


def test_mended_rows_make_the_envelope_full_only_behind_a_comparison(at_home_there):
    migration = at_home_there
    execute(migration.new, UNKNOWN_STATUS)
    wait_for_rows(migration, 1)
    report, _ = migration.verify("--entity", "customer")
    assert (report["state"], report["divergence_count"]) == ("differs", 1)
    assert state_of(migration, "rest")["envelope"] == "full", "what differs is the row that waits"

    execute(migration.new, "UPDATE shop.purchase SET status = 'cancelled' WHERE id = 1")
    wait_for_rows(migration, 1)
    migration.oxbow("quarantine", "--retry", "--all")
    envelope = wait_for_rows(migration, 0)
    assert envelope["extent"] == "partial" and "oxbow verify --entity customer" in envelope["reason"]
    assert "oxbow verify --entity customer" in roll_back(migration).stderr
    assert execute(migration.legacy, "SELECT state FROM orders WHERE order_id = 1") == [("X",)]

    migration.prove_equal("--entity", "customer")
    migration.wait_until(lambda: state_of(migration, "pilot")["envelope"] == "full", 10, "it is full again")
    assert len(events(migration, "envelope-widened")) == 1
    move(migration, "rollback", "pilot", "mirrored")
    migration.wait_until_equal()


def test_a_restart_forgets_nothing_of_an_envelope(at_home_there):
    migration = at_home_there
    execute(migration.new, UNKNOWN_STATUS)
    wait_for_rows(migration, 1)
    migration.wait_until(lambda: way_back(migration)["narrowed_since"], 10, "the journal knows")
    migration.kill()
    migration.up()
    assert wait_for_rows(migration, 1)["narrowed_since"]
    assert len(events(migration, "envelope-narrowed")) == 1
    assert state_of(migration, "rest")["envelope"] == "full"


def test_behind_the_end_and_inside_legacy_an_envelope_is_what_the_state_says(moved_shop):
    migration = moved_shop
    assert state_of(migration, "pilot")["envelope"] == "full"
    for state in ("new-write", "new-read", "fully-cutover"):
        move(migration, "advance", "pilot", state)
    assert state_of(migration, "pilot")["envelope"] == "forward-only"
    refused = migration.oxbow("rollback", "customer", "--cohort", "pilot", "--to", "new-read", "--accept-loss", "0", check=False)
    assert refused.returncode != 0 and "forward" in refused.stderr


def turns_red(migration):
    """How long it takes, in seconds."""
    began = time.monotonic()
    migration.wait_until(lambda: ready(migration)[0] == 503, RED_WITHIN_S, "readiness is red")
    return time.monotonic() - began


def test_a_stream_back_that_is_blocked_turns_readiness_red_within_10_s(at_home_there):
    migration = at_home_there
    assert ready(migration) == (200, [])
    with open_transaction(migration.legacy, "LOCK TABLE customers"):
        write_new(migration, PILOT, "held up")
        print(f"blocked: red after {turns_red(migration):.1f} s")
        _, reasons = ready(migration)
        assert "has not moved" in reasons[0], reasons
        assert state_of(migration, "pilot")["envelope"] == "unknown"
        refused = roll_back(migration)
        assert refused.returncode != 0 and "has not moved" in refused.stderr
        assert "has not moved" in roll_back(migration, "--accept-loss", "0").stderr
        assert "NOT READY" in migration.oxbow("status").stdout
    migration.wait_until(lambda: ready(migration)[0] == 200, 20, "readiness is green again")
    migration.wait_until(lambda: state_of(migration, "pilot")["envelope"] == "full", 10, "the envelope is full again")


def test_a_legacy_that_does_not_answer_turns_readiness_red_within_10_s(databases, make_shop):
    with ChaosProxy(databases.clusters[0].port) as proxy:
        url = databases.clusters[0].url(databases.names[0], port=proxy.port)
        migration = make_shop(databases.legacy, databases.new, cohorts=COHORTS, legacy_url=url)
        migration.up().advance("customer")
        migration.wait_until_backfilled()
        migration.prove_equal()
        move(migration, "advance", "pilot", "new-write")
        assert ready(migration) == (200, [])
        with proxy.blackhole():
            print(f"silent: red after {turns_red(migration):.1f} s")
        proxy.cut()
        migration.wait_until(lambda: ready(migration)[0] == 200, 60, "readiness is green again")


def test_a_halt_is_a_way_back_that_does_not_run(at_home_there):
    migration = at_home_there
    migration.oxbow("halt", "--why", "a look at the disk")
    print(f"halted: red after {turns_red(migration):.1f} s")
    assert "a look at the disk" in ready(migration)[1][0]
    page = migration.oxbow("rollback", "customer", "--cohort", "pilot", "--to", "mirrored", "--preview", check=False)
    assert page.returncode == roll_back(migration).returncode == 44 and page.stderr == "", page
    for words in ("is not known", "a look at the disk", "0 rows of customer waited", "run `oxbow resume`"):
        assert words in page.stdout, page.stdout
    assert "no row waits" not in page.stdout
    migration.oxbow("resume")
    migration.wait_until(lambda: ready(migration)[0] == 200, 20, "readiness is green again")
