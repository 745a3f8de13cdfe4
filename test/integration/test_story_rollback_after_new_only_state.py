"""Users of the new side come into states that legacy has no room for: a second plan, a linked account. Which rows these are is known
within seconds and by name, not found out by a rollback; and what goes back in the end loses exactly what was shown.

The oracle is a statement over the new side that says what legacy's schema has no room for, beside the comparison of both sides.
"""

import time

import pytest

from cluster import execute
from entitlements import COMPARISONS, Users, entitlements, without_room_on_legacy
from handover import state_of, wait_for_full_way_back
from oracle import compare
from way_back import events, lost_between, lost_by, preview, ready, roll_back, rows_by_key, wait_for_rows, way_back, what_is_shown

SHARES = {"pilot": 50, "second": 20, "rest": 30}
USERS = 1_000
SECOND_GRANTS, LINKED, REGRETTED, MENDED = 25, 7, 5, 10
KNOWN_WITHIN_S = 10
COLUMNS = {"access.member": ("id", "name", "kind"), "access.entitlement": ("id", "user_id", "plan", "since")}


@pytest.fixture
def moved(databases, tmp_path):
    """Two cohorts are at home on the new side, and all their users have chosen another plan there."""
    with entitlements(tmp_path, databases.legacy, databases.new, SHARES, USERS) as migration:
        for cohort in ("pilot", "second"):
            migration.hand_over("advance", "user", cohort, "new-write")
        users = Users(migration)
        users.choose_all(migration.users["pilot"] + migration.users["second"], "second")
        wait_for_full_way_back(migration, "pilot", "second")
        yield migration, users


def named_by(shown):
    """Table and key of the rows that a preview or an envelope names."""
    return {(row["table"], int(row["key"].removeprefix("id="))) for row in shown["rows"]}


def differing(migration):
    """Table and key of each row in which the two sides differ, by the oracle that compares them."""
    verdict = compare(migration.legacy, migration.new, COMPARISONS, sample_max=USERS)
    return {(each.name, int((each.new or each.legacy)[0])) for each in verdict.samples}


def rows_of_new(migration):
    return {table: rows_by_key(migration.new, table, columns) for table, columns in COLUMNS.items()}


def plans_on(url, sql):
    return dict(execute(url, sql))


def come_into_new_only_states(migration, users):
    """Some get a second entitlement, some link their account, some do both, and some think again. Returns who has which second one."""
    pilot = migration.users["pilot"]
    grants = {user: users.grant(user, "extra") for user in pilot[:SECOND_GRANTS]}
    for user in pilot[SECOND_GRANTS - 2:SECOND_GRANTS - 2 + LINKED]:
        users.link(user)
    for user in pilot[100:100 + REGRETTED]:
        users.give_up(user, users.grant(user, "regretted"))
    users.choose_all(pilot[200:300], "third")
    assert not users.failures, users.failures[:3]
    return grants


def roll_back_accepting(migration, rows):
    shown = what_is_shown(migration, "user")
    assert shown[1] == str(rows), shown
    done = roll_back(migration, *shown, "--why", "told to all of them", "--wait", entity="user")
    assert done.returncode == 0, done.stderr
    assert state_of(migration, "pilot")["state"] == "mirrored"


