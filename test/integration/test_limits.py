"""The backfill is a guest on the source: it can be paused, held to a rate and kept to a part of the keys."""

import contextlib
import time

import psycopg2
import psycopg2.extras

from cluster import execute
from oracle import Comparison


def rows_copied(migration):
    return sum(table["rows_copied"] for table in migration.tables())


def test_pause_holds_within_two_seconds_and_changes_are_still_applied(databases, make_shop):
    migration = make_shop(databases.legacy, databases.new, rows=20_000, extra="limits: { rows_per_second: 5000 }")
    migration.up().advance("customer")
    migration.wait_until_copying()
    migration.oxbow("pause")
    time.sleep(2)
    held = rows_copied(migration)
    time.sleep(1.5)
    assert rows_copied(migration) == held
    assert not migration.is_backfilled()
    migration.oxbow("resume")
    migration.set_rate(0)
    migration.wait_until_backfilled()
    migration.wait_until_equal()


def test_the_rate_is_held_within_a_tenth(databases, make_shop):
    migration = make_shop(databases.legacy, databases.new, rows=20_000, extra="limits: { rows_per_second: 8000 }")
    migration.up().advance("customer")
    migration.wait_until_copying()
    samples = []
    while not migration.is_backfilled() and len(samples) < 60:
        samples.append((time.monotonic(), rows_copied(migration)))
        time.sleep(0.1)
    (first_at, first), (last_at, last) = samples[0], samples[-1]
    assert last_at - first_at > 3
    assert 7200 <= (last - first) / (last_at - first_at) <= 8800


def only(comparison, condition):
    """The same comparison over the legacy rows of some cohorts."""
    return Comparison(comparison.name, f"{comparison.legacy} WHERE {condition}", comparison.new, comparison.key)


def test_a_small_cohort_is_mirrored_first_and_alone(databases, make_shop):
    migration = make_shop(databases.legacy, databases.new,
                          cohorts='    cohorts: [ { name: pilot, keys: ["7", "8", "9"] }, { name: rest } ]')
    everything = migration.comparisons
    migration.comparisons = [only(comparison, "customer_id IN (7, 8, 9)") for comparison in everything]
    migration.up()
    migration.oxbow("advance", "customer", "--cohort", "pilot", "--to", "mirrored")
    migration.wait_until_backfilled()
    execute(migration.legacy, "UPDATE customers SET name = 'all of them'")
    execute(migration.legacy, "INSERT INTO orders VALUES (900001, 7, 1, 'O', now(), NULL), (900002, 1700, 1, 'O', now(), NULL)")
    migration.wait_until_equal()
    migration.prove_equal()

    migration.comparisons = everything
    migration.oxbow("advance", "customer", "--cohort", "rest", "--to", "mirrored")
    migration.wait_until_backfilled()
    assert migration.wait_until_equal().rows > 10_000


def test_a_row_that_moves_between_cohorts_follows_its_key(databases, make_shop):
    migration = make_shop(databases.legacy, databases.new,
                          cohorts='    cohorts: [ { name: pilot, keys: ["7", "8"] }, { name: rest } ]')
    migration.comparisons = [only(comparison, "customer_id IN (7, 8)") for comparison in migration.comparisons]
    migration.up()
    migration.oxbow("advance", "customer", "--cohort", "pilot", "--to", "mirrored")
    migration.wait_until_backfilled()
    execute(migration.legacy, "UPDATE orders SET customer_id = 1234 WHERE customer_id = 7")
    execute(migration.legacy, "UPDATE orders SET customer_id = 8 WHERE order_id IN (100, 200)")
    migration.wait_until_equal()


def test_a_cohort_that_went_back_is_mirrored_again_beside_one_that_stayed(databases, make_shop):
    migration = make_shop(databases.legacy, databases.new,
                          cohorts='    cohorts: [ { name: pilot, percent: 30 }, { name: rest } ]')
    migration.up().advance("customer")
    migration.wait_until_backfilled()
    migration.oxbow("rollback", "customer", "--cohort", "pilot", "--to", "legacy")
    migration.wait_until(lambda: any(cohort["state"] == "legacy" for cohort in migration.status()["cohorts"]), 30,
                         "the pilot is back")
    execute(migration.legacy, "DELETE FROM customers WHERE customer_id % 3 = 0; DELETE FROM orders WHERE order_id % 3 = 0")
    execute(migration.legacy, "UPDATE customers SET name = 'changed meanwhile' WHERE customer_id % 3 = 1")
    assert migration.prove_equal()["left_out"] == ["customer/pilot"]
    assert "not mirrored, so not proven: customer/pilot" in migration.oxbow("verify").stdout
    migration.oxbow("advance", "customer", "--cohort", "pilot", "--to", "mirrored")
    migration.wait_until_backfilled()
    migration.prove_equal()
    migration.wait_until_equal()


def test_a_verification_held_to_its_rate_takes_its_time(shop_migration):
    migration = shop_migration
    migration.up().advance("customer")
    migration.wait_until_backfilled()
    started = time.monotonic()
    migration.prove_equal("--rate", "5000")
    assert time.monotonic() - started >= 0.8 * 10_000 / 5000


@contextlib.contextmanager
def held_open(url, *statements):
    """A transaction of somebody else that stays open."""
    with contextlib.closing(psycopg2.connect(url, application_name="somebody")) as connection:
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
        yield connection


def slots(migration):
    return execute(migration.legacy, "SELECT slot_name FROM pg_replication_slots WHERE database = current_database()")


def write_log(migration):
    execute(migration.legacy, "UPDATE customers SET note = repeat(md5(random()::text), 300)")


