"""Handover: what users of a cohort feel when its authority moves, what their neighbours feel, and what guards cost.

Two services write their own databases; clients write through the gateway at a steady rate, and each measures from the start of a
request to its answer. What became of each write is compared with both databases afterwards. The cost of guards is that of the same
tables with the triggers switched on and off in turn, after a handover there and back has put them there.
"""

import bisect
import contextlib
import statistics
import tempfile
import time

from common import DISK, OXBOW, SPEC, TABLES, Scoreboard, bank_migration, binary, create_bank, create_empty_copy, execute, run, say, servers, settle

from postings import Books, Load, bank

PER_SECOND = 500
DEADLINE_S = 10  # of a client
ACCOUNTS = 100_000
COHORTS = {"pilot": 25, "second": 25, "third": 25, "rest": 25}
TURNS = ["pilot", "second", "pilot", "third", "pilot", "rest"]  # half of all writes are of the cohort that moves
ROUNDS = 200  # there and back
BLOCKS = 10  # of rounds; the neighbours' ratio is the median over them
WHOLE_ROUNDS = 4
GUARD_SCALE = 10
GUARD_ROUNDS = 15
GUARD_S = 1  # short, so that both runs of a pair find the machine in the same mood

WORDS = {"lost": "lost", "doubled": "doubled", "reused": "with a number given out twice", "failures": "without an answer",
         "strange": "that nobody knows of"}
UPDATE = f"\\set aid random(1, {GUARD_SCALE * 100_000})\nUPDATE pgbench_accounts SET abalance = abalance + 1 WHERE aid = :aid;\n"