def test_a_rollback_loses_the_rows_that_legacy_has_no_room_for_and_each_is_named_before(moved):
    migration, users = moved
    pilot, second = (migration.users[cohort] for cohort in ("pilot", "second"))

    first = users.grant(pilot[-1], "the first one")
    began = time.monotonic()
    migration.wait_until(lambda: state_of(migration, "pilot")["envelope"] == "partial", KNOWN_WITHIN_S, "the way back is known to be narrow")
    print(f"a unique value that legacy has already: known after {time.monotonic() - began:.1f} s")
    row, = way_back(migration)["rows"]
    assert (row["table"], row["key"]) == ("access.entitlement", f"id={first}") and "one_plan_each" in row["reason"]
    migration.wait_until(lambda: events(migration, "envelope-narrowed"), KNOWN_WITHIN_S, "the journal knows")

    grants = come_into_new_only_states(migration, users)
    without_room = without_room_on_legacy(migration)
    assert len(without_room) == 1 + SECOND_GRANTS + LINKED
    wait_for_rows(migration, len(without_room))
    migration.wait_until(lambda: differing(migration) == without_room, 20, "all else has come to legacy")
    narrowed, = events(migration, "envelope-narrowed")
    assert f"id={first} of access.entitlement" in narrowed["text"], "the first row is the news"
    assert ready(migration) == (200, []), "the stream itself is well: its neighbours still come over"

    shown = preview(migration, "user")
    assert named_by(shown) == without_room and shown["rows_lost"] == len(without_room)
    assert {row["cohort"] for row in shown["rows"]} == {"pilot"}
    waiting = migration.findings("quarantined-row")
    assert {(each["table"], int(each["key"].removeprefix("id="))) for each in waiting} == without_room
    assert {each["owner"] for each in waiting} == {"team-platform"}

    refused = roll_back(migration, entity="user")
    assert refused.returncode != 0 and f"would lose {len(without_room)} rows" in refused.stderr
    for words in ("--preview", "forward-fix", "oxbow quarantine --retry", f"--accept-loss {len(without_room)}"):
        assert words in refused.stderr, refused.stderr
    assert roll_back(migration, "--accept-loss", str(len(without_room) - 1), entity="user").returncode != 0
    assert state_of(migration, "pilot")["state"] == "new-write"

    # Who has used old shapes only goes back meanwhile, and loses nothing.
    assert state_of(migration, "second")["envelope"] == "full"
    migration.hand_over("rollback", "user", "second", "mirrored")
    users.choose_all(second, "back home")
    assert not users.failures, users.failures[:3]

    # Some are mended: they give their old plan up, and legacy has room for the one that they got.
    old_plans = {user: number for user, number in execute(migration.new, "SELECT user_id, min(id) FROM access.entitlement GROUP BY 1")}
    for user in pilot[:MENDED]:
        users.give_up(user, old_plans[user])
        users.plans[user] = "extra"
    migration.oxbow("quarantine", "--retry", "--all")
    without_room = without_room_on_legacy(migration)
    assert len(without_room) == 1 + SECOND_GRANTS - MENDED + LINKED and not {grants[user] for user in pilot[:MENDED]} & {key for _, key in without_room}
    wait_for_rows(migration, len(without_room))

    # The others are given up: exactly what is shown, field by field.
    migration.wait_until(lambda: differing(migration) == without_room, 20, "nothing else is on its way")
    shown = preview(migration, "user")
    assert named_by(shown) == without_room
    before = rows_of_new(migration)
    roll_back_accepting(migration, len(without_room))
    migration.wait_until_equal()
    after = rows_of_new(migration)
    for table in COLUMNS:
        assert lost_between(before[table], after[table]) == lost_by(shown, table)
    accepted, = events(migration, "loss-accepted")
    assert f"{len(without_room)} rows" in accepted["text"] and accepted["why"] == "told to all of them"
    migration.prove_equal()
    assert not without_room_on_legacy(migration) and not migration.findings("quarantined-row")

    # Each user has the plan that he was told last, on both sides, and goes on with it.
    users.choose_all(pilot[::10], "as ever")
    migration.wait_until_equal()
    assert plans_on(migration.legacy, "SELECT user_id, plan FROM plans") == users.plans
    assert plans_on(migration.new, "SELECT user_id, plan FROM access.entitlement") == users.plans


def test_without_the_record_of_what_legacy_refused_the_same_rows_are_lost_unseen_and_the_oracle_names_them(moved):
    """The control of the test above: what waits in quarantine is wiped out behind oxbow's back. A second protection still stands, and
    is given up by hand as well."""
    migration, users = moved
    come_into_new_only_states(migration, users)
    without_room = without_room_on_legacy(migration)
    wait_for_rows(migration, len(without_room))
    migration.wait_until(lambda: way_back(migration)["narrowed_since"], 10, "the journal knows")
    migration.stop()
    execute(migration.legacy, "DELETE FROM oxbow.quarantine")
    migration.up()
    wait_for_rows(migration, 0)
    assert preview(migration, "user")["rows_lost"] == 0
    assert "oxbow verify --entity user" in roll_back(migration, entity="user").stderr, "the journal has not forgotten"
    roll_back_accepting(migration, 0)
    migration.wait_until(lambda: migration.status()["stream"]["phase"] == "running", 20, "the stream to the new side runs")
    users.choose(migration.users["pilot"][-1], "home again")
    plan = f"SELECT plan FROM access.entitlement WHERE user_id = {migration.users['pilot'][-1]}"
    migration.wait_until(lambda: execute(migration.new, plan) == [("home again",)], 20, "the new side follows legacy again")
    assert differing(migration) == without_room
