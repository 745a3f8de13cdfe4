"""The second half of the demo: one cohort goes forward through all states, back once, and forward again, while people buy."""

import dataclasses
import time

from cluster import execute
from demo_services import FIRST_ORDER, Buyers, Script
from demo_text import indented, say, step
from oracle import compare

PILOT_PERCENT = 10
COHORTS = f"""
    cohorts: [ {{ name: pilot, percent: {PILOT_PERCENT} }}, {{ name: rest }} ]
"""
# Which customers are the pilot, written by hand and not taken from oxbow.
BUCKET = "((('x' || substr(md5('cohort/shop/customer:' || %s), 1, 8))::bit(32)::bigint * 10000) >> 32)"
IN_COHORT = {"pilot": f"{BUCKET} < {PILOT_PERCENT * 100}", "rest": f"{BUCKET} >= {PILOT_PERCENT * 100}"}
WAY = [
    ("advance", "new-write", "its writes go to the new side; legacy follows now"),
    ("advance", "new-read", "its readers see the new side"),
    ("rollback", "new-write", "once all the way back: first the readers"),
    ("rollback", "mirrored", "then the writes; legacy has everything that was written meanwhile"),
    ("advance", "new-write", "and forward again"),
    ("advance", "new-read", ""),
]


class PilotMoves:
    """`failed` says whether anything was not as it should be."""

    def __init__(self, migration, port):
        self.migration = migration
        self.failed = False
        pilot = execute(migration.legacy, f"SELECT customer_id FROM customers WHERE {IN_COHORT['pilot'] % 'customer_id'} LIMIT 500")
        customers = [customer for customer, in pilot]
        self.buyers, self.script = Buyers(port, customers), Script(migration, customers)

    def go_forward_and_back(self):
        say(f"\nNow the authority moves. {PILOT_PERCENT} of 100 customers, the pilot, go first. Their orders come through the gateway; a")
        say("script goes around it, straight into the database.")
        with self.buyers, self.script:
            time.sleep(1)
            for number, (verb, to, comment) in enumerate(WAY):
                self._move(verb, to, comment)
                if number == 0:
                    self.migration.wait_until(lambda: self.script.refusals, 30, "the script was refused")
                    say(f"  The script was refused by legacy, and goes where it was sent:\n    {self.script.refusals[0]}")

    def judge(self, cohorts):
        """With nobody writing: every row of these cohorts, on both sides."""
        for cohort in cohorts:
            comparisons = [dataclasses.replace(each, legacy=f"{each.legacy} WHERE {IN_COHORT[cohort] % 'customer_id'}",
                                               new=f"{each.new} WHERE {IN_COHORT[cohort] % key_of(each.new)}")
                           for each in self.migration.comparisons]
            verdict = self._settled(comparisons)
            self.failed |= not verdict.equal
            say(f"  {cohort}: {verdict}")

    def _settled(self, comparisons):
        deadline = time.monotonic() + 30
        while not (verdict := compare(self.migration.legacy, self.migration.new, comparisons)).equal and time.monotonic() < deadline:
            time.sleep(0.2)
        return verdict

    def cut_over(self):
        with self.buyers, self.script:
            self._move("advance", "fully-cutover", "nothing leads back from here, and legacy does not follow any more")
        confirmed = {order for order, _, _ in self.buyers.orders}
        stored = {order for order, in execute(self.migration.new, f"SELECT id FROM shop.purchase WHERE id >= {FIRST_ORDER}")}
        lost = len(confirmed - stored)
        self.failed |= lost > 0 or self.buyers.failed > 0
        say(f"\n{len(confirmed):,} orders were confirmed to the pilot's buyers on the way; {lost} of them are missing, "
            f"{self.buyers.failed} failed.")
        say(f"The script wrote {self.script.written['legacy']} times on legacy and {self.script.written['new']} times on the new side, and was "
            f"refused {len(self.script.refusals)} times.")

    def _move(self, verb, to, comment):
        step(f"oxbow {verb} customer --cohort pilot --to {to}", comment)
        quiet_since = time.monotonic()
        time.sleep(1)
        since = time.monotonic()
        said, given_up = self.migration.hand_over(verb, "customer", "pilot", to)
        until = time.monotonic()
        time.sleep(0.5)  # whoever waited has his answer
        say(indented(said))
        if given_up:
            say(f"  (This machine is busy: oxbow gave up {given_up} times, because writes would have waited too long.)")
        say(f"  It took {until - since:.1f} s. Meanwhile no buyer waited longer than {self.buyers.longest_ms(since, until):.0f} ms; "
            f"in the second before, {self.buyers.longest_ms(quiet_since, since):.0f} ms.")


def key_of(query):
    return "id" if query.endswith("shop.customer") else "customer_id"