def test_a_stream_that_uses_its_log_budget_up_is_given_up_and_the_mirror_can_be_made_again(databases, make_shop):
    migration = make_shop(databases.legacy, databases.new, extra="limits: { retained_wal: 64MB }")
    migration.up().advance("customer")
    migration.wait_until_backfilled()
    with held_open(migration.new, "LOCK TABLE shop.customer"):
        for _ in range(10):
            if not slots(migration):
                break
            write_log(migration)
        migration.wait_until(lambda: not slots(migration), 20, "the slot is dropped")
    stream = migration.status()["stream"]
    assert (stream["phase"], stream["budget"]) == ("failed", "black")
    assert "log released" in stream["reason"] and "roll every mirrored cohort back" in stream["reason"]
    migration.wait_until(lambda: migration.findings("stream-given-up"), 10, "the finding")
    assert migration.findings("stream-given-up")[0]["owner"] == "team-platform", "it is between both sides"
    assert execute(migration.new, "SELECT count(*) FROM shop.customer") == [(2000,)]

    migration.oxbow("resume")
    migration.wait_until(lambda: migration.status()["stream"]["phase"] == "failed", 20, "resuming does not mend it")
    migration.kill()
    migration.up()
    migration.wait_until(lambda: migration.status()["cohorts"][0]["problem"], 20, "nor does a restart")
    assert migration.status()["cohorts"][0]["problem"]["code"] == "lost_position"
    assert slots(migration) == [], "no slot is made that would keep log for nobody"

    migration.roll_back("customer")
    migration.advance("customer")
    migration.wait_until_backfilled()
    assert migration.status()["stream"]["budget"] == "green"
    assert migration.findings("stream-given-up") == [], "a stream follows again"
    migration.wait_until_equal()
    migration.prove_equal()


def test_a_budget_holds_for_a_halted_stream_too(databases, make_shop):
    migration = make_shop(databases.legacy, databases.new, extra="limits: { retained_wal: 32MB }")
    migration.up().advance("customer")
    migration.wait_until_backfilled()
    migration.oxbow("halt")
    migration.kill()
    migration.up()
    for _ in range(3):
        write_log(migration)
    migration.wait_until(lambda: not slots(migration), 20, "the slot is dropped")


def test_the_backfill_goes_on_slowly_at_amber_and_waits_at_red(databases, make_shop):
    migration = make_shop(databases.legacy, databases.new, rows=20_000,
                          extra="limits: { rows_per_second: 4000, retained_wal: 400MB }")
    migration.up().advance("customer")
    migration.wait_until_copying()

    def write_until(budget, megabytes):
        execute(migration.legacy, f"SELECT pg_logical_emit_message(false, 'filler', repeat('x', 10000000)) FROM generate_series(1, {megabytes // 10})")
        migration.wait_until(lambda: migration.status()["stream"]["budget"] == budget, 10, f"the budget is {budget}")
        return migration.status()["stream"]

    with held_open(migration.legacy, "SELECT pg_current_xact_id()"):  # the log is kept from here on
        stream = write_until("amber", 250)
        assert stream["pace"] == "slow" and "of log for us" in stream["throttle_reason"]
        copied = rows_copied(migration)
        migration.wait_until(lambda: rows_copied(migration) > copied, 10, "the backfill goes on")
        assert write_until("red", 80)["pace"] == "stopped"
        assert "the backfill waits" in migration.oxbow("status").stdout
    execute(migration.legacy, "CHECKPOINT")
    migration.set_rate(0)
    migration.wait_until_backfilled()
    migration.wait_until_equal()


def test_the_backfill_waits_while_the_source_is_busy_with_others(databases, make_shop):
    migration = make_shop(databases.legacy, databases.new, rows=20_000, extra="limits: { active_sessions: 1 }")
    busy = [psycopg2.connect(migration.legacy, async_=True) for _ in range(3)]
    for connection in busy:
        psycopg2.extras.wait_select(connection)
        connection.cursor().execute("SELECT pg_sleep(600)")
    migration.up()
    migration.oxbow("rate", "--rows", "2000")
    migration.advance("customer")
    waits = lambda: "3 sessions of others are at work" in (migration.status()["stream"]["throttle_reason"] or "")
    migration.wait_until(waits, 20, "the reason is shown")
    migration.set_rate(0)
    assert not migration.is_backfilled()
    execute(migration.legacy, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'")
    migration.wait_until_backfilled()
    assert migration.status()["stream"]["throttle_reason"] is None


def test_a_halt_stops_everything_until_a_resume(shop_migration):
    migration = shop_migration
    migration.up().advance("customer")
    migration.wait_until_backfilled()
    migration.oxbow("halt", "--why", "odd numbers")
    migration.wait_until(lambda: migration.status()["stream"]["phase"] == "stopped", 10, "the stream has stopped")
    execute(migration.legacy, "UPDATE customers SET name = 'while halted'")
    assert migration.oxbow("verify", check=False).returncode == 44
    migration.kill()
    migration.up()
    assert migration.status()["halted"]["why"] == "odd numbers"
    migration.wait_until(lambda: migration.status()["stream"]["phase"] == "stopped", 10, "it is still halted")
    migration.oxbow("resume", "customer")
    assert migration.status()["stream"]["phase"] == "stopped", "one entity's resume does not end the halt"
    unapplied = "SELECT count(*) FROM shop.customer WHERE full_name = 'while halted'"
    assert execute(migration.new, unapplied) == [(0,)]
    migration.oxbow("resume")
    migration.wait_until_equal()
