"""Cohorts of a changed spec come into force while oxbow runs: users notice nothing, and nobody moves who must not."""

import contextlib
import hashlib
import http.client
import os
import re
import time

import psycopg2
import pytest

from cluster import execute
from postings import Books, Load, bank
from two_services import ask, cohorts_of_keys

SHARES = {"home": 20, "few": 10, "rest": 70}
ACCOUNTS = 400


@pytest.fixture
def settled_bank(databases, tmp_path):
    """`home` is at home on the new side, the others are in legacy."""
    with bank(tmp_path, databases.legacy, databases.new, SHARES, ACCOUNTS, gateway=", state_headers: true") as migration:
        for cohort in ("few", "rest"):
            migration.oxbow("rollback", "account", "--cohort", cohort, "--to", "legacy", "--wait")
        prove(migration)
        migration.hand_over("advance", "account", "home", "new-write")
        yield migration


def prove(migration):
    migration.wait_until(lambda: migration.status()["stream"]["phase"] == "running", 30, "the stream follows")
    migration.prove_equal("--entity", "account")


def text_of(migration):
    with open(os.path.join(migration.directory, "oxbow.yaml"), encoding="utf-8") as file:
        return file.read()


def with_cohorts(migration, cohorts):
    return re.sub(r"cohorts: \[.*\]", f"cohorts: [ {cohorts} ]", text_of(migration))


def named(migration):
    return [cohort["cohort"] for cohort in migration.status()["cohorts"]]


def state_of(migration, cohort):
    return next(each for each in migration.status()["cohorts"] if each["cohort"] == cohort)


def wait_until_in_force(migration):
    hash_of_file = hashlib.sha256(text_of(migration).encode()).hexdigest()

    def is_in_force():
        status = migration.status()
        return status["spec_hash"] == status["traffic"]["spec_hash"] == hash_of_file

    migration.wait_until(is_in_force, 10, "the changed spec is in force")


def change(migration, cohorts):
    migration.write_spec(with_cohorts(migration, cohorts))
    wait_until_in_force(migration)


def route_of(migration, account):
    """Cohort, side and state: as `oxbow route` explains it, and as the gateway tells the client. Both must agree."""
    target = f"/accounts/{account}/balance"
    explained = migration.ask("route", f"GET {target}")
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", migration.port, timeout=20)) as connection:
        connection.request("GET", target)
        answer = connection.getresponse()
        assert answer.status == 200 and explained["in_force"]
    assert (answer.getheader("X-Oxbow-Side"), answer.getheader("X-Oxbow-State")) == (explained["side"], explained["state"])
    return explained["cohort"], explained["side"], explained["state"]


def guards_of(migration, cohort):
    return {(guard["side"], guard["mode"], guard["epoch"]) for guard in migration.ask("locks")["guards"] if guard["cohort"] == cohort}


def touch_on_legacy(migration, account):
    execute(migration.legacy, f"UPDATE accounts SET owner = owner WHERE account_id = {account}")


def bring_all_to_the_new_side(migration, *cohorts):
    for cohort in cohorts:
        migration.oxbow("advance", "account", "--cohort", cohort, "--to", "mirrored", "--wait")
    migration.wait_until_backfilled()
    migration.wait_until_equal()


def test_a_key_is_pinned_and_a_share_raised_amid_requests_and_the_new_cohort_goes_its_way(settled_bank):
    migration = settled_bank
    pinned = migration.accounts["rest"][0]
    with Load(migration, per_second=200) as load:
        for url, table in ((migration.legacy, "postings"), (migration.new, "ledger.posting")):
            written = f"SELECT count(*) > 10 FROM {table} WHERE operation LIKE 'load/%'"
            migration.wait_until(lambda: execute(url, written) == [(True,)], 30, "users write")
        change(migration, f'{{ name: home, percent: 20 }}, {{ name: pinned, keys: [ "{pinned}" ] }}, {{ name: few, percent: 25 }}, {{ name: rest }}')
        changed_at = time.monotonic()
        assert named(migration) == ["home", "pinned", "few", "rest"]
        assert "the changed spec are in force" in migration.log()
        assert route_of(migration, pinned) == ("pinned", "legacy", "legacy")
        shares = {"home": 20, "few": 25, "rest": 55}
        raised = next(key for key in cohorts_of_keys("bank", "account", shares, ACCOUNTS)["few"] if key in migration.accounts["rest"] and key != pinned)
        assert route_of(migration, raised) == ("few", "legacy", "legacy")
        migration.oxbow("advance", "account", "--cohort", "pinned", "--to", "mirrored", "--wait")
        prove(migration)
        migration.hand_over("advance", "account", "pinned", "new-write")
        assert route_of(migration, pinned) == ("pinned", "new", "new-write")
        assert route_of(migration, migration.accounts["home"][0]) == ("home", "new", "new-write")
    with pytest.raises(psycopg2.Error) as refused:
        touch_on_legacy(migration, pinned)
    assert refused.value.pgcode == "OX001" and "account/pinned" in str(refused.value)
    touch_on_legacy(migration, raised)
    bring_all_to_the_new_side(migration, "few", "rest")
    books = Books(load.writes, migration.legacy, migration.new)
    assert books.are_clean and books.refusals == 0, (str(books), books.strange[:5], books.failures[:5])
    for is_behind in (False, True):
        assert {write["cohort"] for write in load.writes if (write["began"] > changed_at) == is_behind} == set(SHARES), "too few wrote"
    assert migration.findings() == []