def share_of(figures, percent):
    """The figure below which so many of them are; the worst counts as one of a hundred."""
    figures = sorted(figures)
    return figures[min(len(figures) - 1, len(figures) * percent // 100)]


class Spans:
    """When something was going on, as (from, until) in the order of time."""

    def __init__(self):
        self.spans = []

    def add(self, since):
        self.spans.append((since, time.monotonic()))
        return self.spans[-1][1] - since


class Writes:
    """The answered writes of some cohorts, by the moment of their answer."""

    def __init__(self, writes):
        self.all = sorted((write for write in writes if "failure" not in write), key=lambda write: write["ended"])
        self._ends = [write["ended"] for write in self.all]

    def touching(self, since, until):
        """Those that were under way at some moment of the span."""
        first = bisect.bisect_left(self._ends, since)
        last = bisect.bisect_right(self._ends, until + DEADLINE_S)  # who began in the span may have ended long behind it
        return [write for write in self.all[first:last] if write["began"] <= until]

    def latencies_ms(self, spans):
        return [(write["ended"] - write["began"]) * 1000 for span in spans for write in self.touching(*span)]

    def longest_gap_ms(self, since, until):
        first = max(bisect.bisect_left(self._ends, since) - 1, 0)
        last = bisect.bisect_right(self._ends, until) + 1
        ends = self._ends[first:last]
        return max((after - before) * 1000 for before, after in zip(ends, ends[1:]))


class Moves:
    """A cohort goes there and back under load; what its users and its neighbours felt."""

    def __init__(self, migration, cohort, rounds, turns):
        moving, quiet = Spans(), Spans()
        self.given_up = 0
        with Load(migration, PER_SECOND, turns, deadline_s=DEADLINE_S) as load:
            time.sleep(2)  # connections are opened, and the load has come to its rate
            for number in range(rounds):
                took_s = 0
                for verb, to in (("advance", "new-write"), ("rollback", "mirrored")):
                    since = time.monotonic()
                    self.given_up += migration.hand_over(verb, "account", cohort, to)[1]
                    took_s += moving.add(since)
                time.sleep(0.05)  # what the handover has held up has been caught up on
                since = time.monotonic()
                time.sleep(min(max(took_s / 3, 0.1), 0.5))  # as a neighbour feels it without a handover
                quiet.add(since)
                if (number + 1) % max(rounds // 5, 1) == 0:
                    say(f"  {number + 1} there and back; the last took {took_s:.2f} s")
        self.equal = verdict_on(migration)
        self.books = Books(load.writes, migration.legacy, migration.new)
        self.writes = len(load.writes)
        self.per_second = self.writes / (max(write["began"] for write in load.writes) - min(write["began"] for write in load.writes))
        own = Writes([write for write in load.writes if write["cohort"] == cohort])
        others = Writes([write for write in load.writes if write["cohort"] != cohort])
        self.usual_ms = statistics.median(own.latencies_ms(quiet.spans))
        self.pauses_ms = [max(own.latencies_ms([span])) - self.usual_ms for span in moving.spans]
        self.gaps_ms = [own.longest_gap_ms(*span) for span in moving.spans]
        if others.all:
            self.during_ms, self.without_ms = (share_of(others.latencies_ms(each.spans), 99) for each in (moving, quiet))
            self.neighbours = statistics.median(
                share_of(others.latencies_ms(of_moving), 99) / share_of(others.latencies_ms(of_quiet), 99)
                for of_moving, of_quiet in zip(blocks_of(moving.spans), blocks_of(quiet.spans)))
        say(f"  {self.writes:,} writes, {self.per_second:,.0f}/s, usual latency {self.usual_ms:.1f} ms; {self.books}; the oracle says: "
            f"{self.equal}; refused and written again {self.books.refusals}")

    def __str__(self):
        return ", ".join(f"{what} p50 {share_of(figures, 50):.1f} p99 {share_of(figures, 99):.1f} max {max(figures):.1f} ms"
                         for what, figures in (("waited", self.pauses_ms), ("gap between answers", self.gaps_ms)))


def verdict_on(migration):
    """The oracle's, when the last changes have had their time to arrive."""
    with contextlib.suppress(AssertionError):
        return migration.wait_until_equal(30)
    return migration.judge()


def blocks_of(spans):
    """Parts of about the same length, in the order of time."""
    count = min(BLOCKS, len(spans))
    return [spans[len(spans) * place // count:len(spans) * (place + 1) // count] for place in range(count)]


def moves(clusters, name, cohorts, cohort, rounds, turns=None):
    legacy, new = (cluster.create_database(name) for cluster in clusters)
    with tempfile.TemporaryDirectory(prefix="oxbow-bench-", dir=DISK) as directory, \
            bank(directory, legacy, new, cohorts, ACCOUNTS, name=name, binary=OXBOW) as migration:
        settle(*clusters)
        found = Moves(migration, cohort, rounds, turns)
        explain_slowest(migration)
        migration.stop()
    say(f"  {found}")
    return found


def explain_slowest(migration):
    """What oxbow itself says of its handovers: for whoever wants to know where the time goes."""
    with open(migration.log_path(), encoding="utf-8") as log:
        told = [line.split("writes waited ", 1)[1].strip() for line in log if "writes waited " in line]
    for line in sorted(told, key=lambda line: float(line.split(" ", 1)[0]))[-2:]:
        say(f"  among the slowest, in ms: writes waited {line}")


def guarded_bank(clusters):
    """pgbench's tables, of which every one has its guards, because a cohort went there and back; oxbow has ended."""
    legacy, new = clusters
    source = create_bank(legacy, "pgbench", GUARD_SCALE)
    for table in TABLES + ["pgbench_history"]:
        execute(source, f"ALTER TABLE {table} ALTER bid SET NOT NULL")
    target = create_empty_copy(source, new, "pgbench")
    with bank_migration(source, target, spec=SPEC + "    cohorts: [ {{ name: pilot, percent: 20 }}, {{ name: rest }} ]\n") as migration:
        migration.up().oxbow("advance", "branch", "--to", "mirrored", "--wait", timeout=600)
        migration.prove_equal()
        assert not guards_on(source), "there are guards before any handover"
        for verb, to in (("advance", "new-write"), ("rollback", "mirrored")):
            migration.oxbow(verb, "branch", "--cohort", "pilot", "--to", to, "--wait")
        migration.stop()
    guards = guards_on(source)
    assert len(guards) == 4 and all(count >= 3 for _, count in guards), f"not every table has its guards: {guards}"
    settle(*clusters)
    return source


def guards_on(url):
    """Each guarded table, and how many triggers it has for that."""
    return execute(url, "SELECT tgrelid::regclass::text, count(*) FROM pg_trigger WHERE tgname LIKE '~oxbow%' GROUP BY 1")


def transactions_per_second(source, script, with_guards):
    for table in TABLES + ["pgbench_history"]:
        execute(source, f"ALTER TABLE {table} {'ENABLE' if with_guards else 'DISABLE'} TRIGGER USER")
    output = run([binary("pgbench"), "-n", "-c", "4", "-T", str(GUARD_S), *script, source])
    return float(next(line for line in output.splitlines() if line.startswith("tps")).split()[2])


def cost_of_guards(source, what, script, rounds):
    """The share of transactions that guards cost, in percent; who comes first changes, because the machine drifts."""
    ratios = []
    for number in range(rounds):
        rates = {with_guards: transactions_per_second(source, script, with_guards)
                 for with_guards in ((False, True) if number % 2 == 0 else (True, False))}
        ratios.append(rates[True] / rates[False])
        say(f"  {what}: {rates[False]:,.0f} tx/s without guards, {rates[True]:,.0f} with")
    say(f"  {what}, {rounds} pairs: {min(ratios):.2f} x to {max(ratios):.2f} x the transactions without guards")
    return 100 * (1 - statistics.median(ratios))


def measure(share):
    board = Scoreboard("handover")
    rounds = max(5, round(ROUNDS * share))
    with servers() as clusters, tempfile.NamedTemporaryFile("w", suffix=".sql") as update:
        say(f"one cohort of four there and back, {rounds} times, under {PER_SECOND} writes/s")
        cohort = moves(clusters, "cohort", COHORTS, "pilot", rounds, TURNS)
        say(f"  neighbours' p99: {cohort.during_ms:.2f} ms during handovers, {cohort.without_ms:.2f} ms without")
        say(f"a whole table, of one cohort, there and back, {WHOLE_ROUNDS} times, under {PER_SECOND} writes/s")
        whole = moves(clusters, "whole", {"all": 100}, "all", WHOLE_ROUNDS)
        say("guards on all four tables of pgbench, 4 clients")
        source = guarded_bank(clusters)
        update.write(UPDATE)
        update.flush()
        guard_rounds = max(3, round(GUARD_ROUNDS * share))
        default_cost = cost_of_guards(source, "default script", [], guard_rounds)
        update_cost = cost_of_guards(source, "update of one row", ["-f", update.name], guard_rounds)
    for what, figures in (("write pause", cohort.pauses_ms), ("gap between answers", cohort.gaps_ms)):
        say(f"{what}: p50 {share_of(figures, 50):.2f} ms")
        board.at_most(f"{what} p99", share_of(figures, 99), 50, "ms")
        board.at_most(f"{what} max", max(figures), 250, "ms")
    board.at_most("neighbours' p99", cohort.neighbours, 1.05, "x without a handover")
    board.at_most("whole table, write pause max", max(whole.pauses_ms), 1000, "ms")
    board.at_most("guards, default script", default_cost, 10, "% of the transactions")
    board.at_most("guards, update of one row", update_cost, 15, "% of the transactions")
    for what in ("lost", "doubled", "reused", "failures", "strange"):
        board.at_most(f"writes {WORDS[what]}", sum(len(getattr(each.books, what)) for each in (cohort, whole)), 0, f"of {cohort.writes + whole.writes:,}")
    board.at_most("rows that differ", cohort.equal.differing + whole.equal.differing, 0, f"of {cohort.equal.rows + whole.equal.rows:,}")
    board.at_most("handovers given up", cohort.given_up + whole.given_up, 0, f"of {2 * (rounds + WHOLE_ROUNDS)}")
    board.at_least("writes begun", min(cohort.per_second, whole.per_second), 0.95 * PER_SECOND, "a second")
    return board.close()

