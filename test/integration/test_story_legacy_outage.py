"""Legacy is cut off while all cohorts are at home on the new side, and comes back without its last transactions. Users notice nothing;
that there is no way back is known within seconds, and what legacy has forgotten is never assumed away.

The oracle is what each client was told (`Books`) and which postings the two databases hold.
"""

import contextlib
import re
import time

import psycopg2
import pytest

from chaos_proxy import ChaosProxy
from cluster import execute
from handover import state_of
from postings import POSTING_ROWS, WRITE, Books, Load, bank
from two_services import ask
from way_back import ready, roll_back

SHARES = {"pilot": 40, "rest": 60}
ACCOUNTS = 1_000
PER_SECOND = 100
BEFORE_S, OUTAGE_S = 2, 9
RED_WITHIN_S = 10
SLOWER_MAX_MS = 300  # of the p99; who waits for legacy waits for as long as the outage lasts
SETTINGS = {"legacy_more": ", health: /healthz", "gateway": ", limits: { answer_time: 1s }, health: { every: 1s, failures: 2 }"}
BUDGET_MB, FILLER_MB = 32, 2


class Bank:
    """Makes the bank; oxbow and the legacy service reach legacy through a proxy."""

    def __init__(self, directory, stack, legacy, name, new_url):
        self.legacy = legacy
        self.proxy = stack.enter_context(ChaosProxy(legacy.port))
        self._directory, self._stack, self._name, self._new_url = directory, stack, name, new_url

    def __call__(self, at_home=("pilot", "rest"), **settings):
        through = self.legacy.url(self._name, port=self.proxy.port)
        migration = self._stack.enter_context(bank(self._directory, self.legacy.url(self._name), self._new_url, SHARES, ACCOUNTS,
                                                   legacy_url=through, **SETTINGS, **settings))
        for cohort in at_home:
            migration.hand_over("advance", "account", cohort, "new-write")
        return migration


@pytest.fixture
def make_bank(tmp_path, databases):
    with contextlib.ExitStack() as stack:
        yield Bank(tmp_path, stack, databases.clusters[0], databases.names[0], databases.new)


@pytest.fixture
def make_bank_of_its_own(tmp_path, own_clusters):
    """For those that bring its server back from a copy."""
    legacy, new = own_clusters
    legacy.create_database("bank")
    with contextlib.ExitStack() as stack:
        yield Bank(tmp_path, stack, legacy, "bank", new.create_database("bank"))


def reason(migration):
    return " ".join(ready(migration)[1])


def wait_until_red(migration):
    began = time.monotonic()
    migration.wait_until(lambda: ready(migration)[0] == 503, RED_WITHIN_S, "readiness is red")
    print(f"cut off: red after {time.monotonic() - began:.1f} s")


def wait_until_green(migration):
    migration.wait_until(lambda: ready(migration)[0] == 200, 30, "readiness is green")
    migration.wait_until(lambda: state_of(migration, "pilot")["envelope"] == "full", 30, "the way back is open")


def operations(*loads):
    return {write["operation"] for load in loads for write in load.writes}


def only_on_new(migration):
    """The operations that legacy knows nothing of."""
    legacy, new = ({operation for _, _, operation, *_ in execute(url, POSTING_ROWS[side])}
                   for side, url in (("legacy", migration.legacy), ("new", migration.new)))
    assert not legacy - new, "legacy knows of what nobody has written"
    return new - legacy


def written(migration, seconds, name):
    """Writes of that time, all of which have come to legacy."""
    with Load(migration, PER_SECOND, name=name) as load:
        time.sleep(seconds)
    migration.wait_until(lambda: not only_on_new(migration), 20, "legacy has everything")
    return load