def test_what_would_move_a_key_of_a_cohort_in_use_is_refused_and_the_spec_before_stays_in_force(settled_bank):
    migration = settled_bank
    before, hash_before = text_of(migration), migration.status()["spec_hash"]
    of_home = migration.accounts["home"][0]

    def is_refused(text, *words):
        migration.write_spec(text)

        def is_told():
            found = migration.findings("spec-not-taken")
            return found and all(word in found[0]["detail"] for word in words)

        migration.wait_until(is_told, 10, f"it is refused with {words}")
        status = migration.status()
        assert status["spec_hash"] == status["traffic"]["spec_hash"] == hash_before and named(migration) == list(SHARES)
        assert ask(migration.port, "GET", f"/accounts/{of_home}/balance")[0] == 200, "the old one keeps serving"

    is_refused(with_cohorts(migration, f'{{ name: home, percent: 20 }}, {{ name: pinned, keys: [ "{of_home}" ] }}, {{ name: rest }}'),
               "names other keys behind account/home", "a key never changes cohort")
    is_refused(with_cohorts(migration, '{ name: home, percent: 25 }, { name: rest }'), "gives other keys to account/home")
    is_refused(with_cohorts(migration, '{ name: few, percent: 10 }, { name: rest }'), "no longer names account/home")
    is_refused(before.replace("  account:\n", "  ledger:\n"), "entity account is gone", "that counts from the next start")
    migration.write_spec(before)
    migration.wait_until(lambda: not migration.findings("spec-not-taken"), 10, "what the file says is in force")


def test_other_cohorts_wait_for_one_that_is_under_way_and_are_in_force_behind_it(settled_bank):
    migration = settled_bank
    migration.oxbow("advance", "account", "--cohort", "few", "--to", "mirrored", "--wait")
    prove(migration)
    pinned = migration.accounts["rest"][0]
    with psycopg2.connect(migration.legacy) as writer, writer.cursor() as cursor:
        cursor.execute(f"UPDATE accounts SET owner = owner WHERE account_id = {pinned}")  # the handover waits for its end
        migration.oxbow("advance", "account", "--cohort", "few", "--to", "new-write")
        migration.wait_until(lambda: state_of(migration, "few")["waits_for"], 10, "the handover waits")
        migration.write_spec(with_cohorts(migration, f'{{ name: home, percent: 20 }}, {{ name: few, percent: 10 }}, '
                                                     f'{{ name: pinned, keys: [ "{pinned}" ] }}, {{ name: rest }}'))
        migration.wait_until(lambda: migration.findings("spec-not-taken"), 10, "it is told that it waits")
        [finding] = migration.findings("spec-not-taken")
        assert "is not taken over yet" in finding["sentence"] and "account/few is on its way to `new-write`" in finding["detail"]
        assert named(migration) == ["home", "few", "rest"]
    wait_until_in_force(migration)
    assert named(migration) == ["home", "few", "pinned", "rest"] and state_of(migration, "few")["state"] == "new-write"
    assert migration.log().count("the changed spec has to wait") == 1 and migration.findings() == []


def live(migration, text):
    migration.write_spec(text)


def at_a_start(migration, text):
    migration.kill()
    migration.write_spec(text)
    migration.up()


def killed_behind_the_journal(migration, text):
    migration.kill()
    migration.up(failpoint="take_over_after_journal")
    migration.write_spec(text)
    migration.wait_for_exit()
    migration.up()


