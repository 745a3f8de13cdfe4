"""A verification that finds a hundred thousand differences keeps as much as people can read, and disturbs nobody."""

import threading
import time

import pytest

from cluster import execute

ROWS = 100_000


@pytest.fixture
def differing(databases, make_shop):
    """As if oxbow itself had lost a column of every visit; only a comparison can find it."""
    migration = make_shop(databases.legacy, databases.new, rows=100)
    execute(migration.legacy, f"INSERT INTO visits SELECT v, 1, '/page' FROM generate_series(1000000, 1000000 + {ROWS} - 1) v; ANALYZE")
    migration.up().advance("customer")
    migration.wait_until_backfilled()
    execute(migration.new, "SET session_replication_role = replica; UPDATE shop.visit SET page = 'lost' WHERE id >= 1000000")
    return migration


def seconds_of(action):
    began = time.monotonic()
    action()
    return time.monotonic() - began


def test_a_verification_that_finds_very_much_keeps_the_first_and_counts_the_rest(differing):
    report, code = differing.verify()
    assert (code, report["divergence_count"], len(report["divergences"])) == (50, ROWS, 100)
    found = differing.ask("findings", "--limit", "10000")["findings"]
    rest = [finding for finding in found if "more" in finding["key"]]
    assert len(found) == 1001 and len(rest) == 1
    assert "99,000 more rows of public.visits and shop.visit differ" in rest[0]["sentence"]
    assert "page: legacy '/page', new 'lost'" in found[-1]["detail"]

    execute(differing.new, f"SET session_replication_role = replica; UPDATE shop.visit SET page = '/page' WHERE id >= {1000000 + 5}")
    report, code = differing.verify()
    assert (code, report["divergence_count"]) == (50, 5)
    assert len(differing.findings("divergence")) == 5, "what was mended is closed"


def test_status_and_halt_answer_while_a_verification_finds_very_much(differing):
    verifying = threading.Thread(target=differing.verify)
    verifying.start()
    differing.wait_until(lambda: differing.status()["verifications"], 20, "it runs")
    answers = []
    while not any(report["divergence_count"] > 500 for report in differing.status()["verifications"]):
        answers.append(seconds_of(differing.status))
    answers.append(seconds_of(lambda: differing.oxbow("halt")))
    verifying.join(30)
    assert max(answers) < 1, answers
    differing.oxbow("resume")
    differing.wait_until(lambda: differing.status()["stream"]["phase"] == "running", 20, "the stream runs again")