def p99_ms(writes):
    figures = sorted((write["ended"] - write["began"]) * 1000 for write in writes)
    return figures[len(figures) * 99 // 100]


def age_s(migration):
    return float(re.search(r"has not moved for ([0-9.]+) s", reason(migration))[1])


def go_forward_to_the_end(migration):
    """As it says of a way back that is lost."""
    for state in ("new-read", "fully-cutover"):
        migration.oxbow("advance", "account", "--to", state, "--wait")
    assert ready(migration) == (200, []), "nobody needs a way back any more"
    with Load(migration, PER_SECOND, name="at last") as load:
        time.sleep(0.5)
    books = Books(load.writes, migration.legacy, migration.new)
    assert load.writes and not books.missing["new"] and not books.failures


def test_users_notice_nothing_of_the_outage_and_what_legacy_has_forgotten_is_not_assumed_away(make_bank_of_its_own):
    migration = make_bank_of_its_own()
    account = migration.accounts["pilot"][0]
    make_bank_of_its_own.legacy.keep_copy()
    wait_until_green(migration)
    before = written(migration, BEFORE_S, "before")

    with Load(migration, PER_SECOND, name="during") as during, make_bank_of_its_own.proxy.blackhole():
        began = time.monotonic()
        wait_until_red(migration)
        age, of = age_s(migration), reason(migration)
        assert "legacy" in of, of
        assert state_of(migration, "pilot")["envelope"] == "unknown"
        assert "NOT READY" in migration.oxbow("status").stdout
        refused = roll_back(migration, entity="account")
        assert refused.returncode != 0 and "nobody can tell what a rollback would lose" in refused.stderr
        told = [ask(migration.port, "GET", f"/accounts/{account}/history") for _ in range(5)]
        assert min(status for status, _ in told) >= 500, f"reads that have stayed on legacy fail and are never empty: {told}"
        status, balance = ask(migration.port, "GET", f"/accounts/{account}/balance")
        assert status == 200 and balance["cents"] > 0, "reads of what was written come from where it was written"
        migration.wait_until(lambda: migration.findings("service-failing"), RED_WITHIN_S, "it is a finding")
        failing, = migration.findings("service-failing")
        assert failing["owner"] == "team-bank", "legacy's owners are told, and not those of the new side"
        assert age_s(migration) > age, "it says for how long"
        make_bank_of_its_own.legacy.crash()
        make_bank_of_its_own.legacy.come_back_from_copy()
        time.sleep(max(0, began + OUTAGE_S - time.monotonic()))
    usual, cut_off = p99_ms(before.writes), p99_ms(during.writes)
    print(f"p99 {usual:.1f} ms before, {cut_off:.1f} ms while legacy was cut off")
    assert cut_off < usual + SLOWER_MAX_MS and len(during.writes) > 0.9 * OUTAGE_S * PER_SECOND

    make_bank_of_its_own.proxy.cut()
    migration.wait_until(lambda: "no way back any more" in reason(migration), 30, "it is noticed that legacy has gone back")
    with Load(migration, PER_SECOND, name="behind") as behind:
        time.sleep(1)
    books = Books(before.writes + during.writes + behind.writes, migration.legacy, migration.new)
    assert not books.missing["new"] and not books.failures and not books.doubled and not books.reused, str(books)
    assert only_on_new(migration) == operations(before, during, behind), "nothing was carried on over the gap"
    with pytest.raises(psycopg2.Error) as refused:
        execute(migration.legacy, WRITE["legacy"], {"account": account, "operation": "around", "cents": 1})
    assert refused.value.pgcode == "OX001", "what has come back takes no writes"
    assert [state_of(migration, cohort)["envelope"] for cohort in SHARES] == ["forward-only", "forward-only"]
    refused = roll_back(migration, entity="account")
    assert refused.returncode != 0 and "recovery goes forward only" in refused.stderr
    go_forward_to_the_end(migration)


def forget_positions(migration):
    """Both sides take up the streams where the other one stands, as if nothing had been there before."""
    slot = "SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE database = current_database()"
    beat = "SELECT coalesce(max(pg_sequence_last_value(oid)), 0) FROM pg_class WHERE relkind = 'S' AND relname ~ '^beat_'"
    for target, source in ((migration.legacy, migration.new), (migration.new, migration.legacy)):
        position = execute(source, slot)[0] + execute(source, beat)[0]
        execute(target, "UPDATE oxbow.stream SET lsn = %s, beat = %s", position)


def test_if_positions_did_not_tell_writes_would_be_lost_and_the_oracle_names_them(make_bank_of_its_own):
    """The control of the test above: what both sides remember of the streams is wiped out by hand."""
    migration = make_bank_of_its_own()
    make_bank_of_its_own.legacy.keep_copy()
    wait_until_green(migration)
    forgotten = written(migration, 1, "forgotten")
    migration.stop()
    make_bank_of_its_own.legacy.come_back_from_copy()
    forget_positions(migration)
    migration.up()
    wait_until_green(migration)
    with Load(migration, PER_SECOND, name="carried") as carried:
        time.sleep(1)
    migration.wait_until(lambda: only_on_new(migration) == operations(forgotten), 20, "all that came later was carried over the gap")
    migration.hand_over("rollback", "account", "pilot", "mirrored")
    books = Books(forgotten.writes + carried.writes, migration.legacy, migration.new)
    assert books.missing["legacy"] == operations(forgotten) and not books.missing["new"], str(books)


def test_who_is_still_at_home_on_legacy_feels_the_outage_and_nobody_else_does(make_bank):
    """The control of what users notice: the same clients, in front of the same proxy."""
    migration = make_bank(at_home=["pilot"])
    with Load(migration, PER_SECOND, deadline_s=2) as load, make_bank.proxy.blackhole():
        time.sleep(3)
    make_bank.proxy.cut()
    failed = {write["cohort"] for write in load.writes if "failure" in write}
    assert failed == {"rest"}


def retained_mb(migration):
    """By the slot of the way back; None without one."""
    found = execute(migration.new, "SELECT (pg_current_wal_lsn() - restart_lsn) / 1048576 FROM pg_replication_slots "
                                   "WHERE database = current_database()")
    return float(found[0][0]) if found else None


def test_an_outage_that_outlasts_the_budget_for_the_log_ends_the_way_back_and_no_user_write(make_bank):
    migration = make_bank(extra=f"limits: {{ retained_wal: {BUDGET_MB}MB }}")
    kept = []
    with Load(migration, PER_SECOND) as load, make_bank.proxy.blackhole():
        while (megabytes := retained_mb(migration)) is not None:
            kept.append(megabytes)
            assert megabytes < 2 * BUDGET_MB, f"oxbow looks every second, and the log is not released: {kept}"
            execute(migration.new, f"SELECT pg_logical_emit_message(false, 'filler', repeat('x', {FILLER_MB} << 20))")
            time.sleep(0.2)
        wait_until_red(migration)
        migration.wait_until(lambda: migration.findings("stream-given-up"), 10, "the finding")
    assert max(kept) > BUDGET_MB / 2, f"the log is not released before it has to be: {kept}"
    assert not [write for write in load.writes if "failure" in write]
    given_up, = migration.findings("stream-given-up")
    assert "recovery goes forward only" in given_up["detail"]
    assert "the stream back to legacy does not run" in reason(migration)
    assert state_of(migration, "pilot")["envelope"] == "forward-only"
    make_bank.proxy.cut()
    go_forward_to_the_end(migration)