@pytest.mark.parametrize("take_over", [live, at_a_start, killed_behind_the_journal])
def test_guards_that_stand_already_follow_the_cohorts_of_the_changed_spec(settled_bank, take_over):
    """`few` has been there and back, so its place among the guards has seen three epochs when another cohort comes to stand there."""
    migration = settled_bank
    migration.oxbow("advance", "account", "--cohort", "few", "--to", "mirrored", "--wait")
    prove(migration)
    migration.hand_over("advance", "account", "few", "new-write")
    migration.hand_over("rollback", "account", "few", "mirrored")
    migration.oxbow("rollback", "account", "--cohort", "few", "--to", "legacy", "--wait")
    pinned, other = migration.accounts["few"][:2]
    take_over(migration, with_cohorts(migration, f'{{ name: home, percent: 20 }}, {{ name: pinned, keys: [ "{pinned}" ] }}, '
                                                 '{ name: few, percent: 10 }, { name: rest }'))
    wait_until_in_force(migration)
    in_their_places = {("legacy", "open", 3), ("new", "closed", 3)}
    for cohort in ("pinned", "few"):
        migration.wait_until(lambda: guards_of(migration, cohort) == in_their_places, 10, f"the guards of {cohort} know of its epoch")
    migration.oxbow("advance", "account", "--cohort", "pinned", "--to", "mirrored", "--wait")
    prove(migration)
    migration.hand_over("advance", "account", "pinned", "new-write")
    assert state_of(migration, "pinned")["epoch"] == 4, "it goes on behind what its guards have seen"
    with pytest.raises(psycopg2.Error) as refused:
        touch_on_legacy(migration, pinned)
    assert refused.value.pgcode == "OX001" and "account/pinned" in str(refused.value)
    touch_on_legacy(migration, other)
    assert migration.findings() == [], "no guard was lost"
    bring_all_to_the_new_side(migration, "few", "rest")


MORE_ENTITIES = """entities:
  tag:
    key: customer_id
    tables: [ { legacy: public.tags, new: shop.tag } ]
    cohorts: [ { name: all } ]
  note:
    key: customer_id
    tables: [ { legacy: public.notes, new: shop.note } ]
"""


def test_an_entity_gets_several_cohorts_while_another_one_is_mirrored_unless_its_tables_are_not_fit(shop_migration):
    """Without a gateway. Of several cohorts every row has to be of one, so the key must not be NULL; no stream stops for that."""
    migration = shop_migration
    for name, null in (("tag", " NOT NULL"), ("note", "")):
        for url, table in ((migration.legacy, f"public.{name}s"), (migration.new, f"shop.{name}")):
            execute(url, f"CREATE TABLE {table} (id bigint PRIMARY KEY, customer_id bigint{null}, text text)")
    execute(migration.legacy, "INSERT INTO tags SELECT i, i % 10, 'before' FROM generate_series(1, 100) AS i")
    one = text_of(migration).replace("entities:\n", MORE_ENTITIES)
    migration.write_spec(one)
    migration.up().oxbow("advance", "customer", "--to", "mirrored", "--wait")

    two = "    cohorts: [ { name: pilot, keys: [ \"1\" ] }, { name: rest } ]\n"
    migration.write_spec(one.replace("shop.note } ]\n", "shop.note } ]\n" + two))
    migration.wait_until(lambda: migration.findings("spec-not-taken"), 10, "the change is refused")
    assert "customer_id" in migration.findings("spec-not-taken")[0]["detail"]
    assert migration.status()["stream"]["phase"] == "running"

    migration.write_spec(one.replace("    cohorts: [ { name: all } ]\n", two))
    migration.wait_until(lambda: len(named(migration)) == 4, 10, "tags have two cohorts")
    assert migration.findings() == []
    migration.oxbow("advance", "tag", "--cohort", "pilot", "--to", "mirrored", "--wait")
    migration.wait_until_backfilled()
    execute(migration.legacy, "UPDATE tags SET text = 'behind'; UPDATE customers SET note = 'behind'")
    migration.wait_until_equal()
    assert execute(migration.new, "SELECT DISTINCT customer_id, text, count(*) FROM shop.tag GROUP BY 1, 2") == [(1, "behind", 10)]


def test_a_change_that_was_refused_comes_into_force_when_what_stood_in_its_way_is_gone(settled_bank):
    migration = settled_bank
    migration.oxbow("advance", "account", "--cohort", "few", "--to", "mirrored", "--wait")
    migration.write_spec(with_cohorts(migration, "{ name: home, percent: 20 }, { name: few, percent: 25 }, { name: rest }"))
    migration.wait_until(lambda: migration.findings("spec-not-taken"), 10, "it is refused")
    migration.oxbow("rollback", "account", "--cohort", "few", "--to", "legacy", "--wait")
    wait_until_in_force(migration)
    migration.wait_until(lambda: not migration.findings("spec-not-taken"), 10, "the finding is closed")
