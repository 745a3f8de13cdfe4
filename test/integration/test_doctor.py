"""`oxbow doctor`: what of a migration is in both databases, and how all of it goes, handovers included."""

import json
import signal

import pytest

from cluster import execute
from handover import COHORTS, move, state_of, write_legacy, write_new, PILOT

OURS = "nspname !~ '^pg_(toast|temp)' AND nspname NOT IN ('pg_catalog', 'information_schema')"

# Everything of a database that oxbow might leave behind, asked of the catalog and not of oxbow.
TRACES = {
    "schemas": f"SELECT nspname, nspacl::text FROM pg_namespace WHERE {OURS} ORDER BY 1",
    "relations": f"SELECT n.nspname, relname, relkind, relreplident, relacl::text FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE {OURS} ORDER BY 1, 2",
    "functions": f"SELECT p.oid::regprocedure::text FROM pg_proc p JOIN pg_namespace n ON n.oid = pronamespace WHERE {OURS} ORDER BY 1",
    "triggers": "SELECT tgrelid::regclass::text, tgname, tgenabled FROM pg_trigger ORDER BY 1, 2",
    "event triggers": "SELECT evtname FROM pg_event_trigger ORDER BY 1",
    "publications": "SELECT pubname FROM pg_publication ORDER BY 1",
    "slots": "SELECT slot_name FROM pg_replication_slots WHERE database = current_database() ORDER BY 1",
    "origins": "SELECT roname FROM pg_replication_origin ORDER BY 1",
}


def traces(migration):
    return {(side, what): execute(url, query) for side, url in (("legacy", migration.legacy), ("new", migration.new))
            for what, query in TRACES.items()}


@pytest.fixture
def virgin():
    """What both databases of `handed_over` hold before oxbow has ever seen them."""
    return {}


@pytest.fixture
def handed_over(databases, make_shop, virgin):
    """pilot is at home on the new side, and oxbow is down."""
    migration = make_shop(databases.legacy, databases.new, cohorts=COHORTS)
    virgin.update(traces(migration))
    migration.up().advance("customer")
    migration.wait_until_backfilled()
    migration.prove_equal()
    move(migration, "advance", "pilot", "new-write")
    migration.wait_until_equal()
    migration.stop()
    return migration


def remove(migration, *arguments, **options):
    return migration.oxbow("doctor", "--remove", *arguments, **options)


def test_what_is_there_is_listed_and_where_there_is_nothing_that_is_said(shop_migration):
    assert "nothing of this migration is in either database" in shop_migration.oxbow("doctor").stdout
    assert shop_migration.ask("doctor")["traces"] == []
    before = traces(shop_migration)
    assert remove(shop_migration).stdout == "nothing of this migration was in either database\n"
    assert traces(shop_migration) == before


def test_after_a_handover_guards_and_the_stream_back_are_listed(handed_over):
    listed = {(trace["side"], trace["what"]) for trace in handed_over.ask("doctor")["traces"]}
    for side, table in (("legacy", "public.customers"), ("new", "shop.customer")):
        assert (side, f"guard of {table}") in listed
    assert ("legacy", "replication slot oxbow_shop") in listed and ("legacy", "publication oxbow_shop") in listed
    assert {side for side, what in listed if what.startswith("replication slot")} == {"legacy", "new"}
    assert {side for side, what in listed if what.startswith("replication origin")} == {"legacy", "new"}
    assert ("legacy", "schema oxbow, with what it keeps for stream shop back as its target") in listed
    assert ("new", "schema oxbow, with what it keeps for stream shop back as its source") in listed
    assert ("new", "another replica identity of shop.purchase than before") in listed


def test_a_home_on_the_new_side_is_not_opened_by_accident(handed_over):
    before = traces(handed_over)
    refused = remove(handed_over, check=False)
    assert refused.returncode == 44
    assert "customer/pilot is at home on the new side, in `new-write`" in refused.stderr and "--open-both-sides" in refused.stderr
    assert traces(handed_over) == before
    handed_over.up()
    write_new(handed_over, PILOT, "goes on as if nobody had asked")
    handed_over.wait_until_equal()


def test_the_guards_tell_who_is_at_home_where_the_journal_is_gone(handed_over, tmp_path):
    state = tmp_path / "elsewhere"
    state.mkdir()
    refused = remove(handed_over, "--state", str(state), check=False)
    assert refused.returncode == 44 and "customer/pilot is at home on the new side, as its guard on legacy says" in refused.stderr


def test_what_was_rolled_back_is_removed_without_a_question(handed_over, virgin):
    handed_over.up()
    move(handed_over, "rollback", "pilot", "mirrored")
    handed_over.wait_until_equal()
    handed_over.stop()
    said = remove(handed_over).stdout
    for done in ("legacy dropped the guard of public.customers", "new    dropped the guard of shop.customer",
                 "new    dropped replication slot oxbow_shop", "legacy dropped replication slot oxbow_shop",
                 "new    restored the replica identity of shop.purchase", "legacy dropped schema oxbow", "new    dropped schema oxbow"):
        assert done in said
    assert traces(handed_over) == virgin
    assert remove(handed_over).stdout == "nothing of this migration was in either database\n"
    handed_over.up()
    assert {cohort["state"] for cohort in handed_over.status()["cohorts"]} == {"legacy"}


def test_who_says_so_opens_both_sides_and_ends_the_way_back(handed_over, virgin):
    answer = json.loads(remove(handed_over, "--open-both-sides", "--json").stdout)
    assert answer["left_on_new"] == ["customer/pilot"]
    assert traces(handed_over) == virgin
    write_legacy(handed_over, PILOT, "nobody carries this over")
    assert remove(handed_over).stdout.startswith("nothing of this migration was in either database")
    handed_over.up()
    assert state_of(handed_over, "pilot")["state"] == "fully-cutover"
    assert state_of(handed_over, "rest")["state"] == "legacy"


@pytest.mark.parametrize("place", ["remove_before_guards", "remove_guards_after_table", "remove_after_guards", "remove_after_stream_back",
                                   "remove_after_new", "remove_before_journal"])
def test_a_removal_that_is_killed_is_finished_by_the_next(handed_over, virgin, place):
    assert remove(handed_over, "--open-both-sides", check=False, failpoint=place).returncode == -signal.SIGKILL
    remove(handed_over, "--open-both-sides")
    assert traces(handed_over) == virgin


def test_a_handover_that_a_crash_interrupted_is_not_left_open_either(databases, make_shop):
    migration = make_shop(databases.legacy, databases.new, cohorts=COHORTS)
    migration.up(failpoint="handover_after_fence").advance("customer")
    migration.wait_until_backfilled()
    migration.prove_equal()
    migration.oxbow("advance", "customer", "--cohort", "pilot", "--to", "new-write", check=False)
    migration.wait_for_exit(60)
    refused = remove(migration, check=False)
    assert refused.returncode == 44 and "customer/pilot is in a handover" in refused.stderr
    remove(migration, "--open-both-sides")
    write_legacy(migration, PILOT, "no fence is left")
    migration.up()
    assert {cohort["state"] for cohort in migration.status()["cohorts"]} == {"legacy"}


def test_the_flag_alone_means_nothing(shop_migration):
    refused = shop_migration.oxbow("doctor", "--open-both-sides", check=False)
    assert refused.returncode == 2 and "--remove" in refused.stderr
