"""Verify: oxbow proves two banks equal while they are written, against md5 push-down on both sides at once."""

import threading

from common import Scoreboard, bank_migration, create_bank, create_empty_copy, execute, pgbench, say, seconds, servers, settle

SCALE = 30  # 3 million accounts
ROUNDS = 3
PUSH_DOWN = "SELECT count(*), sum(('x' || substr(md5(t::text), 1, 16))::bit(64)::bigint::numeric) FROM {} AS t"
TABLES = ["pgbench_accounts", "pgbench_tellers", "pgbench_branches", "pgbench_history"]
GENTLE_ROWS_PER_SECOND = 50_000
TPS_S = 8


def push_down(urls):
    """Both servers hash all their rows at the same time; the answers are compared by the caller."""
    answers = {}

    def ask(url):
        answers[url] = [execute(url, PUSH_DOWN.format(table)) for table in TABLES]

    threads = [threading.Thread(target=ask, args=(url,)) for url in urls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(str, answers.values()))) == 1, "the push-down compare of quiet sides must say equal"


def verify(migration, *options):
    report, code = migration.verify(*options)
    assert (report["state"], code) == ("equal", 0), report


def transactions_per_second(source, what):
    counted = "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
    with pgbench(source, "-c", "4"):
        threading.Event().wait(1)
        before = execute(source, counted)[0][0]
        threading.Event().wait(TPS_S)
        rate = (execute(source, counted)[0][0] - before) / TPS_S
    say(f"source under full load, {what}: {rate:,.0f} tx/s")
    return rate


def tps_beside_verify(source, migration):
    """The verification is repeated for as long as the load is measured."""
    stopping, failures = threading.Event(), []

    def again_and_again():
        try:
            while not stopping.is_set():
                verify(migration, "--rate", str(GENTLE_ROWS_PER_SECOND))
        except Exception as failure:  # raised below, where the benchmark can fail by it
            failures.append(failure)

    thread = threading.Thread(target=again_and_again)
    thread.start()
    try:
        return transactions_per_second(source, f"beside a verify of {GENTLE_ROWS_PER_SECOND:,} rows/s")
    finally:
        stopping.set()
        thread.join()
        if failures:
            raise failures[0]


def measure(share):
    scale = max(1, round(SCALE * share))
    board = Scoreboard("verify")
    with servers() as (legacy, new):
        source = create_bank(legacy, "bank", scale)
        target = create_empty_copy(source, new, "mirror")
        with bank_migration(source, target) as migration:
            migration.up().advance("branch")
            migration.wait_until_backfilled(1800)
            migration.wait_until_equal()
            settle(legacy, new)
            peer, ours = [], []
            for number in range(1, ROUNDS + 1):
                peer.append(seconds(lambda: push_down((source, target))))
                with pgbench(source, "-c", "2", "-R", "50"):
                    ours.append(seconds(lambda: verify(migration)))
                say(f"round {number}: push-down, quiet: {peer[-1]:.1f} s; oxbow, written at 50 tx/s: {ours[-1]:.1f} s")
                migration.wait_until_equal()
            without = max(transactions_per_second(source, "alone") for _ in range(2))
            beside = max(tps_beside_verify(source, migration) for _ in range(2))
    board.at_least("rate", min(peer) / min(ours), 2.0, "x md5 push-down")
    board.at_least("source throughput beside it", beside / without, 0.9, "x alone")
    return board.close()
