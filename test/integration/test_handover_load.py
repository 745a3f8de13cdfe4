"""Handovers under load: two services, clients who write through the gateway, and somebody who goes around it. Afterwards each
write is there once, on both sides, and no number was given out twice."""

import time

import psycopg2
import pytest

from cluster import execute
from postings import WRITE, Around, Books, Load, bank

COHORTS = {"pilot": 30, "second": 30, "rest": 40}
ACCOUNTS = 5_000


@pytest.fixture
def moving_bank(databases, tmp_path):
    with bank(tmp_path, databases.legacy, databases.new, COHORTS, ACCOUNTS) as migration:
        yield migration


def move(migration, verb, to):
    migration.hand_over(verb, "account", "pilot", to)


def goes_there_and_back(migration, times):
    with Around(migration, "pilot") as around, Load(migration, per_second=200) as load:
        began, done = time.monotonic(), 0
        while done < times or time.monotonic() - began < times * 0.6:  # as long as the load needs to prove anything
            move(migration, "advance", "new-write")
            move(migration, "rollback", "mirrored")
            done += 1
    migration.wait_until_equal()
    books = Books(load.writes + around.writes, migration.legacy, migration.new)
    assert books.are_clean, (str(books), books.strange[:5], books.failures[:5])
    assert len(load.writes) > 100 * times and len(around.writes) > times, "the load was too small to prove anything"
    assert sum(write["refused"] for write in around.writes) >= 2 * times, "nobody was refused on the side that is not at home"
    assert not migration.findings()


def test_ten_handovers_there_and_back_lose_and_double_nothing(moving_bank):
    goes_there_and_back(moving_bank, 10)


@pytest.mark.soak
def test_two_hundred_handovers_there_and_back_lose_and_double_nothing(moving_bank):
    goes_there_and_back(moving_bank, 200)


def test_without_guards_a_write_is_lost_and_both_judges_see_it(moving_bank):
    """The control of the tests above: the protection is taken away by hand, amid the load."""
    migration = moving_bank
    lost = {"account": migration.accounts["pilot"][0], "operation": "around/lost", "cents": 100, "refused": 0}
    with Load(migration, per_second=200) as load:
        move(migration, "advance", "new-write")
        with pytest.raises(psycopg2.Error) as refused:
            execute(migration.legacy, WRITE["legacy"], lost)
        assert refused.value.pgcode == "OX001"
        for table in ("accounts", "postings"):
            execute(migration.legacy, f"ALTER TABLE {table} DISABLE TRIGGER USER")
        lost["posting"] = execute(migration.legacy, WRITE["legacy"], lost)[0][0]
    migration.wait_until(lambda: migration.judge().differing == 2, 30, "the posting and its account differ, and nothing else")
    assert "around/lost" in str(migration.judge())
    books = Books(load.writes + [lost], migration.legacy, migration.new)
    assert books.lost == {"around/lost"} and not books.doubled and not books.failures, str(books)
